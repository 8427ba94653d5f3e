"""Pictures that are read from disk part by part look as they would in memory, or one line says why not."""

import os
import shutil

import pytest
from looks import BUDGET, DZI, close_to_memory, deep_zoom, scene
from PIL import Image

from mini_o3.kit.errors import UserError
from mini_o3.vision import Rect, load_picture


@pytest.mark.parametrize(("tile", "overlap"), [(128, 2), (254, 1), (100, 0)])
def test_a_deep_zoom_picture_looks_as_it_would_in_memory(tmp_path, tile, overlap):
    image = scene(1501, 1013)
    close_to_memory(load_picture(deep_zoom(tmp_path, image, tile, overlap)), image)


def test_only_the_tiles_that_are_looked_at_are_read(tmp_path):
    path = deep_zoom(tmp_path, scene(1501, 1013))
    for tile in (tmp_path / "deep_files" / "11").iterdir():
        if tile.name != "3_2.png":
            tile.write_bytes(b"no picture")
    deep = load_picture(path)
    assert deep.thumbnail(300).size == (300, 202)
    assert deep.view(Rect(400, 270, 500, 370), BUDGET).size == (100, 100)
    with pytest.raises(UserError, match=r"11/0_0\.png: not a picture that can be read"):
        deep.view(Rect(0, 0, 100, 100), BUDGET)


def test_a_deep_zoom_picture_of_ten_gigapixels_opens(tmp_path):
    """Only the level that its first view needs is there."""
    path = tmp_path / "huge.dzi"
    path.write_text(DZI.format(form="png", overlap=0, tile=512, width=100_000, height=100_000))
    folder = tmp_path / "huge_files" / "10"  # 782 pixels across
    folder.mkdir(parents=True)
    for column, width in enumerate((512, 270)):
        for row, height in enumerate((512, 270)):
            tile = Image.new("RGB", (width, height), (column * 60, row * 60, 9))
            tile.save(folder / f"{column}_{row}.png")
    huge = load_picture(path)
    view = huge.view(huge.whole, BUDGET)
    assert (huge.size, view.getpixel((0, 0)), view.getpixel((440, 440))) == (
        (100_000, 100_000),
        (0, 0, 9),
        (60, 60, 9),
    )
    with pytest.raises(UserError, match=r"huge_files/17: this level of the picture is missing"):
        huge.view(Rect(50_000, 50_000, 50_100, 50_100), BUDGET)


def broken(path, what):
    folder = path.with_name("deep_files") / "11"
    if what == "no tiles":
        shutil.rmtree(path.with_name("deep_files"))
    elif what == "no tile":
        (folder / "0_0.png").unlink()
    elif what == "no level":
        shutil.rmtree(folder)
    elif what == "cut off":
        (folder / "0_0.png").write_bytes((folder / "0_0.png").read_bytes()[:300])
    elif what == "other size":
        Image.new("RGB", (9, 9)).save(folder / "0_0.png")
    elif what == "link out":
        outside = path.parent / "outside.png"
        (folder / "0_0.png").rename(outside)
        (folder / "0_0.png").symlink_to(outside)
    elif what == "pipe":
        (folder / "0_0.png").unlink()
        os.mkfifo(folder / "0_0.png")
    else:
        path.write_text(what)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("no tiles", r"deep_files: the folder of the tiles is missing; keep it beside deep\.dzi"),
        ("no tile", r"11/0_0\.png: this tile of the picture is missing; get a fresh copy"),
        ("no level", r"deep_files/11: this level of the picture is missing; get a fresh copy"),
        ("cut off", r"11/0_0\.png: the picture is damaged or cut off \(.+\); get a fresh copy"),
        ("other size", r"11/0_0\.png: this tile of the picture is 9 x 9, not 130 x 130 pixels"),
        ("link out", r"0_0\.png: this tile is a link out of the folder; put the file itself there"),
        ("pipe", r"0_0\.png: is a device or a pipe; give a regular file"),
        ("", r"deep\.dzi: not the description of a Deep Zoom picture"),
        ("<Image/>", r"deep\.dzi: not the description of a Deep Zoom picture"),
        ("<!DOCTYPE a><Image/>", r"deep\.dzi: not the description of a Deep Zoom picture"),
        (DZI.format(form="../x", overlap=0, tile=256, width=900, height=900), r"as '\.\./x'; such a picture"),
        (DZI.format(form="png", overlap=0, tile=10**6, width=900, height=900), r"in tiles of 1000000 with"),
        (DZI.format(form="png", overlap=0, tile=256, width=-900, height=900), r"says -900 x 900 pixels"),
        (DZI.format(form="png", overlap=0, tile=256, width=9, height=9), r"9 x 9 is too small"),
    ],
)
def test_a_damaged_deep_zoom_picture_is_one_line(tmp_path, what, says):
    path = deep_zoom(tmp_path, scene(1501, 1013))
    broken(path, what)
    with pytest.raises(UserError, match=says) as caught:
        load_picture(path).view(Rect(0, 0, 100, 100), BUDGET)
    assert "\n" not in str(caught.value)


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("mini_o3.kit.extras.find_spec", lambda name: None)
    Image.new("L", (20_000, 20_000)).save(tmp_path / "big.png")
    with pytest.raises(UserError) as caught:
        load_picture(tmp_path / "big.png")
    assert str(caught.value) == (
        f"{tmp_path}/big.png: more than the 150,000,000 pixels that are decoded; scale it down first, or"
        " search it as it is, which needs pyvips; install it with: pip install 'mini-o3[large]'"
    )
