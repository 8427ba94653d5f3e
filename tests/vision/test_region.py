"""Boxes: fractions to whole pixels and back, never empty, never outside."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mini_o3.vision import Rect, Region

WHOLE = Rect(0, 0, 4000, 3000)
quiet = settings(max_examples=120)


@st.composite
def sizes_and_rects(draw):
    width, height = draw(st.integers(1, 50_000)), draw(st.integers(1, 50_000))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return (width, height), Rect(
        left, top, draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))
    )


@st.composite
def regions(draw):
    fraction = st.floats(0, 1)
    x0, x1 = sorted(draw(st.tuples(fraction, fraction).filter(lambda pair: pair[0] != pair[1])))
    y0, y1 = sorted(draw(st.tuples(fraction, fraction).filter(lambda pair: pair[0] != pair[1])))
    return Region(x0, y0, x1, y1)


def inside(inner, outer):
    return (
        outer.left <= inner.left < inner.right <= outer.right
        and outer.top <= inner.top < inner.bottom <= outer.bottom
    )


def test_a_rect_is_half_open():
    assert (Rect(10, 20, 13, 21).width, Rect(10, 20, 13, 21).height) == (3, 1)


def test_the_whole_frame_is_the_whole_picture():
    assert Region(0, 0, 1, 1).to_rect(WHOLE) == WHOLE


@pytest.mark.parametrize("size", [(1, 1), (28, 28), (4000, 3000), (49_999, 33_333)])
def test_the_last_row_and_column_can_be_reached(size):
    rect = Region(0.99, 0.99, 1.0, 1.0).to_rect(Rect(0, 0, *size))
    assert (rect.right, rect.bottom) == size


@pytest.mark.parametrize(
    ("box", "rect"),
    [
        ((0.25, 0.5, 0.5, 1.0), (1000, 1500, 2000, 3000)),
        ((0.3, 0.3, 0.6, 0.7), (1200, 900, 2400, 2100)),
        ((0.1, 0.2, 0.3, 0.4), (400, 600, 1200, 1200)),
        ((0.0001, 0.0, 0.0002, 0.5), (0, 0, 1, 1500)),  # part of a pixel is that pixel
        ((0.0003, 0.0, 0.0006, 0.5), (1, 0, 3, 1500)),  # parts of two pixels are both
    ],
)
def test_worked_boxes_in_4000_x_3000(box, rect):
    assert Region(*box).to_rect(WHOLE) == rect


@pytest.mark.parametrize("width", [1, 7, 10, 100, 1000, 50_000])
def test_rounding_error_neither_adds_nor_drops_a_pixel(width):
    for column in range(min(width, 1000)):
        rect = Region(column / width, 0, min((column + 1) / width, 1.0), 1).to_rect(Rect(0, 0, width, 1))
        assert (rect.left, rect.right) == (column, column + 1)


@pytest.mark.parametrize(
    "box",
    [
        (0.5, 0.5, math.nextafter(0.5, 1), math.nextafter(0.5, 1)),
        (0.0, 0.0, 5e-324, 5e-324),
        (math.nextafter(1, 0), math.nextafter(1, 0), 1.0, 1.0),
        (0.3, 0.7, 0.3 + 1e-12, 0.7 + 1e-12),
    ],
)
@pytest.mark.parametrize("frame", [WHOLE, Rect(17, 19, 18, 20), Rect(5, 5, 105, 6)])
def test_a_tiny_region_is_one_pixel_and_never_none(box, frame):
    rect = Region(*box).to_rect(frame)
    assert (rect.width, rect.height) == (1, 1)
    assert inside(rect, frame)


@quiet
@given(sizes_and_rects())
@example(((50_000, 50_000), Rect(49_999, 49_999, 50_000, 50_000)))
@example(((49_999, 3), Rect(1, 1, 49_998, 2)))
def test_a_rect_becomes_a_region_and_the_same_rect_again(size_and_rect):
    size, rect = size_and_rect
    assert Region.of_rect(rect, size).to_rect(Rect(0, 0, *size)) == rect


@quiet
@given(sizes_and_rects(), st.lists(regions(), min_size=1, max_size=6))
def test_nested_regions_never_leave_their_parent(size_and_rect, chain):
    _, parent = size_and_rect
    for region in chain:
        rect = region.to_rect(parent)
        assert inside(rect, parent)
        parent = rect


@quiet
@given(sizes_and_rects(), regions())
def test_every_pixel_that_is_touched_is_included(size_and_rect, region):
    _, frame = size_and_rect
    rect = region.to_rect(frame)
    assert rect.left - frame.left <= region.x0 * frame.width + 1e-5
    assert rect.top - frame.top <= region.y0 * frame.height + 1e-5
    assert rect.right - frame.left >= region.x1 * frame.width - 1e-5
    assert rect.bottom - frame.top >= region.y1 * frame.height - 1e-5


def test_nested_regions_compose_in_pixels_of_the_original():
    parent = Region(0.5, 0.5, 1, 1).to_rect(WHOLE)
    child = Region(0.1, 0.2, 0.3, 0.6).to_rect(parent)
    assert (parent, child) == ((2000, 1500, 4000, 3000), (2200, 1800, 2600, 2400))


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    "box",
    [
        (NAN, 0, 1, 1),
        (0, NAN, 1, 1),
        (0, 0, NAN, 1),
        (0, 0, 1, NAN),
        (NAN, NAN, NAN, NAN),
        (-INF, 0, 1, 1),
        (0, 0, INF, 1),
        (0, 0, 1, INF),
        (-0.01, 0, 1, 1),
        (0, -1e-9, 1, 1),
        (0, 0, 1.01, 1),
        (0, 0, 1, 1 + 1e-9),
        (10, 20, 300, 400),
        (0.5, 0, 0.5, 1),
        (0, 0.5, 1, 0.5),
        (0.6, 0, 0.4, 1),
        (0, 0.6, 1, 0.4),
        (0, 0, 0, 0),
        (1, 1, 1, 1),
    ],
)
def test_a_region_that_is_no_box_is_refused(box):
    with pytest.raises(ValueError, match="expected 0 <= x0 < x1 <= 1"):
        Region(*box)


def test_a_negative_frame_is_refused():
    with pytest.raises(ValueError, match="frame of 0 or more"):
        Region(0, 0, 1, 1, -1)


@pytest.mark.parametrize(
    ("args", "box"),
    [
        ((0.5, 0.5, 0.2, 0.4), (0.4, 0.3, 0.6, 0.7)),
        ((0.0, 0.5, 0.2, 0.2), (0.0, 0.4, 0.2, 0.6)),
        ((1.0, 1.0, 0.2, 0.4), (0.8, 0.6, 1.0, 1.0)),
        ((0.05, 0.95, 0.5, 0.5), (0.0, 0.5, 0.5, 1.0)),
        ((0.9, 0.1, 3.0, 3.0), (0.0, 0.0, 1.0, 1.0)),
    ],
)
def test_a_box_around_a_point_is_moved_and_not_cut(args, box):
    assert Region.around(*args).xyxy == pytest.approx(box, abs=1e-12)


@quiet
@given(
    st.floats(-0.5, 1.5), st.floats(-0.5, 1.5), st.floats(0.001, 1), st.floats(0.001, 1), st.integers(0, 99)
)
def test_a_box_around_any_point_keeps_its_size_and_frame(cx, cy, width, height, frame):
    region = Region.around(cx, cy, width, height, frame)
    assert (region.x1 - region.x0, region.y1 - region.y0) == pytest.approx((width, height), abs=1e-12)
    assert region.frame == frame


@pytest.mark.parametrize(
    "args", [(0.5, 0.5, 0, 0.1), (0.5, 0.5, 0.1, -0.1), (NAN, 0.5, 0.1, 0.1), (0.5, 0.5, 0.1, NAN)]
)
def test_a_box_around_a_point_needs_a_size(args):
    with pytest.raises(ValueError, match="expected 0 <= x0 < x1 <= 1"):
        Region.around(*args)


def test_centre_and_area():
    region = Region(0.2, 0.4, 0.6, 0.9)
    assert region.centre == pytest.approx((0.4, 0.65))
    assert region.area == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("box", "other", "share"),
    [
        ((0, 0, 1, 1), (0.2, 0.3, 0.4, 0.5), 1.0),
        ((0.2, 0.3, 0.4, 0.5), (0, 0, 1, 1), 0.04),
        ((0, 0, 0.5, 1), (0.25, 0, 0.75, 1), 0.5),
        ((0, 0, 0.5, 0.5), (0.25, 0.25, 0.75, 0.75), 0.25),
        ((0, 0, 0.5, 1), (0.5, 0, 1, 1), 0.0),  # touching is not overlapping
        ((0, 0, 0.1, 0.1), (0.8, 0.8, 0.9, 0.9), 0.0),  # apart both ways: two negative sides are not an area
    ],
)
def test_overlap_is_the_share_of_the_other(box, other, share):
    assert Region(*box).overlap(Region(*other)) == pytest.approx(share)


@quiet
@given(regions(), regions())
@example(Region(0, 0, 1, 1), Region(0, 0, 1e-200, 1e-200))
def test_overlap_of_any_two_regions_is_a_share(one, other):
    assert 0.0 <= one.overlap(other) <= 1.0 + 1e-9


def test_regions_of_different_frames_cannot_be_compared():
    with pytest.raises(ValueError, match="different frames: 0 and 2"):
        Region(0, 0, 1, 1).overlap(Region(0, 0, 1, 1, 2))
