"""The JSON of a question: the same first keys always, null where there is nothing."""

import pytest
from fake_endpoint import Endpoint, completion, sends
from helpers import answer, play, zoom
from PIL import Image

from mini_o3.episode import Episode, Limits
from mini_o3.kit.chat import ChatSettings
from mini_o3.kit.usage import Price
from mini_o3.policies.api import Api
from mini_o3.policies.replay import Replay
from mini_o3.show.result import EXIT_CODES, confidence_of, result_of

PICTURE = Image.new("RGB", (1000, 500), "red")
FIRST = ["status", "answer", "confidence", "evidence", "error", "usage", "cost"]


def test_an_answer_has_its_evidence_in_fractions_and_pixels():
    found = result_of(play(Replay({"*": [zoom(0.5, 0, 1, 1), answer("red")]}), PICTURE))
    assert list(found)[:7] == FIRST
    assert (found["status"], found["answer"]) == ("answered", "red")
    assert found["evidence"] == {
        "fractions": [0.5, 0, 1, 1],
        "pixels": [500, 0, 1000, 500],
        "source": "last_view",
    }
    assert (found["usage"], found["cost"], found["confidence"], found["error"]) == (None, None, None, None)
    assert Episode.from_dict(found | {"evidence": None}).turns[0].rect == (500, 0, 1000, 500)


def test_what_there_is_none_of_is_null():
    found = result_of(play(Replay({"*": [zoom(0.5, 0, 1, 1)] * 3}), PICTURE, limits=Limits(turns=2)))
    assert list(found)[:7] == FIRST
    assert (found["status"], found["answer"], found["evidence"]) == ("stopped", None, None)
    assert EXIT_CODES[found["status"]] == 5


def test_usage_is_added_up_over_turns_and_priced():
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}}
    replies = [sends(completion(text, usage=usage)) for text in (zoom(0, 0, 0.5, 1), answer("red"))]
    with Endpoint(*replies) as endpoint:
        episode = play(Api(ChatSettings(endpoint.url, "m")), PICTURE)
    again = Episode.from_dict(episode.to_dict())
    for one in (episode, again):
        found = result_of(one, Price(1.0, 10.0, 0.5))
        assert found["usage"] == {"prompt": 200, "cached": 80, "completion": 20, "total": 220}
        assert found["cost"] == pytest.approx((120 + 80 * 0.5 + 200) / 1e6)


def test_confidence_is_the_share_of_searches_that_agree():
    episode = play(Replay({"*": [answer("red")]}), PICTURE)
    assert confidence_of(episode) is None
    votes = {"votes": {"red": 3, "blue": 1}, "ended": 6, "failed": 1}
    assert confidence_of(Episode.from_dict(episode.to_dict() | {"meta": votes})) == 0.6
