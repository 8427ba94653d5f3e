"""Pictures beyond memory by libvips; skipped where the extra `large` is not installed (`make test-large`)."""

import os

import numpy as np
import pytest
from looks import BUDGET, close_to_memory, difference, scene
from PIL import Image
from test_picture import profile

from mini_o3.kit.errors import UserError
from mini_o3.vision import InMemory, PixelBudget, Rect, conversion_of, load_picture, open_picture
from mini_o3.vision.large import VipsFile, VipsPyramid

pyvips = pytest.importorskip("pyvips")


@pytest.fixture(autouse=True)
def beyond_memory(monkeypatch, tmp_path):
    """Everything is too large for memory here, and the cache is empty."""
    monkeypatch.setattr("mini_o3.vision.load.open_picture", refuse)
    monkeypatch.setenv("MINI_O3_CACHE", str(tmp_path / "cache"))


def refuse(path):
    return open_picture(path, 1000)


def pyramid(path, image, **options):
    """Write a tiled TIFF with smaller copies of itself."""
    array = np.asarray(image)
    pyvips.Image.new_from_array(array).copy(interpretation="srgb").tiffsave(
        str(path), tile=True, pyramid=True, tile_width=128, tile_height=128, **options
    )
    return path


def saved(tmp_path, name, image, **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_a_lossless_file_looks_as_it_would_in_memory(tmp_path, name):
    image = scene(1501, 1013)
    path = saved(tmp_path, name, image, **({"lossless": True} if name == "a.webp" else {}))
    found = load_picture(path)
    assert isinstance(found, VipsFile)
    close_to_memory(found, image)


def test_a_kind_that_is_not_read_at_such_a_size_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"a\.ppm: pictures of this kind are not read at such a"):
        load_picture(saved(tmp_path, "a.ppm", scene(700, 500)))


def test_a_jpeg_looks_as_it_would_in_memory(tmp_path):
    path = saved(tmp_path, "a.jpg", scene(1501, 1013), quality=90)
    close_to_memory(load_picture(path), open_picture(path))


@pytest.mark.parametrize("options", [{}, {"compression": "deflate"}, {"subifd": True}])
def test_a_tiled_pyramid_is_read_as_it_is(tmp_path, options):
    image = scene(1501, 1013)
    found = load_picture(pyramid(tmp_path / "a.tif", image, **options))
    assert isinstance(found, VipsPyramid)
    close_to_memory(found, image)
    assert not (tmp_path / "cache").exists()


def test_a_pyramid_of_jpeg_tiles_differs_by_less_than_a_level(tmp_path):
    image = scene(1501, 1013, noise=0)
    path = pyramid(tmp_path / "a.tif", image, compression="jpeg", Q=95)
    close_to_memory(load_picture(path), image, exact=False)


def turned(path, image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_it_is_upright_as_its_exif_says(tmp_path, name, orientation):
    path = turned(tmp_path / name, scene(400, 300), orientation)
    close_to_memory(load_picture(path), open_picture(path))


@pytest.mark.parametrize("kind", ["grey", "grey16", "palette", "alpha", "grey alpha", "bits", "cmyk"])
def test_every_kind_of_pixel_looks_as_it_would_in_memory(tmp_path, kind):
    image, name, options = scene(700, 500), "a.png", {}
    if kind == "grey":
        image = image.convert("L")
    elif kind == "grey16":
        values = np.asarray(image.convert("L")).astype(np.uint16) * 257 + 100
        image = Image.fromarray(np.minimum(values, 65535).astype(np.uint16))
    elif kind == "palette":
        image = image.quantize(64)
    elif kind == "alpha":
        image.putalpha(image.convert("L"))
    elif kind == "grey alpha":
        image = image.convert("LA")
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    elif kind == "bits":
        image = image.convert("1")
    elif kind == "cmyk":
        image, name = image.convert("CMYK"), "a.tif"
    path = saved(tmp_path, name, image, **options)
    close_to_memory(load_picture(path), open_picture(path))


def test_colours_of_a_profile_are_converted_and_noted(tmp_path):
    path = tmp_path / "a.png"
    scene(700, 500).save(path, icc_profile=profile())
    memory = open_picture(path)
    found = load_picture(path)
    close_to_memory(found, memory)
    assert found.note == conversion_of(memory) != ""


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file_is_refused(tmp_path, name, share):
    path = saved(tmp_path, name, scene(1501, 1013))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(
        UserError, match=r"a\.\w+: (the picture is damaged or cut off|not a picture)"
    ) as caught:
        load_picture(path).view(
            Rect(0, 0, 1501, 1013), PixelBudget(max_pixels=20_000, min_pixels=0, multiple=1)
        )
    assert "\n" not in str(caught.value)


def test_the_pyramid_is_kept_by_content(tmp_path):
    image = scene(1501, 1013)
    first = load_picture(saved(tmp_path, "a.png", image))
    first.view(Rect(10, 10, 200, 200), BUDGET)
    (kept,) = (tmp_path / "cache" / "pyramids").iterdir()
    before = kept.stat().st_ino
    os.rename(tmp_path / "a.png", tmp_path / "b.png")
    second = load_picture(tmp_path / "b.png")
    assert (
        difference(
            second.view(Rect(10, 10, 200, 200), BUDGET), InMemory(image).view(Rect(10, 10, 200, 200), BUDGET)
        ).max()
        == 0
    )
    (again,) = (tmp_path / "cache" / "pyramids").iterdir()
    assert again == kept
    assert again.stat().st_ino == before


def test_what_was_used_longest_ago_leaves_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINI_O3_CACHE_GB", "0.013")  # two pyramids of 6 MB
    folder = tmp_path / "cache" / "pyramids"
    names = []
    for seed in range(3):
        path = saved(tmp_path, f"{seed}.png", scene(1501, 1013, seed))
        load_picture(path).view(Rect(0, 0, 50, 50), BUDGET)
        (new,) = {one.name for one in folder.iterdir()} - set(names)
        names.append(new)
        if seed == 1:  # the first is used again
            os.utime(folder / names[1], (1, 1))
            load_picture(tmp_path / "0.png").view(Rect(0, 0, 50, 50), BUDGET)
    assert {one.name for one in folder.iterdir()} == {names[0], names[2]}


def test_a_damaged_cache_is_made_anew(tmp_path):
    path = saved(tmp_path, "a.png", scene(1501, 1013))
    load_picture(path).view(Rect(0, 0, 50, 50), BUDGET)
    (kept,) = (tmp_path / "cache" / "pyramids").iterdir()
    kept.write_bytes(b"II*\0 no pyramid")
    close_to_memory(load_picture(path), open_picture(path))


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    path = saved(tmp_path, "a.png", scene(1501, 1013))
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MINI_O3_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError) as caught:
        load_picture(path).view(Rect(0, 0, 50, 50), BUDGET)
    assert str(caught.value) == (
        f"{tmp_path}/file/pyramids: pictures this large need room for their tiles there, and it cannot be"
        " written (Not a directory); make room, or name another folder in MINI_O3_CACHE"
    )


def test_a_limit_that_is_no_number_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("MINI_O3_CACHE_GB", "lots")
    with pytest.raises(UserError, match=r"MINI_O3_CACHE_GB: 'lots' is not a number of gigabytes"):
        load_picture(saved(tmp_path, "a.png", scene(700, 500)))
