"""Replies that look like something else: busy servers, streams that fail midway, keys where texts are cut."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from mini_o3.kit.chat import ChatClient, ChatError, ChatSettings
from mini_o3.kit.chat.client import Reason
from mini_o3.kit.secrets import conceal, remember_secret


def ask(*replies, **settings):
    """What comes of one request to a server that answers with these (status, body), the last again."""
    left, seen = list(replies), []

    def answer(request):
        seen.append(request)
        status, body = left.pop(0) if len(left) > 1 else left[0]
        text = body if isinstance(body, str) else json.dumps(body)
        return httpx.Response(status, text=text, headers={"content-type": "text/event-stream"})

    options = ChatSettings("http://host/v1/chat/completions", "m", pause=0.0, attempts=3, **settings)
    client = ChatClient(options, transport=httpx.MockTransport(answer))
    try:
        found = asyncio.run(client.complete([{"role": "user", "content": "?"}]))
    except ChatError as error:
        found = error
    return found, len(seen)


def whole(text):
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (429, "Too many tokens, please wait before trying again."),
        (429, "Rate limit: up to 10 images per minute"),
        (503, "overloaded; requests with context length above 32k are queued"),
    ],
)
def test_a_busy_server_is_asked_again_whatever_it_says(status, said):
    found, requests = ask((status, {"error": {"message": said}}), (200, whole("red")))
    assert (found.text, requests) == ("red", 2)
    failed, requests = ask((status, {"error": {"message": said}}))
    assert (failed.reason, requests) == (Reason.FAILED, 3)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Input tokens exceed the configured limit of 272000 tokens."},
        {"message": "Please reduce the length of the messages or completion."},
        {"message": "Input length (9000 tokens) exceeds the maximum allowed length (8192 tokens)"},
        {"message": "Something else", "code": "context_length_exceeded"},
    ],
)
def test_a_context_that_is_too_long_is_known_by_words_or_code(error):
    found, requests = ask((400, {"error": error}))
    assert (found.reason, requests) == (Reason.CONTEXT, 1)


def stream(*events):
    return "".join(f"{event}\n\n" for event in events)


PIECE = 'data: {"choices": [{"delta": {"content": "<answer>re"}}]}'


def test_an_error_in_the_middle_of_a_stream_is_no_answer():
    for error in (
        'data: {"object": "error", "message": "boom", "code": 500}',
        'event: error\ndata: {"message": "Overloaded", "code": 529}',
    ):
        found, requests = ask((200, stream(PIECE, error, "data: [DONE]")), stream=True)
        assert isinstance(found, ChatError)
        assert requests == 3, "it is asked again"


def test_a_stream_that_does_not_say_why_it_ends_may_be_cut_off():
    found, _ = ask((200, stream(PIECE, "data: [DONE]")), stream=True)
    assert (found.text, found.finished) == ("<answer>re", False)


def test_an_error_with_status_200_keeps_its_words():
    for body in (
        {"object": "error", "message": "maximum context length", "code": 400},
        {"detail": "maximum context"},
    ):
        found, requests = ask((200, body))
        assert (found.reason, requests) == (Reason.CONTEXT, 1)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("http://user:p@ssw0rdX@HOST/v1", "http://HOST/v1"),
        ("http://TOKENABCDEF@HOST/v1", "http://HOST/v1"),
        ("http://HOST/v1?code=CCCCCCCC", "http://HOST/v1?code=[secret]"),
        ("http://HOST/v1/chat mail me@home", "http://HOST/v1/chat mail me@home"),
        ("://" + ":" * 200_000, "://" + ":" * 200_000),  # in a moment, not in minutes
    ],
)
def test_names_passwords_and_tokens_leave_addresses(text, kept):
    assert conceal(text) == kept


def test_a_key_is_blanked_before_a_message_is_cut():
    remember_secret("sk-hostile-secret-123456")
    for padding in range(370, 400):
        found, _ = ask((400, {"error": {"message": "x" * padding + "sk-hostile-secret-123456"}}))
        assert "sk-hostile" not in str(found)
