"""The policy over an OpenAI-compatible endpoint, against a real server that behaves well and badly."""

from __future__ import annotations

import asyncio
import base64
import io
import socket

import pytest
from fake_endpoint import Endpoint, completion, hangs_up, says, sends, status, stays_silent, trickles
from helpers import answer, play, zoom
from PIL import Image

from mini_o3.episode import Limits, Message, Request, SearchTask, StopReason
from mini_o3.kit.chat import ChatSettings
from mini_o3.kit.errors import UserError
from mini_o3.policies.api import Api
from mini_o3.vision import Rect

PICTURE = Image.new("RGB", (1200, 900), "red")
PICTURE.paste("lime", (600, 0, 900, 450))

ANSWER = says(answer("five"))
WITHOUT_CHOICES = sends({"object": "chat.completion", "model": "fake"})
NO_CHOICES = sends(completion("", choices=[]))


def api(endpoint, **changes):
    return Api(
        ChatSettings(endpoint.url, "some-model", **{"pause": 0.01, "timeout": 30.0, "attempts": 3, **changes})
    )


def ask(endpoint, limits=None, **changes):
    """The episode that this endpoint's replies lead to."""
    task = SearchTask("some.png", "What number is on the lime house?")
    return play(api(endpoint, **changes), PICTURE, task, limits=limits)


