"""The interface for programs, as its clients use it."""

from __future__ import annotations

import base64
import json

import pytest
from helpers import answer, zoom
from web_client import png


def data_url(data=None):
    return "data:image/png;base64," + base64.b64encode(data or png()).decode()


def chat(served, *content, **more):
    body = {"model": "nano", "messages": [{"role": "user", "content": list(content)}], **more}
    return served.client.post("/v1/chat/completions", json=body)


def test_a_search_is_one_call(serve):
    served = serve([zoom(0, 0, 0.5, 0.5), answer("red")])
    body = {"image": data_url(), "question": "What?", "max_turns": 4}
    result = served.client.post("/v1/search", json=body).raise_for_status().json()
    assert (result["status"], result["answer"], result["num_turns"]) == ("answered", "red", 2)
    assert result["evidence"]["fractions"] == [0, 0, 0.5, 0.5]
    assert result["limits"]["turns"] == 4


def test_a_search_streams_its_turns(serve):
    served = serve([zoom(0, 0, 0.5, 0.5), answer("red")])
    body = {"image": data_url(), "question": "What?", "stream": True}
    with served.client.stream("POST", "/v1/search", json=body) as stream:
        events = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert [event["type"] for event in events] == ["start", "turn", "turn", "end"]


def test_each_of_several_pictures_is_found_or_not(serve):
    served = serve([answer("not there"), answer("red")], most_searches=1)
    body = {"images": [data_url(), data_url()], "query": "the red star"}
    rows = served.client.post("/v1/find", json=body).raise_for_status().json()["results"]
    assert [row["status"] for row in rows] == ["not_found", "found"]


def test_a_chat_client_gains_search(serve):
    served = serve([zoom(0, 0, 0.5, 0.5), answer("red")])
    picture = {"type": "image_url", "image_url": {"url": data_url()}}
    reply = chat(served, picture, {"type": "text", "text": "What?"}).raise_for_status().json()
    assert reply["choices"][0]["message"] == {"role": "assistant", "content": "red"}
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["mini_o3"]["evidence"]["pixels"] == [0, 0, 400, 300]


def test_a_chat_client_sees_the_thoughts_stream(serve):
    served = serve([zoom(0, 0, 0.5, 0.5), answer("red")])
    picture = {"type": "image_url", "image_url": {"url": data_url()}}
    text = chat(served, picture, {"type": "text", "text": "What?"}, stream=True).text
    rows = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    deltas = [row["choices"][0]["delta"] for row in rows]
    assert "".join(delta.get("content", "") for delta in deltas) == "red"
    assert text.rstrip().endswith("data: [DONE]")


@pytest.mark.parametrize(
    "url", ["http://example.org/a.jpg", "https://127.0.0.1/a.jpg", "file:///etc/passwd", None]
)
def test_no_address_is_fetched_on_a_users_behalf(serve, url):
    served = serve()
    picture = {"type": "image_url", "image_url": {"url": url}}
    response = chat(served, picture, {"type": "text", "text": "What?"})
    assert response.status_code == 400
    assert isinstance(response.json()["detail"], str)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "http://example.org/a.jpg"},
        {"image": "%%%"},
        {"image": "data:image/png,raw"},
        {"image": data_url(b"no picture at all")},
        {"question": " "},
        {"policy": "hf:/etc"},
        {"max_turns": 0},
        {"seed": -1},
    ],
    ids=lambda change: next(iter(change)) + str(next(iter(change.values())))[:20],
)
def test_bad_bodies_are_422_with_a_reason(serve, change):
    body = {"image": data_url(), "question": "What?", **change}
    response = serve().client.post("/v1/search", json=body)
    assert response.status_code == 422
    assert response.json()["detail"]


def test_the_interface_describes_itself(serve):
    described = serve().client.get("/openapi.json").json()
    assert {"/v1/search", "/v1/find", "/v1/chat/completions", "/v1/models"} <= set(described["paths"])
