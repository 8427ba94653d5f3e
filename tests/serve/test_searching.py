"""A live search through a real server: its events, stopping, taking over, leaving, coming back."""

from __future__ import annotations

import io
import json
import math
import time

import httpx
import pytest
from helpers import answer, zoom
from PIL import Image, ImageChops


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def test_turns_come_as_events_with_boxes_in_pixels_of_the_original(serve):
    served = serve(
        [zoom(0.25, 0.5, 0.75, 1.0), zoom(0, 0, 0.5, 0.5, "observation_1"), answer("a <b>star</b>")]
    )
    picture = served.upload()
    assert picture["size"] == [800, 600]
    events = served.events(served.begin(picture))
    assert [event["type"] for event in events] == ["start", "turn", "turn", "turn", "end"]
    assert [event.get("box") for event in events[1:4]] == [[200, 300, 600, 600], [200, 300, 400, 450], None]
    result = events[-1]["result"]
    assert (result["status"], result["answer"]) == ("answered", "a <b>star</b>")
    assert result["evidence"]["pixels"] == [200, 300, 400, 450]


def test_a_reader_that_comes_back_gets_what_it_missed(serve):
    served = serve([zoom(0, 0, 0.5, 0.5), answer("red")])
    key = served.begin(served.upload())
    whole = served.events(key)
    assert served.events(key, after=1) == whole[2:]
    headers = {"last-event-id": "2"}
    with served.client.stream("GET", f"/api/searches/{key}/events", headers=headers) as stream:
        again = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert again == whole[3:]


def test_a_search_is_stopped_and_what_it_saw_is_recorded(serve, tmp_path):
    served = serve([zoom(0, 0, 0.5, 0.5), "wait"])
    key = served.begin(served.upload())
    until(lambda: len(served.policy.heard) == 2)
    served.client.post(f"/api/searches/{key}/stop").raise_for_status()
    result = served.events(key)[-1]["result"]
    assert (result["status"], result["error"]) == ("failed", "stopped by the user")
    until((tmp_path / "data" / "episodes.jsonl").exists)
    (row,) = [json.loads(line) for line in (tmp_path / "data" / "episodes.jsonl").read_text().splitlines()]
    assert (row["stop"], len(row["turns"])) == ("interrupted", 1)


def test_a_person_takes_over_in_the_middle_of_a_turn_and_the_policy_goes_on(serve, tmp_path):
    served = serve([zoom(0, 0, 0.5, 0.5), "wait", answer("blue")])
    key = served.begin(served.upload())
    until(lambda: len(served.policy.heard) == 2)
    box = {"box": [100.4, 50.2, 300, 250]}
    served.client.post(f"/api/searches/{key}/take-over", json=box).raise_for_status()
    events = served.events(key)
    assert [event.get("box") for event in events[1:3]] == [[0, 0, 400, 300], [100, 50, 300, 250]]
    assert [event.get("person") for event in events[1:4]] == [False, True, False]
    assert events[-1]["result"]["answer"] == "blue"
    # The policy begins a conversation in which it said what the person did.
    assert served.policy.heard[-1] == ["system", "user", "assistant", "user", "assistant", "user"]
    (row,) = [json.loads(line) for line in (tmp_path / "data" / "episodes.jsonl").read_text().splitlines()]
    assert row["meta"]["taken_over"] == [2]


@pytest.mark.parametrize(
    "body",
    [
        {"box": [5, 5, 5, 9]},
        {"box": [900, 700, 950, 720]},
        {"box": [1, 2]},
        {},
        {"answer": ""},
        {"box": None},
    ],
)
def test_what_a_person_cannot_do_is_refused_and_the_search_goes_on(serve, body):
    served = serve(["wait"])
    key = served.begin(served.upload())
    until(lambda: served.policy.heard)
    response = served.client.post(f"/api/searches/{key}/take-over", json=body)
    assert response.status_code == 422
    served.client.post(f"/api/searches/{key}/take-over", json={"answer": "mine"}).raise_for_status()
    assert served.events(key)[-1]["result"]["answer"] == "mine"


def test_a_search_that_nobody_watches_any_more_stops(serve):
    served = serve(["wait"])
    key = served.begin(served.upload())
    with served.client.stream("GET", f"/api/searches/{key}/events") as stream:
        next(stream.iter_lines())
    until(lambda: served.app.state.searches.searches[key].is_over)
    assert served.events(key)[-1]["result"]["error"] == "nobody watched it any more"


def test_a_policy_that_fails_is_an_event_and_not_a_server_error(serve):
    served = serve(["fail"])
    result = served.events(served.begin(served.upload()))[-1]["result"]
    assert (result["status"], result["error"]) == ("failed", "the endpoint is down")