def views(request):
    """The pictures that a request carries, decoded."""
    found = []
    for message in request.body["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else []:
            if part["type"] == "image_url":
                head, data = part["image_url"]["url"].split(",")
                assert head == "data:image/jpeg;base64"
                found.append(Image.open(io.BytesIO(base64.b64decode(data, validate=True))))
    return found


def words(message):
    """All text of one message of a request."""
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def test_a_whole_episode_zooms_zooms_again_and_answers():
    replies = zoom(0.5, 0, 1, 1), zoom(0, 0, 0.5, 0.5, "observation_1"), answer("five")
    with Endpoint(*map(says, replies)) as endpoint:
        episode = ask(endpoint)
    assert (episode.stop, episode.answer, episode.policy) == (StopReason.ANSWERED, "five", "api:some-model")
    assert [turn.text for turn in episode.turns] == list(replies)
    assert [turn.rect for turn in episode.turns] == [Rect(600, 0, 1200, 900), Rect(600, 0, 900, 450), None]
    assert episode.evidence.xyxy == (0.5, 0.0, 0.75, 0.5)
    assert len(endpoint.requests) == 3


def test_every_request_carries_the_model_the_settings_and_the_whole_conversation():
    replies = zoom(0.5, 0, 1, 1), answer("five")
    with Endpoint(*map(says, replies)) as endpoint:
        ask(endpoint, temperature=0.5, max_tokens=77)
    first, second = endpoint.requests
    assert {request.path for request in endpoint.requests} == {"/v1/chat/completions"}
    assert [(r.body["model"], r.body["temperature"], r.body["max_tokens"]) for r in endpoint.requests] == [
        ("some-model", 0.5, 77)
    ] * 2
    assert [message["role"] for message in first.body["messages"]] == ["system", "user"]
    assert [message["role"] for message in second.body["messages"]] == ["system", "user", "assistant", "user"]
    assert second.body["messages"][:2] == first.body["messages"]
    assert second.body["messages"][2]["content"] == replies[0]
    assert "What number is on the lime house?" in words(first.body["messages"][1])
    assert "observation_1" in words(second.body["messages"][3])


def test_views_arrive_as_data_urls_of_the_size_the_budget_gives():
    replies = zoom(0.5, 0, 1, 1), zoom(0, 0, 0.5, 0.5, "observation_1"), answer("five")
    with Endpoint(*map(says, replies)) as endpoint:
        episode = ask(endpoint)
    sizes = [[view.size for view in views(request)] for request in endpoint.requests]
    assert sizes == [[(1204, 896)], [(1204, 896), (588, 896)], [(1204, 896), (588, 896), (308, 448)]]
    assert [turn.shown for turn in episode.turns] == [(588, 896), (308, 448), None]
    last = views(endpoint.requests[-1])[-1].convert("RGB").resize((1, 1)).getpixel((0, 0))
    assert last[0] < 20
    assert last[1] > 235


@pytest.mark.parametrize(
    ("keys", "header"),
    [
        ({}, None),
        ({"MINI_O3_API_KEY": ""}, None),
        ({"OPENAI_API_KEY": "sk-open"}, "Bearer sk-open"),
        ({"MINI_O3_API_KEY": "", "OPENAI_API_KEY": "sk-open"}, "Bearer sk-open"),
        ({"MINI_O3_API_KEY": "sk-mini", "OPENAI_API_KEY": "sk-open"}, "Bearer sk-mini"),
    ],
)
def test_the_key_of_the_environment_is_sent_and_nothing_if_there_is_none(monkeypatch, keys, header):
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    with Endpoint(ANSWER) as endpoint:
        ask(endpoint)
    assert endpoint.requests[0].headers.get("authorization") == header


RETRIED = {
    "rate limit": (status(429, Retry_After="0"), "status 429"),
    "server error": (status(500), "status 500"),
    "bad gateway": (status(502), "status 502"),
    "connection closed in the body": (hangs_up(), "RemoteProtocolError"),
    "not JSON": (sends("<html>busy</html>"), "not a chat completion"),
    "JSON of another kind": (sends([1, 2]), "not a chat completion"),
    "no field choices": (WITHOUT_CHOICES, "not a chat completion"),
    "no choice": (NO_CHOICES, "not a chat completion"),
    "a body cut off": (sends('{"choices": [{"message"'), "not a chat completion"),
}


@pytest.mark.parametrize("case", RETRIED)
def test_what_may_pass_is_tried_again(case):
    behaviour, _ = RETRIED[case]
    with Endpoint(behaviour, behaviour, ANSWER) as endpoint:
        episode = ask(endpoint)
    assert (episode.stop, episode.answer, episode.error) == (StopReason.ANSWERED, "five", None)
    assert len(endpoint.requests) == 3
    assert endpoint.requests[0].body == endpoint.requests[1].body == endpoint.requests[2].body


@pytest.mark.parametrize("case", RETRIED)
def test_what_does_not_pass_ends_the_episode_naming_endpoint_and_problem(case):
    behaviour, problem = RETRIED[case]
    with Endpoint(behaviour, behaviour, behaviour, ANSWER) as endpoint:
        episode = ask(endpoint)
    assert (episode.stop, episode.answer, episode.turns) == (StopReason.POLICY_ERROR, None, ())
    assert f"{endpoint.url}/chat/completions" in episode.error
    assert problem in episode.error
    assert "\n" not in episode.error
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize("slow", [stays_silent(60.0), trickles(6.0, 10)], ids=["silent", "trickling"])
def test_a_reply_that_takes_longer_than_the_timeout_is_tried_again(slow):
    with Endpoint(slow, ANSWER) as endpoint:
        episode = ask(endpoint, timeout=3.0)
    assert (episode.stop, episode.answer) == (StopReason.ANSWERED, "five")
    assert len(endpoint.requests) == 2


def test_an_endpoint_that_never_replies_ends_the_episode_as_a_timeout():
    with Endpoint(stays_silent(60.0), stays_silent(60.0)) as endpoint:
        episode = ask(endpoint, timeout=2.0, attempts=2)
    assert episode.stop is StopReason.POLICY_ERROR
    assert "no reply within 2 s" in episode.error or "Timeout" in episode.error
    assert len(endpoint.requests) == 2


def test_an_endpoint_that_is_down_ends_the_episode_naming_it():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        # nobody listens, and nobody else can have the port
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        episode = play(Api(ChatSettings(url, "some-model", pause=0.01, attempts=2)), PICTURE)
    assert episode.stop is StopReason.POLICY_ERROR
    assert f"{url}/chat/completions" in episode.error
    assert "ConnectError" in episode.error


def test_a_failure_in_a_later_turn_keeps_the_turns_before_it():
    with Endpoint(says(zoom(0, 0, 0.5, 0.5)), status(500), status(500)) as endpoint:
        episode = ask(endpoint, attempts=2)
    assert (episode.stop, episode.num_turns, episode.num_zooms) == (StopReason.POLICY_ERROR, 1, 1)
    assert "status 500" in episode.error


@pytest.mark.parametrize(
    ("behaviours", "waits"),
    [
        ([status(500), status(500), status(500)], [2.0, 4.0, 8.0]),
        ([status(429, Retry_After="7"), status(500), hangs_up()], [7.0, 4.0, 8.0]),
        ([status(503, Retry_After="0.5"), status(503, Retry_After="3600"), status(503)], [0.5, 30.0, 8.0]),
        (
            [status(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), status(500), status(500)],
            [2.0, 4.0, 8.0],
        ),
    ],
)
def test_pauses_double_unless_the_server_says_how_long(monkeypatch, behaviours, waits):
    slept, sleep = [], asyncio.sleep

    async def no_sleep(seconds, *rest):
        slept.append(seconds)
        await sleep(0, *rest)

    monkeypatch.setattr("mini_o3.kit.chat.client.asyncio.sleep", no_sleep)
    with Endpoint(*behaviours, ANSWER) as endpoint:
        episode = ask(endpoint, pause=2.0, attempts=4)
    assert episode.answer == "five"
    assert [seconds for seconds in slept if seconds > 0] == waits


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_caller_without_key_is_told_at_once_which_variable_to_set(code):
    with Endpoint(status(code), ANSWER) as endpoint:
        episode = ask(endpoint)
    assert episode.stop is StopReason.POLICY_ERROR
    assert f"status {code}" in episode.error
    assert "set MINI_O3_API_KEY or OPENAI_API_KEY" in episode.error
    assert len(endpoint.requests) == 1


def test_a_refused_key_is_not_repeated_in_the_error(monkeypatch):
    monkeypatch.setenv("MINI_O3_API_KEY", "sk-secret")
    with Endpoint(status(401), ANSWER) as endpoint:
        episode = ask(endpoint)
    assert "check the key" in episode.error
    assert "sk-secret" not in episode.error
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    "key", ["sk-secret\n", "sk-secret\r\nX: y", "sk-sécret"], ids=["line end", "two lines", "not ASCII"]
)
def test_a_key_that_cannot_be_sent_is_blamed_but_never_shown(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with Endpoint(ANSWER) as endpoint:
        try:
            problem = ask(endpoint).error
        except UserError as refused:
            problem = str(refused)
    if problem is not None:  # cutting off the white space and going on would be as good
        assert "key" in problem.lower()
        assert "cret" not in problem


@pytest.mark.parametrize("code", [400, 404, 422])
def test_a_request_that_is_refused_is_not_repeated_and_the_reason_is_passed_on(code):
    with Endpoint(status(code, "this model\ncannot see pictures"), ANSWER) as endpoint:
        episode = ask(endpoint)
    assert episode.stop is StopReason.POLICY_ERROR
    assert f"status {code}" in episode.error
    assert "cannot see pictures" in episode.error
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("action", "kept"),
    [
        (zoom(0, 0, 0.5, 0.5), zoom(0, 0, 0.5, 0.5)),
        (f"{zoom(0, 0, 0.5, 0.5)}\nThis is observation_1: a house.\n{answer('nine')}", zoom(0, 0, 0.5, 0.5)),
        (f"{zoom(0, 0, 0.5, 0.5)}{zoom(0.5, 0.5, 1, 1)}", zoom(0, 0, 0.5, 0.5)),
    ],
    ids=["clean", "made-up answer", "second zoom"],
)
def test_a_turn_ends_with_its_first_action(action, kept):
    with Endpoint(says(action), ANSWER) as endpoint:
        episode = ask(endpoint)
    assert [turn.text for turn in episode.turns] == [kept, answer("five")]
    assert episode.turns[0].rect == Rect(0, 0, 600, 450)
    assert endpoint.requests[1].body["messages"][2] == {"role": "assistant", "content": kept}
    assert episode.answer == "five"


