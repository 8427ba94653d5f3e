"""What endpoints answer, and what must come of it: one reader for policy, judge and collector."""

import asyncio
import base64
import gzip
import json

import pytest
from fake_endpoint import Endpoint, completion, says, sends, status
from helpers import answer, play, zoom
from PIL import Image

from mini_o3.episode import Limits, Message, SearchTask, StopReason
from mini_o3.judge import Kind
from mini_o3.judge.llm import LlmJudge
from mini_o3.kit.chat import ChatClient, ChatError, ChatSettings, Reason, with_options
from mini_o3.kit.chat.environment import proxy_for
from mini_o3.kit.chat.reply import NoReply, message_text, read_completion
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, write_json
from mini_o3.kit.secrets import conceal, remember_secret
from mini_o3.kit.usage import Price, Usage, read_prices
from mini_o3.policies.api import Api, until_action, with_ending
from mini_o3.policies.upload import LEFT_OUT, Outbox

PICTURE = Image.new("RGB", (900, 600), "red")
TASK = SearchTask("some.png", "What colour is the sign?", "red")


def api(endpoint, **changes):
    return Api(ChatSettings(endpoint.url, "m", **{"pause": 0.01, "timeout": 20.0, **changes}))


def searched(*behaviours, limits=None, **changes):
    """The episode, and the requests that came in."""
    with Endpoint(*behaviours) as endpoint:
        episode = play(api(endpoint, **changes), PICTURE, TASK, limits=limits)
    return episode, endpoint.requests


def message(finish_reason="stop", **fields):
    body = completion(None, finish_reason)
    body["choices"][0]["message"] = {"role": "assistant", "content": None, **fields}
    return sends(body)


