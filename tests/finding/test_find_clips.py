"""`find` over videos: when and where (`make test-video`)."""

from pathlib import Path

import pytest
from clips import write_clip
from searching import SeesRed, picture

from mini_o3 import find

pytest.importorskip("av")


@pytest.fixture
def films(tmp_path, monkeypatch):
    """A clip of seven seconds in which something red is to be seen from 3 s to 5 s, and a picture."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    quiet, red = picture(1), picture(1, red=True)
    write_clip(tmp_path / "films/a.mp4", [quiet] * 30 + [red] * 20 + [quiet] * 20)
    picture(2).save("films/b.png")
    return tmp_path


def test_a_clip_says_when_and_where(films):
    policy = SeesRed()
    found = find("red square", "films", policy=policy, out="hits", finer=0)
    assert [(result.picture, result.status, result.time) for result in found.results] == [
        ("films/a.mp4@3", "found", 3.0),
        ("films/b.png", "not_found", None),
        ("films/a.mp4@0", "not_found", 0.0),
        ("films/a.mp4@5", "not_found", 5.0),
    ]
    assert found.hits[0].box == (40, 30, 120, 90)
    assert found.results[3].copy_of == "films/a.mp4@0"  # it looks as it did before
    assert len(policy.asked) == 3


def test_a_clip_is_decoded_once(films, monkeypatch):
    find("red square", "films", policy=SeesRed(), out="hits", finer=0)
    monkeypatch.setattr("mini_o3.finding.clips.open_clip", None)
    policy = SeesRed()
    assert len(find("red square", "films", policy=policy, out="hits", finer=0).hits) == 1
    assert policy.asked == []


def test_closer_looks_tell_when_it_comes_and_goes(films):
    quiet, red = picture(1), picture(1, red=True)
    write_clip(films / "b.mp4", [quiet] * 33 + [red] * 11 + [quiet] * 20)
    policy = SeesRed()
    found = find("red square", "b.mp4", policy=policy, out="hits", every=2.0, finer=3)
    assert sorted(hit.time for hit in found.hits) == [3.5, 4.0]
    times = sorted(result.time for result in found.results)
    assert times == [0.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0]
    assert len(policy.asked) == 2  # all others look like one of these
    policy = SeesRed()
    find("red square", "b.mp4", policy=policy, out="hits", every=2.0, finer=3)
    assert policy.asked == []


def test_bad_clips_are_named_and_the_rest_goes_on(films):
    Path("films/empty.mp4").touch()
    Path("films/broken.mov").write_bytes(b"no video" * 99)
    notes = []
    found = find("red square", "films", policy=SeesRed(), out="hits", note=notes.append, finer=0)
    assert len(found.hits) == 1
    assert notes == [
        "films/broken.mov: not a video that can be read (Invalid data found when processing input)",
        "films/empty.mp4: the file is empty; get a fresh copy",
    ]


def test_without_the_extra_clips_are_counted(films, monkeypatch):
    monkeypatch.setattr("mini_o3.kit.extras.find_spec", lambda name: None)
    found = find("red square", "films", policy=SeesRed(), out="hits")
    assert found.left_out == ("1 clips, for which `pip install 'mini-o3[video]'` is needed",)
