"""Several pictures on one canvas."""

import numpy as np
import pytest
from looks import difference, scene
from PIL import Image

from mini_o3.vision import Album, InMemory, PixelBudget, Rect, load_pictures, locate
from mini_o3.vision.album import lay_out

NATIVE = PixelBudget(max_pixels=4_000_000, min_pixels=0, multiple=1)


@pytest.fixture
def album():
    sizes = ((300, 200), (200, 260), (400, 300))
    return Album([InMemory(scene(*size, seed)) for seed, size in enumerate(sizes)])


def test_every_picture_lies_in_its_cell_at_full_resolution(album):
    assert album.size == (808, 608)
    assert album.places == (Rect(0, 0, 300, 200), Rect(408, 0, 608, 260), Rect(0, 308, 400, 608))
    for picture, place in zip(album.pictures, album.places, strict=True):
        assert difference(album.view(place, NATIVE), picture.image).max() == 0


def test_a_part_of_one_picture_is_that_part(album):
    part = album.view(Rect(428, 10, 528, 90), NATIVE)
    assert difference(part, album.pictures[1].image.crop((20, 10, 120, 90))).max() == 0


def test_the_whole_shows_every_picture_with_its_number(album):
    whole = np.asarray(album.view(album.whole, NATIVE)).astype(int)
    for picture, place in zip(album.pictures, album.places, strict=True):
        seen = whole[place.top + 40 : place.bottom, place.left + 40 : place.right]
        assert np.abs(seen - np.asarray(picture.image)[40:, 40:]).max() == 0
    assert whole[400, 404].tolist() == [236, 236, 236]
    assert (whole[0:20, 408:424] == 255).all(axis=-1).mean() > 0.3  # the label of the second


def test_a_rectangle_of_the_canvas_is_one_of_a_picture(album):
    assert locate(album.places, Rect(408, 0, 508, 130)) == (1, Rect(0, 0, 100, 130))
    assert locate(album.places, Rect(250, 100, 350, 180)) == (0, Rect(250, 100, 300, 180))
    assert locate(album.places, album.whole) is None
    assert locate(album.places, Rect(310, 10, 400, 90)) is None  # between them


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 64])
def test_no_two_pictures_share_a_pixel(count):
    size, places = lay_out([(100 + 7 * n % 50, 80) for n in range(count)])
    assert len(places) == count
    for number, one in enumerate(places):
        assert 0 <= one.left < one.right <= size[0]
        assert 0 <= one.top < one.bottom <= size[1]
        assert all(locate([other], one) is None for other in places[number + 1 :])


def test_one_path_is_that_picture_and_several_are_an_album(tmp_path):
    for name in "ab":
        Image.new("RGB", (60, 40), "red").save(tmp_path / f"{name}.png")
    one, two = tmp_path / "a.png", tmp_path / "b.png"
    assert isinstance(load_pictures([one]), InMemory)
    assert isinstance(load_pictures([one, two]), Album)
