"""Pixel budgets: how large a view is shown, and that nothing is resized without need."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from mini_o3.vision import PixelBudget, Rect, show

quiet = settings(max_examples=120)


def noise(width, height):
    """A picture in which a shift by one pixel shows everywhere."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("native", "shown"),
    [
        ((4000, 3000), (1624, 1204)),
        ((3000, 4000), (1204, 1624)),
        ((8000, 2000), (2828, 700)),
        ((1000, 700), (1008, 700)),
        ((280, 280), (280, 280)),
        ((120, 60), (280, 140)),
        ((60, 120), (140, 280)),
        ((1, 1), (196, 196)),
    ],
)
def test_worked_sizes(native, shown):
    assert PixelBudget().fit(*native) == shown


@pytest.mark.parametrize(
    "native", [(4000, 3000), (3000, 4000), (6000, 4000), (7680, 4320), (1920, 1080), (9000, 3000)]
)
def test_a_large_picture_is_shown_within_the_limit_and_in_shape(native):
    width, height = PixelBudget().fit(*native)
    assert 0.9 * 2_000_000 <= width * height <= 2_000_000
    assert (width % 28, height % 28) == (0, 0)
    assert width / height == pytest.approx(native[0] / native[1], rel=0.03)


@pytest.mark.parametrize("native", [(120, 60), (60, 60), (28, 28), (199, 190), (30, 90), (5, 3)])
def test_a_small_crop_is_enlarged_to_about_the_minimum_and_no_more(native):
    width, height = PixelBudget().fit(*native)
    assert 0.85 * 40_000 <= width * height <= 1.15 * 40_000


def test_a_minimum_of_zero_enlarges_nothing():
    assert PixelBudget(min_pixels=0).fit(56, 28) == (56, 28)


@quiet
@given(st.integers(28, 3000), st.integers(28, 3000))
def test_inside_the_limits_the_native_size_is_kept_up_to_rounding(width, height):
    assume(40_000 <= width * height <= 2_000_000)
    columns, rows = PixelBudget().fit(width, height)
    assert abs(columns - width) <= 28
    assert abs(rows - height) <= 28


@quiet
@given(st.integers(28, 1400), st.integers(28, 1400))
def test_what_was_fitted_stays_as_it_is(width, height):
    once = PixelBudget().fit(width, height)
    assume(once[0] * once[1] >= 40_000)
    assert PixelBudget().fit(*once) == once


@st.composite
def budgets(draw):
    multiple = draw(st.sampled_from([1, 7, 14, 28, 32]))
    most = draw(st.integers(multiple**2, 4_000_000))
    return PixelBudget(most, draw(st.integers(0, most)), multiple, draw(st.booleans()))


@quiet
@given(budgets(), st.integers(1, 50_000), st.integers(1, 50_000))
@example(PixelBudget(784, 784), 50_000, 1)
@example(PixelBudget(784, 0), 1, 50_000)
@example(PixelBudget(2_000_000), 50_000, 250)
@example(PixelBudget(1, 0, 1), 50_000, 50_000)
def test_a_view_never_exceeds_the_limit_and_is_made_of_whole_tokens(budget, width, height):
    columns, rows = budget.fit(width, height)
    assert columns * rows <= budget.max_pixels
    assert (columns % budget.multiple, rows % budget.multiple) == (0, 0)
    assert columns >= budget.multiple
    assert rows >= budget.multiple
    assert budget.tokens(columns, rows) == columns * rows // budget.multiple**2


@pytest.mark.parametrize("native", [(1, 1), (168, 168), (400, 300), (300, 40), (50_000, 300)])
def test_a_square_budget_shows_everything_as_the_same_square(native):
    budget = PixelBudget(max_pixels=28224, min_pixels=0, square=True)
    assert budget.fit(*native) == (168, 168)
    assert budget.tokens(168, 168) == 36


@pytest.mark.parametrize(("most", "side"), [(784, 28), (3135, 28), (3136, 56), (28223, 140), (28224, 168)])
def test_a_square_is_the_largest_that_fits(most, side):
    assert PixelBudget(max_pixels=most, min_pixels=0, square=True).fit(400, 300) == (side, side)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multiple": 0}, "multiple must be 1 or more, got 0"),
        ({"multiple": -28}, "multiple must be 1 or more, got -28"),
        ({"max_pixels": 783, "min_pixels": 0}, "max_pixels must be at least 784"),
        ({"max_pixels": 0, "min_pixels": 0}, "max_pixels must be at least 784"),
        ({"max_pixels": 30_000}, "min_pixels must lie between 0 and max_pixels, got 40000"),
        ({"min_pixels": -1}, "min_pixels must lie between 0 and max_pixels, got -1"),
    ],
)
def test_a_bad_budget_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PixelBudget(**options)


@pytest.mark.parametrize(
    "rect", [Rect(0, 0, 280, 196), Rect(119, 103, 399, 299), Rect(57, 31, 337, 255), Rect(120, 0, 400, 300)]
)
def test_a_view_that_needs_no_resize_is_the_native_crop(rect):
    picture = noise(400, 300)
    view = show(picture, rect, PixelBudget(min_pixels=0, multiple=4))
    assert view.size == (rect.width, rect.height)
    assert ImageChops.difference(view, picture.crop(rect)).getbbox() is None


def test_the_crop_of_the_whole_picture_is_the_picture():
    picture = noise(280, 280)
    assert show(picture, Rect(0, 0, 280, 280), PixelBudget()).tobytes() == picture.tobytes()


@pytest.mark.parametrize("rect", [Rect(200, 0, 400, 300), Rect(200, 100, 210, 110), Rect(301, 7, 331, 97)])
def test_a_resized_view_shows_what_is_in_the_rect(rect):
    picture = Image.new("RGB", (400, 300), "red")
    picture.paste("blue", rect)
    view = show(picture, rect, PixelBudget())
    width, height = view.size
    assert (width, height) == PixelBudget().fit(rect.width, rect.height)
    inner = view.crop((width // 8, height // 8, width - width // 8, height - height // 8))
    assert inner.getcolors() == [(inner.width * inner.height, (0, 0, 255))]


def test_a_shrunken_view_keeps_things_where_they_are():
    picture = Image.new("RGB", (4000, 3000), "red")
    picture.paste("blue", (2000, 0, 4000, 1500))
    view = show(picture, Rect(0, 0, 4000, 3000), PixelBudget(max_pixels=28224, min_pixels=0))
    width, height = view.size
    assert view.getpixel((width * 3 // 4, height // 4)) == (0, 0, 255)
    assert view.getpixel((width // 4, height // 4)) == (255, 0, 0)
    assert view.getpixel((width * 3 // 4, height * 3 // 4)) == (255, 0, 0)
