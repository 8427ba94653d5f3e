"""What can be told apart in a view."""

from mini_o3.probes.shapes.eye import apart, look, point
from mini_o3.probes.shapes.truth import Thing
from mini_o3.vision import Rect, Region

SIZE = (1000, 1000)


def thing(colour, x, y, side=0.04):
    return Thing(colour, "star", "3", Region(x - side / 2, y - side / 2, x + side / 2, y + side / 2))


def colours(seen):
    return [s.thing.colour for s in seen]


def test_of_things_that_touch_one_is_pointed_at_the_one_looked_for_if_it_is_among_them():
    seen = look(
        [thing("red", 0.30, 0.5), thing("blue", 0.35, 0.5), thing("pink", 0.80, 0.5)],
        SIZE,
        Rect(0, 0, 1000, 1000),
    )
    assert colours(apart(seen, "blue")) == ["blue", "pink"]
    assert colours(apart(seen, "red")) == ["red", "pink"]
    assert colours(apart(seen, "green")) == ["red", "pink"]
    assert colours(apart(seen, None)) == ["red", "pink"]
    assert point(apart(seen, "blue"), None) == "things at 0.35/0.50 0.80/0.50."


def test_nearer_they_are_two():
    seen = look([thing("red", 0.30, 0.5), thing("blue", 0.35, 0.5)], SIZE, Rect(200, 400, 500, 700))
    assert colours(apart(seen, None)) == ["red", "blue"]