ANSWERS = {
    "a thought split off by the server": (
        message(content="\n\n<answer>red</answer>", reasoning_content="The sign is red."),
        "The sign is red.",
    ),
    "a thought in the field reasoning": (
        message(content="<answer>red</answer>", reasoning="The sign is red."),
        "The sign is red.",
    ),
    "a thought that the template opened": (
        message(content="The sign is red.\n</think>\n\n<answer>red</answer>"),
        "The sign is red.",
    ),
    "parts with a thinking part": (
        message(
            content=[
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "<answer>red</answer>"},
            ]
        ),
        "hm",
    ),
    "a trailing special token": (message(content="<think>a</think><answer>red</answer><|im_end|>"), "a"),
    "the closing tag left out at a stop string": (message(content="<think>a</think><answer>red"), "a"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_is_read_with_its_thought_however_the_server_hands_it_out(case):
    behaviour, thought = ANSWERS[case]
    episode, requests = searched(behaviour)
    assert (episode.stop, episode.answer, episode.error) == (StopReason.ANSWERED, "red", None)
    assert episode.turns[0].thought == thought
    assert episode.turns[0].text.startswith("<think>")
    assert len(requests) == 1


def test_a_thought_that_was_split_off_is_in_the_history_that_is_sent_back():
    look = message(content=zoom(0, 0, 0.5, 0.5).partition("</think>")[2], reasoning_content="closer")
    _, requests = searched(look, says(answer("red")))
    said = requests[1].body["messages"][2]
    assert said["role"] == "assistant"
    assert said["content"].startswith("<think>closer</think><grounding>")


def test_a_reply_cut_off_while_thinking_is_an_unfinished_turn_asked_for_once():
    episode, requests = searched(
        message("length", reasoning_content="I was thinking for very long"), limits=Limits(void_retries=0)
    )
    assert (episode.stop, len(requests)) == (StopReason.VOID, 1)
    assert episode.turns[0].text == "<think>I was thinking for very long"


REFUSALS = {
    "200 with an error body": (
        sends({"error": {"message": "Provider returned error: image too large for this model", "code": 400}}),
        "image too large for this model",
    ),
    "a refusal": (message(refusal="I cannot help with that."), "I cannot help with that."),
    "filtered": (message("content_filter", content=""), "filtered"),
    "content null": (message(), "content null"),
    "an unknown model": (status(404, "The model `m` does not exist"), "does not exist"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_would_come_again_is_asked_for_once_and_quoted(case):
    behaviour, quoted = REFUSALS[case]
    episode, requests = searched(behaviour)
    assert (episode.stop, len(requests)) == (StopReason.POLICY_ERROR, 1)
    assert quoted in episode.error


@pytest.mark.parametrize(
    ("code", "words", "stop"),
    [
        (
            400,
            "This model's maximum context length is 8192 tokens. However, you requested 9000",
            "context_limit",
        ),
        (400, "the request exceeds the available context size, try increasing it", "context_limit"),
        (413, "no", "context_limit"),
        (500, "Prompt is too long: 210000 tokens", "context_limit"),
        (400, "At most 5 image(s) may be provided in one prompt.", "image_limit"),
        (400, "Too many images in the request", "image_limit"),
    ],
)
def test_a_limit_that_the_endpoint_sees_ends_the_search_as_one_that_the_loop_sees(code, words, stop):
    episode, requests = searched(says(zoom(0, 0, 0.5, 0.5)), status(code, words))
    assert episode.stop == stop
    assert episode.is_over_turn
    assert words[:30] in episode.error
    assert (len(episode.turns), len(requests)) == (1, 2)


def refuses(parameter, words):
    """Refuses a request that has the parameter, else answers."""
    body = {"error": {"message": words, "param": parameter, "code": "unsupported_parameter"}}

    def answered(request):
        if parameter in request.body:
            return lambda handler: handler.send(400, json.dumps(body).encode(), {})
        return says(answer("red"))

    return answered


@pytest.mark.parametrize(
    ("parameter", "words", "instead"),
    [
        (
            "max_tokens",
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            "max_completion_tokens",
        ),
        (
            "temperature",
            "Unsupported value: 'temperature' does not support 0. Only the default (1) is.",
            None,
        ),
        ("stop", "Unsupported parameter: 'stop' is not supported with this model.", None),
    ],
)
def test_a_parameter_that_is_refused_goes_otherwise_and_that_is_remembered(parameter, words, instead):
    notes = []
    with Endpoint(answer=refuses(parameter, words)) as endpoint:
        policy = Api(ChatSettings(endpoint.url, "m", pause=0.01), note=notes.append)
        for _ in range(2):
            assert play(policy, PICTURE, TASK).answer == "red"
    assert [parameter in request.body for request in endpoint.requests] == [True, False, False]
    assert instead is None or endpoint.requests[2].body[instead] == 2048
    assert [note for note in notes if parameter in note] == notes[1:]
    assert len(notes) == 2  # the first says what goes where
    assert endpoint.url in notes[0]


def test_a_judge_adapts_as_a_policy_does():
    with Endpoint(answer=refuses("max_tokens", "Unsupported parameter: 'max_tokens'")) as endpoint:
        judge = LlmJudge(ChatSettings(endpoint.url, "m", pause=0.01))
        found = asyncio.run(judge(TASK, "crimson"))
    assert found.kind is Kind.UNJUDGED  # the endpoint answers, but gives no verdict
    assert "max_completion_tokens" in endpoint.requests[1].body
    assert all("max_completion_tokens" in request.body for request in endpoint.requests[1:])


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [{"message": {"content": "<answer>red</answer>"}}], "usage": {"total_tokens": 1e999}}',
        json.dumps(completion(answer("red"), usage={"total_tokens": "many", "prompt_tokens": -4})).encode(),
        json.dumps(completion(answer("red"), usage=[1])).encode(),
    ],
)
def test_numbers_that_make_no_sense_count_as_none(body):
    episode, _ = searched(lambda handler: handler.send(200, body, {}))
    assert episode.answer == "red"


@pytest.mark.parametrize(
    ("code", "content", "headers"),
    [
        (200, b"[" * 100_000, {}),
        (500, b"\xff\xfe", {"Content-Type": "text/plain; charset=hex"}),
        (200, gzip.compress(b" " * (40 << 20)), {"Content-Encoding": "gzip"}),
        (200, b"not gzip", {"Content-Encoding": "gzip"}),
        (400, b'{"error": {"message": {"a": ' + b"[" * 50_000, {}),
    ],
)
def test_anything_that_a_server_can_say_is_the_failure_of_one_episode(code, content, headers):
    def behave(handler):
        handler.send(code, content, headers)

    episode, _ = searched(behave, behave, attempts=2)
    assert episode.stop is StopReason.POLICY_ERROR
    assert episode.error


@pytest.mark.parametrize("spec", ["http://h:99999/v1#m", "http://:80/v1#m", "http://[::1/v1#m"])
def test_an_address_that_cannot_be_is_one_line(spec):
    with pytest.raises(UserError, match="not a usable address"):
        ChatSettings.parse(spec)


