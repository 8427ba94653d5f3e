"""`find` over pictures that are not decoded at once (`make test-large`)."""

import pytest
from looks import deep_zoom
from searching import SeesRed, picture

from mini_o3 import find


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    return tmp_path


def test_deep_zoom_pictures_of_one_size_are_told_apart(here):
    (here / "photos/one").mkdir()
    (here / "photos/two").mkdir()
    deep_zoom(here / "photos/one", picture(1, red=True))
    deep_zoom(here / "photos/two", picture(2))
    found = find("red square", "photos", policy=SeesRed(), out="hits")
    assert [(result.picture, result.status) for result in found.results] == [
        ("photos/one/deep.dzi", "found"),
        ("photos/two/deep.dzi", "not_found"),
    ]
    assert found.hits[0].box == (40, 30, 120, 90)


def test_pictures_beyond_memory_are_searched_and_their_copies_known(here, monkeypatch):
    pytest.importorskip("pyvips")
    for module in ("picture", "small"):
        monkeypatch.setattr(f"mini_o3.vision.{module}.DECODE_BUDGET", 40_000)
    monkeypatch.setattr("mini_o3.vision.picture.open_picture.__defaults__", (40_000,))
    monkeypatch.setattr("mini_o3.vision.picture.read_picture.__defaults__", (None, 40_000))
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    for name in ("large.jpg", "copy.jpg"):
        picture(1, red=True, size=(640, 480)).save(here / "photos" / name, quality=95)
    picture(2).save("photos/small.png")
    policy = SeesRed()
    found = find("red square", "photos", policy=policy, out="hits")
    assert [(result.picture, result.status) for result in found.results] == [
        ("photos/copy.jpg", "found"),
        ("photos/large.jpg", "found"),
        ("photos/small.png", "not_found"),
    ]
    assert found.hits[0].box == (160, 120, 480, 360)
    assert len(policy.asked) == 2