def test_an_answer_ends_with_its_closing_tag():
    with Endpoint(says(f"{answer('five')}\nIs there anything else?")) as endpoint:
        episode = ask(endpoint)
    assert (episode.answer, episode.turns[0].text) == ("five", answer("five"))


def test_a_turn_that_was_cut_off_is_corrected():
    with Endpoint(
        says("I see a street with very many houses, and", finish_reason="length"), ANSWER
    ) as endpoint:
        episode = ask(endpoint)
    assert episode.turns[0].malformed.kind == "unfinished"
    assert "unfinished" in words(endpoint.requests[1].body["messages"][3])
    assert "cut off" in words(endpoint.requests[1].body["messages"][3])
    assert episode.answer == "five"


def test_a_cut_off_turn_with_a_whole_action_counts():
    with Endpoint(says(answer("five"), finish_reason="length")) as endpoint:
        assert ask(endpoint).answer == "five"


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"usage": {"prompt_tokens": 1200, "completion_tokens": 34, "total_tokens": 1234}}, 1234),
        ({"usage": {}}, 0),
        ({"usage": None}, 0),
        ({}, 0),
    ],
)
def test_the_length_of_the_context_is_read_from_usage(fields, tokens):
    with Endpoint(says(answer("five"), **fields)) as endpoint:
        conversation = api(endpoint).open(Request("id", "What?", PICTURE.size, "some.png"))
        reply = asyncio.run(conversation.reply([Message("user", ("What?", PICTURE))]))
    assert reply.context_tokens == tokens


