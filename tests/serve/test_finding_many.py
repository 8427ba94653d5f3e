"""One thing looked for in many pictures through a real server."""

from __future__ import annotations

import json

import pytest
from helpers import answer, zoom
from web_client import png


def events(served, key):
    with served.client.stream("GET", f"/api/finds/{key}/events") as stream:
        return [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]


def begin(served, **body):
    return served.client.post("/api/finds", json={"query": "the red star", **body})


def test_each_picture_of_a_folder_is_found_or_not(serve, tmp_path):
    folder = tmp_path / "photos" / "home"
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png", "c.png"):
        (folder / name).write_bytes(png())
    (folder / "broken.png").write_bytes(png()[:500])
    (folder / "notes.txt").write_text("no picture")
    (folder / "away.png").symlink_to(tmp_path / "private.png")
    (tmp_path / "private.png").write_bytes(png())
    turns = [zoom(0.25, 0.5, 0.75, 1.0), answer("red"), answer("not there"), answer("red")]
    served = serve(turns, pictures=(tmp_path / "photos",), most_searches=2)
    (found,) = served.client.get("/api/folders").json()
    assert (found["name"], found["pictures"]) == ("photos/home", 4)
    begun = begin(served, folder=found["folder"]).raise_for_status().json()
    first, *rows, last = events(served, begun["id"])
    assert (first["type"], first["pictures"], last["type"]) == ("start", 4, "end")
    by_name = {row["name"]: row for row in rows}
    assert {name: row["status"] for name, row in by_name.items()} == {
        "a.png": "found",
        "b.png": "not_found",
        "broken.png": "failed",
        "c.png": "found",
    }
    assert by_name["a.png"]["evidence"]["pixels"] == [200, 300, 600, 600]
    assert (last["found"], last["counts"]) == (2, {"found": 2, "not_found": 1, "failed": 1})
    assert served.client.get(f"/api/pictures/{by_name['a.png']['picture']}/overview.jpg").status_code == 200


def test_uploaded_pictures_are_searched_and_named(serve):
    served = serve([answer("red")])
    picture = served.upload()
    begun = begin(served, pictures=[picture["id"]], names=["<b>mine</b>.png"]).json()
    _, row, end = events(served, begun["id"])
    assert (row["name"], row["status"], end["found"]) == ("<b>mine</b>.png", "found", 1)


def test_a_find_is_stopped_in_the_middle(serve):
    served = serve(["wait"] * 4, most_searches=2)
    picture = served.upload()
    begun = begin(served, pictures=[picture["id"]] * 4).json()
    served.client.post(f"/api/finds/{begun['id']}/stop").raise_for_status()
    assert events(served, begun["id"])[-1]["error"] == "stopped by the user"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"pictures": ["0" * 32]}, 404),
        ({"pictures": ["../x"]}, 404),
        ({"folder": "0/../.."}, 404),
        ({"folder": "7/."}, 404),
        ({"folder": "/etc"}, 404),
        ({"query": " ", "pictures": []}, 422),
    ],
)
def test_what_cannot_be_searched_is_refused(serve, tmp_path, body, status):
    (tmp_path / "photos").mkdir()
    served = serve(pictures=(tmp_path / "photos",))
    assert begin(served, **body).status_code == status