def test_searches_beyond_the_limit_wait_and_beyond_that_are_refused(serve):
    served = serve(["wait"] * 9, most_searches=1, most_waiting=2)
    picture = served.upload()
    keys = [served.begin(picture) for _ in range(3)]
    until(lambda: served.policy.heard)
    body = {"picture": picture["id"], "question": "What?"}
    response = served.client.post("/api/searches", json=body)
    assert response.status_code == 429
    for key in keys:
        served.client.post(f"/api/searches/{key}/stop").raise_for_status()
    assert all(served.events(key)[-1]["type"] == "end" for key in keys)


def test_tiles_put_together_are_the_picture(serve):
    served = serve()
    original = Image.effect_noise((700, 500), 40).convert("RGB")
    picture = served.upload(original)
    base, depth = f"/api/pictures/{picture['id']}/tiles", picture["depth"]
    whole = Image.new("RGB", (700, 500))
    for column in range(3):
        for row in range(2):
            tile = served.client.get(f"{base}/{depth}/{column}_{row}.jpg").raise_for_status()
            whole.paste(Image.open(io.BytesIO(tile.content)), (column * 256, row * 256))
    small = [one.resize((70, 50), Image.Resampling.BOX).convert("L") for one in (whole, original)]
    assert ImageChops.difference(*small).getextrema()[1] <= 6
    assert Image.open(io.BytesIO(served.client.get(f"{base}/{depth - 1}/0_0.jpg").content)).size == (256, 250)
    for wrong in (f"{depth}/3_0", f"{depth + 1}/0_0", f"{depth}/0_-1", "-1/0_0"):
        assert served.client.get(f"{base}/{wrong}.jpg").status_code == 404


def test_a_picture_beyond_memory_is_shown_tile_by_tile(serve, tmp_path):
    whole = deep_zoom(tmp_path / "photos", (1000, 700))
    served = serve([zoom(0.5, 0.5, 1, 1), answer("red")], pictures=(tmp_path / "photos",))
    (folder,) = served.client.get("/api/folders").json()
    body = {"query": "the red star", "folder": folder["folder"]}
    begun = served.client.post("/api/finds", json=body).raise_for_status().json()
    with served.client.stream("GET", f"/api/finds/{begun['id']}/events") as stream:
        rows = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert (rows[1]["name"], rows[1]["status"]) == ("big.dzi", "found")
    base = f"/api/pictures/{rows[1]['picture']}"
    told = served.client.get(base).json()
    assert (told["size"], told["depth"]) == ([1000, 700], 10)
    tile = Image.open(io.BytesIO(served.client.get(f"{base}/tiles/10/1_1.jpg").content))
    both = (tile, whole.crop((256, 256, 512, 512)))
    pair = [one.resize((16, 16), Image.Resampling.BOX).convert("L") for one in both]
    assert ImageChops.difference(*pair).getextrema()[1] <= 8
    assert Image.open(io.BytesIO(served.client.get(f"{base}/tiles/8/0_0.jpg").content)).size == (250, 175)


def deep_zoom(folder, size):
    """Write a Deep Zoom picture with every level, and return the whole of it."""
    whole = Image.effect_noise(size, 60).convert("RGB").resize((size[0] // 20, size[1] // 20)).resize(size)
    depth = math.ceil(math.log2(max(size)))
    for level in range(depth + 1):
        scale = 2 ** (depth - level)
        picture = whole.resize((math.ceil(size[0] / scale), math.ceil(size[1] / scale)))
        here = folder / "big_files" / str(level)
        here.mkdir(parents=True)
        for left in range(0, picture.width, 256):
            for top in range(0, picture.height, 256):
                box = (left, top, min(left + 256, picture.width), min(top + 256, picture.height))
                picture.crop(box).save(here / f"{left // 256}_{top // 256}.png")
    (folder / "big.dzi").write_text(
        '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" TileSize="256" Overlap="0" Format="png">'
        f'<Size Width="{size[0]}" Height="{size[1]}"/></Image>'
    )
    return whole


def test_a_slow_reader_loses_no_turn(serve):
    served = serve([zoom(0, 0, 0.5, 0.5)] * 20 + [answer("red")])
    key = served.begin(served.upload())
    seen = []
    with served.client.stream("GET", f"/api/searches/{key}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line[6:]))
                time.sleep(0.01)
    assert [event["n"] for event in seen if event["type"] == "turn"] == list(range(1, 22))


def test_ten_searches_at_once_each_have_their_own_turns(serve):
    served = serve()
    picture = served.upload()
    keys = [served.begin(picture) for _ in range(10)]
    ends = [served.events(key)[-1]["result"]["answer"] for key in keys]
    assert ends == ["red"] * 10
    assert len({*keys}) == 10


def test_a_server_that_was_started_anew_says_so(serve):
    served = serve()
    response = httpx.get(f"{served.url}/api/searches/gone/events", trust_env=False)
    assert response.status_code == 404
    assert "started anew" in response.json()["detail"]