@pytest.mark.parametrize(("room", "stop"), [(1671, StopReason.CONTEXT_LIMIT), (1672, StopReason.ANSWERED)])
def test_a_view_that_does_not_fit_into_the_context_is_not_shown(room, stop):
    """The view of the right half costs 21 x 32 = 672 tokens."""
    with Endpoint(says(zoom(0.5, 0, 1, 1), usage={"total_tokens": 1000}), ANSWER) as endpoint:
        assert ask(endpoint, Limits(context_tokens=room)).stop is stop


@pytest.mark.parametrize(
    ("spec", "url", "model", "endpoint"),
    [
        ("http://h:8000/v1#m", "http://h:8000/v1", "m", "http://h:8000/v1/chat/completions"),
        (
            "https://h/v1/#Qwen/Qwen2.5-VL-7B",
            "https://h/v1/",
            "Qwen/Qwen2.5-VL-7B",
            "https://h/v1/chat/completions",
        ),
        ("http://h/x/chat/completions#m", "http://h/x/chat/completions", "m", "http://h/x/chat/completions"),
        ("http://h/v1#a#b", "http://h/v1", "a#b", "http://h/v1/chat/completions"),
    ],
)
def test_a_specification_names_url_and_model(spec, url, model, endpoint):
    settings = ChatSettings.parse(spec)
    assert (settings.url, settings.model, settings.endpoint) == (url, model, endpoint)


@pytest.mark.parametrize("spec", ["http://h/v1", "http://h/v1#", "h:8000/v1#m", "ftp://h/v1#m", "#m", ""])
def test_a_specification_without_url_or_model_is_refused_with_an_example(spec):
    with pytest.raises(UserError, match=r"expected api:URL#MODEL, such as api:http://") as refused:
        ChatSettings.parse(spec)
    assert f"policy api:{spec}:" in str(refused.value)