def test_the_query_of_an_address_stays_at_its_end_and_azure_gets_its_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-of-azure")
    with Endpoint(says(answer("red")), status(401, "denied")) as endpoint:
        url = (
            f"{endpoint.url.removesuffix('/v1')}/openai/deployments/m/chat/completions?api-version=2024-10-21"
        )
        policy = Api(ChatSettings(url, "m", pause=0.01))
        assert play(policy, PICTURE, TASK).answer == "red"
        failed = play(policy, PICTURE, TASK)
    assert endpoint.requests[0].path == "/openai/deployments/m/chat/completions?api-version=2024-10-21"
    assert endpoint.requests[0].headers["api-key"] == "secret-of-azure"
    assert "api-key" in failed.error


def test_the_address_of_the_environment_is_taken_where_none_is_given(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert ChatSettings.parse("#m").endpoint == "http://127.0.0.1:9/v1/chat/completions"
    monkeypatch.setenv("OPENAI_BASE_URL", "nonsense")
    with pytest.raises(UserError, match=r"^OPENAI_BASE_URL"):
        ChatSettings.parse("#m")


def test_a_secret_is_never_said_or_written(monkeypatch, tmp_path):
    monkeypatch.setenv("MINI_O3_API_KEY", "sk-very-secret-1")
    echo = status(401, "Incorrect API key provided: sk-very-secret-1")
    episode, _ = searched(echo)
    told, _ = searched(says(answer("sk-very-secret-1")))
    append_jsonl(tmp_path / "rows.jsonl", {"said": "sk-very-secret-1"})
    write_json(
        tmp_path / "one.json", {"at": "http://me:hunter2@h/v1?api_key=k123&x=1", "s": "sk-very-secret-1"}
    )
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    for text in (episode.error, json.dumps(episode.to_dict()), json.dumps(told.to_dict()), written):
        assert "very-secret" not in text
    assert "hunter2" not in written
    assert "k123" not in written
    assert "x=1" in written


def test_a_secret_is_blank_inside_json_too():
    remember_secret('qu"ote\\d-secret')
    assert "quote" not in conceal(json.dumps({"a": 'qu"ote\\d-secret'}))
    assert 'qu\\"ote' not in conceal(json.dumps({"a": 'qu"ote\\d-secret'}))


def test_several_addresses_share_the_work_and_a_failing_one_is_left_in_peace():
    with (
        Endpoint(answer=lambda _: status(503)) as bad,
        Endpoint(answer=lambda _: says(answer("red"))) as good,
    ):
        policy = Api(ChatSettings(f"{bad.url},{good.url}", "m", pause=0.01))
        answers = [play(policy, PICTURE, TASK).answer for _ in range(4)]
    assert answers == ["red"] * 4
    assert len(bad.requests) == 1
    assert len(good.requests) == 4


def test_options_are_read_from_texts_and_reach_the_request():
    options = {
        "top_p": "0.9",
        "max_tokens": "77",
        "seed": "5",
        "stop": '["</answer>", "END"]',
        "header.X-Org": "me",
        "body.reasoning_effort": "low",
        "body.flags": '{"a": 1}',
    }
    with Endpoint(says(answer("red"))) as endpoint:
        settings = with_options(ChatSettings(endpoint.url, "m", temperature=0.5), options)
        play(Api(settings), PICTURE, TASK)
    body = endpoint.requests[0].body
    wanted = {"top_p": 0.9, "max_tokens": 77, "seed": 5, "stop": ["</answer>", "END"], "temperature": 0.5}
    assert {key: body[key] for key in wanted} == wanted
    assert (body["reasoning_effort"], body["flags"]) == ("low", {"a": 1})
    assert endpoint.requests[0].headers["x-org"] == "me"


@pytest.mark.parametrize(
    ("name", "value", "says_so"),
    [
        ("colour", "red", "there is no such option"),
        ("timeout", "soon", "a number"),
        ("max_tokens", "0", "above 0"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(name, value, says_so):
    with pytest.raises(UserError, match=says_so):
        with_options(ChatSettings("http://h", "m"), {name: value})


@pytest.mark.parametrize(
    ("rules", "url", "proxied"),
    [
        ("localhost,fd00::/8", "http://[fd00::1]:80/v1", False),
        ("localhost,fd00::/8", "http://10.0.0.1/v1", True),
        ("10.0.0.0/8", "http://10.0.0.1/v1", False),
        (".example.org", "http://api.example.org/v1", False),
        ("example.org", "http://notexample.org/v1", True),
        ("*", "http://anything/v1", False),
        ("[::1]", "http://[::1]:8000/v1", False),
    ],
)
def test_proxies_are_left_out_where_the_environment_says(monkeypatch, rules, url, proxied):
    monkeypatch.setenv("HTTP_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", rules)
    assert (proxy_for(url) is not None) is proxied


@pytest.mark.parametrize("value", ["http://h:99999", "ftp://h", "://", "http://"])
def test_a_bad_proxy_is_blamed_by_its_variable(monkeypatch, value):
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(UserError, match=r"^HTTPS_PROXY"):
        ChatClient(ChatSettings("https://api.example.org/v1", "m"))


def test_the_reason_of_a_failure_is_told_to_callers():
    with Endpoint(status(400, "nothing special"), status(500), status(500)) as endpoint:
        client = ChatClient(ChatSettings(endpoint.url, "m", pause=0.0, attempts=2))
        reasons = []
        for _ in range(2):
            with pytest.raises(ChatError) as failed:
                asyncio.run(client.complete([]))
            reasons.append(failed.value.reason)
    assert reasons == [Reason.REFUSED, Reason.FAILED]


def test_a_call_in_tool_calls_is_written_as_the_model_would_have():
    call = {"type": "function", "function": {"name": "zoom", "arguments": '{"bbox_2d": [0, 0, 1, 1]}'}}
    said = message_text({"content": None, "reasoning": "there", "tool_calls": [call]})
    written = '{"name": "zoom", "arguments": {"bbox_2d": [0, 0, 1, 1]}}'
    assert said == f"<think>there</think><tool_call>\n{written}\n</tool_call>"


@pytest.mark.parametrize(
    "body", [None, 1, [], {}, {"choices": []}, {"choices": [1]}, {"choices": [{"message": 1}]}]
)
def test_a_body_that_is_no_completion_may_pass(body):
    with pytest.raises(NoReply) as refused:
        read_completion(body)
    assert refused.value.passing


def test_usage_is_read_added_and_priced(tmp_path):
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 600}}
    found = read_completion(completion("x", usage=usage)).usage
    assert found == Usage(1000, 600, 100, 1100)
    assert found + found == Usage(2000, 1200, 200, 2200)
    (tmp_path / "prices.toml").write_text('["gpt-5"]\nprompt = 1.0\ncompletion = 10.0\ncached = 0.1\n')
    prices = read_prices(tmp_path / "prices.toml")
    assert prices == {"gpt-5": Price(1.0, 10.0, 0.1)}
    assert prices["gpt-5"].of(found) == pytest.approx((400 * 1 + 600 * 0.1 + 100 * 10) / 1e6)
    (tmp_path / "prices.toml").write_text('["gpt-5"]\nprompt = 1.0\n')
    with pytest.raises(UserError, match=r"\[gpt-5\]: give prompt"):
        read_prices(tmp_path / "prices.toml")


def test_a_turn_ends_with_its_first_action_but_not_inside_a_thought():
    ends = ("</grounding>", "</answer>")
    said = "<think>not <answer>this</answer></think><answer>red</answer> and on"
    assert until_action(said, ends) == said.removesuffix(" and on")
    assert until_action("<answer>a</answer><think>b</think><answer>c</answer>", ends) == "<answer>a</answer>"
    assert with_ending("<think>a</think><answer>red", ends) == "<think>a</think><answer>red</answer>"
    assert with_ending("<think>a</think>red", ends) == "<think>a</think>red"


def noisy(side, seed):
    return Image.effect_noise((side, side), 90).convert("RGB")


def test_a_long_search_stays_below_the_limit_of_a_request_and_says_what_it_left_out():
    outbox = Outbox(100_000)
    outbox.add([Message("system", ("Look.",)), Message("user", ("first", noisy(400, 0)))])
    for turn in range(30):
        outbox.add(
            [Message("assistant", ("zoom",)), Message("user", (f"observation {turn}", noisy(400, turn)))]
        )
        payload = outbox.payload()
        assert len(json.dumps(payload)) < 100_000
        assert payload[-1]["content"][1]["type"] == "image_url"  # what is asked about now
    smaller, gone = outbox.reduced
    assert smaller > 0
    left = [part for message in payload for part in message["content"] if LEFT_OUT in str(part)]
    assert len(left) == gone > 0
    assert payload[1]["content"][1]["type"] == "image_url"  # the whole picture goes last


def test_pictures_go_out_without_what_their_files_say(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "a private description"
    exif.get_ifd(0x8825)[1] = "N"
    PICTURE.save(tmp_path / "private.jpg", exif=exif, comment=b"a private comment")
    with Image.open(tmp_path / "private.jpg") as image, Endpoint(says(answer("red"))) as endpoint:
        play(api(endpoint), image, TASK)
    sent = json.dumps(endpoint.requests[0].body)
    data = sent.partition("base64,")[2].partition('"')[0]
    content = base64.b64decode(data)
    assert b"private" not in content
    assert b"Exif" not in content
