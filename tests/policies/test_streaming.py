"""Turns that are shown while they are written: the same replies, and broken streams are data."""

import asyncio
import json
import os
import pty
import subprocess

import pytest
from fake_endpoint import Endpoint, says, status
from helpers import answer, command, environment, play, zoom
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mini_o3.episode import SearchTask, StopReason
from mini_o3.kit.chat import ChatClient, ChatSettings
from mini_o3.kit.chat.reply import NoReply, read_completion
from mini_o3.kit.chat.stream import StreamReader
from mini_o3.kit.secrets import remember_secret
from mini_o3.policies.api import Api
from mini_o3.show.terminal import Typing

PICTURE = Image.new("RGB", (900, 600), "red")
TASK = SearchTask("some.png", "What colour is the sign?", "red")
USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}}


def piece(reason=None, usage=None, **delta):
    found = {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
    return f"data: {json.dumps(found | ({'usage': usage} if usage else {}))}\n\n".encode()


def words(text, size=7, **more):
    return [piece(content=text[start : start + size], **more) for start in range(0, len(text), size)]


END = [
    piece("stop"),
    f"data: {json.dumps({'choices': [], 'usage': USAGE})}\n\n".encode(),
    b"data: [DONE]\n\n",
]


def streams(*pieces, breaks_off=False):
    """The pieces one after the other, with their headers; `breaks_off` promises more than that."""

    def behave(handler):
        size = sum(map(len, pieces)) + (100 if breaks_off else 0)
        handler.send(200, b"", {"Content-Type": "text/event-stream", "Content-Length": str(size)})
        for part in pieces:
            handler.wfile.write(part)
            handler.wfile.flush()

    return behave


def watched(*behaviours, **changes):
    """The episode, what was shown, and the requests."""
    shown = []
    with Endpoint(*behaviours) as endpoint:
        settings = ChatSettings(
            endpoint.url, "m", **{"pause": 0.01, "timeout": 20.0, "attempts": 2, **changes}
        )
        episode = play(Api(settings, on_text=shown.append), PICTURE, TASK)
    return episode, "".join(shown), endpoint.requests


def test_a_streamed_turn_is_the_same_turn_with_its_usage():
    text = answer("red", "I see it, plainly")
    episode, shown, requests = watched(streams(*words(text), *END))
    assert (episode.answer, episode.turns[0].text, shown) == ("red", text, text)
    assert episode.usage.to_dict() == {"prompt": 100, "cached": 40, "completion": 10, "total": 110}
    assert requests[0].body["stream"] is True
    assert requests[0].body["stream_options"] == {"include_usage": True}


def test_a_thought_that_is_streamed_apart_is_put_back_where_it_was():
    pieces = [
        piece(role="assistant", content=""),
        piece(reasoning_content="The sign "),
        piece(reasoning_content="is red."),
    ]
    episode, shown, _ = watched(streams(*pieces, *words("<answer>red</answer>"), *END))
    assert episode.turns[0].text == "<think>The sign is red.</think><answer>red</answer>" == shown


def test_a_call_that_is_streamed_in_pieces_is_read_as_one():
    reader = StreamReader(None)
    for arguments in ('{"bbox_2d": [0, ', "0, 1, 1]}"):
        name = "zoom" if arguments.startswith("{") else None
        reader.feed(piece(tool_calls=[{"index": 0, "function": {"name": name, "arguments": arguments}}]))
    reader.feed(piece("tool_calls"))
    said = read_completion(reader.body()).text
    assert said == '<tool_call>\n{"name": "zoom", "arguments": {"bbox_2d": [0, 0, 1, 1]}}\n</tool_call>'


def test_a_server_that_does_not_stream_answers_whole():
    episode, shown, _ = watched(says(answer("red")))
    assert (episode.answer, shown) == ("red", "")


@pytest.mark.parametrize("parameter", ["stream_options", "stream"])
def test_a_server_that_refuses_streaming_is_asked_without(parameter):
    refusal = status(400, f"Unsupported parameter: '{parameter}'")
    episode, _, requests = watched(refusal, says(answer("red")))
    assert episode.answer == "red"
    assert parameter not in requests[1].body
    assert ("stream_options" in requests[1].body) is False


BROKEN = {
    "it ends without an end": ([*words("<think>I see")], False, "broke off after 12 characters"),
    "the connection breaks": ([*words("<think>I see")], True, "RemoteProtocolError"),
    "a piece is not JSON": ([*words("<think>"), b"data: {half\n\n"], False, "not JSON"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_stream_is_asked_for_again_and_then_the_failure_of_one_episode(case):
    pieces, breaks_off, told = BROKEN[case]
    broken = streams(*pieces, breaks_off=breaks_off)
    again, shown, requests = watched(broken, streams(*words(answer("red")), *END))
    assert (again.answer, len(requests)) == ("red", 2)
    assert "asked for again" in shown
    episode, _, _ = watched(broken, broken)
    assert episode.stop is StopReason.POLICY_ERROR
    assert told in episode.error


def test_an_error_in_the_middle_of_a_stream_is_quoted():
    error = b'data: {"error": {"message": "the model fell over", "code": 400}}\n\n'
    episode, _, requests = watched(streams(*words("<think>I"), error))
    assert "the model fell over" in episode.error
    assert len(requests) == 1


@given(st.binary(max_size=400), st.integers(1, 50))
def test_anything_that_comes_as_a_stream_is_a_reply_or_none(noise, size):
    data = b"data: " + noise
    reader = StreamReader(lambda text: None)
    try:
        for start in range(0, len(data), size):
            reader.feed(data[start : start + size])
        read_completion(reader.body())
    except NoReply:
        pass


@given(st.integers(1, 60), st.sampled_from([b"\n\n", b"\r\n\r\n", b"\n"]))
def test_a_stream_may_be_cut_anywhere_and_end_its_lines_anyhow(size, ending):
    text = "<think>Größe 大</think><answer>red</answer>"
    data = b"".join((*words(text), *END)).replace(b"\n\n", ending)
    shown = []
    reader = StreamReader(shown.append)
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
    assert read_completion(reader.body()).text == text == "".join(shown)


def test_streaming_is_off_unless_somebody_watches_or_it_is_set():
    async def bodies(endpoint, **settings):
        await ChatClient(ChatSettings(endpoint.url, "m", **settings)).complete([])

    with Endpoint(says("a"), says("a")) as endpoint:
        asyncio.run(bodies(endpoint))
        asyncio.run(bodies(endpoint, stream=True))
    assert ["stream" in request.body for request in endpoint.requests] == [False, True]


def test_no_secret_is_shown_in_pieces():
    remember_secret("sk-streamed-secret")
    shown = []
    typing = Typing(shown.append)
    for part in ("your key sk-str", "eamed-", "secret is\nbad\x1b[2J", " now"):
        typing(part)
    assert typing.end() is True
    assert "".join(shown) == "  your key [secret] is\n  bad\\u001b[2J now\n"
    assert typing.end() is False


def test_a_terminal_shows_turns_while_they_are_written_and_a_pipe_does_not(tmp_path):
    PICTURE.save(tmp_path / "a.png")
    look, found = zoom(0, 0, 0.5, 0.5, thought="let me look closer"), answer("red", "I see it")
    with Endpoint(streams(*words(look), *END), streams(*words(found), *END), says(found)) as endpoint:
        asked = ("ask", "a.png", "What colour?", "--policy", f"api:{endpoint.url}#m")
        outer, inner = pty.openpty()
        done = subprocess.Popen(command(*asked), cwd=tmp_path, env=environment(), stdout=inner, stderr=inner)
        os.close(inner)
        seen = b""
        while True:
            try:
                seen += os.read(outer, 65536)
            except OSError:
                break
        os.close(outer)
        assert done.wait() == 0, seen
        text = seen.decode().replace("\r\n", "\n")
        piped = subprocess.run(
            command(*asked), cwd=tmp_path, env=environment(), capture_output=True, text=True
        )
    assert f"turn 1\n  {look}\n  zoom   [0.00, 0.00, 0.50, 0.50]" in text
    assert (
        f"turn 2\n  {found}\n  answer red\n  used   100 tokens read (40 of them cached), 10 written" in text
    )
    assert "  think  I see it\n  answer red" in piped.stdout
    assert "stream" not in endpoint.requests[2].body
