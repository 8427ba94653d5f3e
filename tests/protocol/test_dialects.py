"""The dialects of other systems: their texts become the one canonical action, and back, to the pixel."""

import json

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mini_o3.kit.errors import UserError
from mini_o3.protocol import Answer, Fault, Malformed, Zoom, format_action, load_profile, parse
from mini_o3.protocol.dialects import DIALECTS, Frame, load_dialect
from mini_o3.vision import Rect, Region

quiet = settings(max_examples=100)
TAGS = ("<think>", "</think>", "<grounding>", "</grounding>", "<answer>", "</answer>")
CALLERS = ("deepeyes", "deepeyes-shown", "pixel_reasoner", "pixel_reasoner-quirk", "qwen3_vl", "qwen2_5_vl")

#: A picture of 4000 x 2000 pixels shown at half its size, and its right half, shown at a quarter of its size.
FRAMES = (Frame(Rect(0, 0, 4000, 2000), (2000, 1000)), Frame(Rect(2000, 0, 4000, 2000), (500, 500)))


def call(name, **arguments):
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def zoom_in(*box, **more):
    return call("image_zoom_in_tool", bbox_2d=list(box), **more)


def crop(*box, image=1):
    return call("crop_image_normalized", bbox_2d=list(box), target_image=image)


def rect(dialect, text, frames=FRAMES):
    """What the text looks at, in pixels of the original."""
    action = load_dialect(dialect).parse(text, frames)
    assert isinstance(action, Zoom), action
    return action.region.to_rect(frames[action.region.frame].rect)


def fault(dialect, text, frames=FRAMES):
    action = load_dialect(dialect).parse(text, frames)
    assert isinstance(action, Malformed), action
    assert action.detail
    assert "\n" not in action.detail
    return action.kind


LOOKS = [
    # DeepEyes: pixels of the original as it is stored, cut off at its border
    ("deepeyes", zoom_in(100, 200, 300, 400, label="a sign"), Rect(100, 200, 300, 400)),
    ("deepeyes", zoom_in(0, 0, 4000, 2000), Rect(0, 0, 4000, 2000)),
    ("deepeyes", zoom_in(3969, 1969, 4000, 2000), Rect(3969, 1969, 4000, 2000)),
    ("deepeyes", zoom_in(-50, -1, 31, 31), Rect(0, 0, 31, 31)),
    ("deepeyes", zoom_in(3900, 1900, 9999, 9999), Rect(3900, 1900, 4000, 2000)),
    ("deepeyes", zoom_in(10.5, 20.5, 110.5, 120.5), Rect(10, 20, 111, 121)),
    ("deepeyes", zoom_in(0, 0, 4000, 40), Rect(0, 0, 4000, 40)),  # a hundred to one is still allowed
    # ... or pixels of the view: the same words mean twice as much here; the rules are about what is cut out
    ("deepeyes-shown", zoom_in(100, 200, 300, 400), Rect(200, 400, 600, 800)),
    ("deepeyes-shown", zoom_in(0, 0, 2000, 1000), Rect(0, 0, 4000, 2000)),
    ("deepeyes-shown", zoom_in(1900, 900, 4000, 2000), Rect(3800, 1800, 4000, 2000)),
    ("deepeyes-shown", zoom_in(0, 0, 16, 16), Rect(0, 0, 32, 32)),
    # Pixel Reasoner: fractions, and a tenth of the picture around them
    ("pixel_reasoner", crop(0.4, 0.3, 0.5, 0.6), Rect(1200, 400, 2400, 1400)),
    ("pixel_reasoner", crop(0.5, 0.5, 0.5, 0.5), Rect(1600, 800, 2400, 1200)),
    ("pixel_reasoner", crop(0, 0, 0, 0), Rect(0, 0, 400, 200)),
    ("pixel_reasoner", crop(0.5, 0.5, 1.0, 1.0), Rect(1600, 800, 4000, 2000)),
    ("pixel_reasoner", crop(1, 1, 1, 1), Rect(3600, 1800, 4000, 2000)),
    ("pixel_reasoner", crop(0.4, 0.4, 0.6, 0.6, image=2), Rect(2600, 600, 3400, 1400)),
    (
        "pixel_reasoner",
        crop(1600, 900, 2000, 1100),
        Rect(1200, 700, 2400, 1300),
    ),  # pixels of the stored original
    (
        "pixel_reasoner",
        crop(200, 200, 300, 300, image=2),
        Rect(2600, 600, 3400, 1400),
    ),  # pixels of the observation shown
    # ... and as released: a box that reaches the border is taken for pixels, and lands in the corner at the
    # top left
    ("pixel_reasoner-quirk", crop(0.4, 0.3, 0.5, 0.6), Rect(1200, 400, 2400, 1400)),
    ("pixel_reasoner-quirk", crop(0.5, 0.5, 0.999, 0.999), Rect(1600, 800, 4000, 2000)),
    ("pixel_reasoner-quirk", crop(0.5, 0.5, 1.0, 1.0), Rect(0, 0, 401, 201)),
    ("pixel_reasoner-quirk", crop(0, 0, 1, 1), Rect(0, 0, 401, 201)),
    ("pixel_reasoner-quirk", crop(1600, 900, 2000, 1100), Rect(1200, 700, 2400, 1300)),
    # Qwen3-VL: thousandths; boxes under 32 pixels are widened around their middle, in their shape
    ("qwen3_vl", zoom_in(250, 100, 500, 200, label="a sign", img_idx=0), Rect(1000, 200, 2000, 400)),
    ("qwen3_vl", zoom_in(0, 0, 1000, 1000, label="all", img_idx=0), Rect(0, 0, 4000, 2000)),
    ("qwen3_vl", zoom_in(-5, 900, 20, 1200, label="", img_idx=0), Rect(0, 1800, 80, 2000)),
    ("qwen3_vl", zoom_in(500, 500, 1000, 1000, label="", img_idx=1), Rect(3000, 1000, 4000, 2000)),
    ("qwen3_vl", zoom_in(250, 100, 500, 200), Rect(1000, 200, 2000, 400)),  # what Qwen3.5 leaves out
    (
        "qwen3_vl",
        zoom_in(500, 500, 504, 504),
        Rect(1976, 988, 2040, 1020),
    ),  # 16 x 8 pixels around (2008, 1004)
    ("qwen3_vl", zoom_in(0, 0, 4, 4), Rect(0, 0, 16, 8)),  # ... but in the corner, where that would not fit
    # Qwen2.5-VL: pixels of the view
    ("qwen2_5_vl", zoom_in(100, 200, 300, 400, img_idx=0), Rect(200, 400, 600, 800)),
    ("qwen2_5_vl", zoom_in(0, 0, 2000, 1000), Rect(0, 0, 4000, 2000)),
    ("qwen2_5_vl", zoom_in(1999, 999, 2000, 1000), Rect(3998, 1998, 4000, 2000)),
    ("qwen2_5_vl", zoom_in(0, 0, 1, 1), Rect(0, 0, 2, 2)),
    ("qwen2_5_vl", zoom_in(250, 250, 500, 500, img_idx=1), Rect(3000, 1000, 4000, 2000)),
    ("qwen2_5_vl", zoom_in(250, 250, 9999, 9999, img_idx=1.0), Rect(3000, 1000, 4000, 2000)),
]


@pytest.mark.parametrize(("dialect", "text", "expected"), LOOKS)
def test_a_call_looks_at_what_its_own_system_would_cut_out(dialect, text, expected):
    assert rect(dialect, text) == expected


@pytest.mark.parametrize(("dialect", "text", "expected"), LOOKS)
def test_what_a_call_looks_at_can_be_said_again(dialect, text, expected):
    spoken = load_dialect(dialect)
    again = spoken.format_action(spoken.parse(text, FRAMES), FRAMES)
    assert all(abs(one - other) <= 1 for one, other in zip(rect(dialect, again), expected, strict=True))


FAULTS = [
    ("deepeyes", zoom_in(100, 100, 130, 200), Fault.TOO_SMALL),  # exactly 30 is not more than 30
    ("deepeyes", zoom_in(100, 100, 101, 101), Fault.TOO_SMALL),
    ("deepeyes", zoom_in(-100, 0, 30, 100), Fault.TOO_SMALL),  # after it was cut off
    ("deepeyes", zoom_in(0, 0, 4000, 39), Fault.TOO_THIN),
    ("deepeyes", zoom_in(300, 200, 100, 400), Fault.EMPTY_BOX),
    ("deepeyes", zoom_in(100, 200, 100, 400), Fault.EMPTY_BOX),
    ("deepeyes", zoom_in(4000, 0, 5000, 500), Fault.EMPTY_BOX),  # beside the picture
    ("deepeyes-shown", zoom_in(0, 0, 15, 15), Fault.TOO_SMALL),
    ("pixel_reasoner", crop(0.9, 0.1, 0.5, 0.5), Fault.EMPTY_BOX),
    ("pixel_reasoner", crop(0.1, 0.1, 0.2, 0.2, image=3), Fault.UNKNOWN_SOURCE),
    ("pixel_reasoner", crop(0.1, 0.1, 0.2, 0.2, image=0), Fault.UNKNOWN_SOURCE),
    ("qwen3_vl", zoom_in(500, 500, 500, 600), Fault.EMPTY_BOX),
    ("qwen3_vl", zoom_in(1000, 0, 1100, 100), Fault.EMPTY_BOX),
    ("qwen3_vl", zoom_in(0, 0, 500, 500, img_idx=2), Fault.UNKNOWN_SOURCE),
    ("qwen3_vl", zoom_in(0, 0, 500, 500, img_idx=-1), Fault.UNKNOWN_SOURCE),
    ("qwen3_vl", zoom_in(0, 0, 500, 500, img_idx=0.5), Fault.BAD_SOURCE),
    ("qwen3_vl", zoom_in(0, 0, 500, 500, img_idx="0"), Fault.BAD_SOURCE),
    ("qwen3_vl", zoom_in(0, 0, 500, 500, img_idx=True), Fault.BAD_SOURCE),
    ("qwen2_5_vl", zoom_in(0, 0, 5e-324, 1), Fault.EMPTY_BOX),
    ("qwen2_5_vl", zoom_in(10, 10, 5, 5), Fault.EMPTY_BOX),
    *((dialect, "<tool_call>{", Fault.UNFINISHED) for dialect in CALLERS),
    *((dialect, "<tool_call>{bbox}</tool_call>", Fault.BAD_JSON) for dialect in CALLERS),
    *((dialect, "<tool_call>" + "[" * 99999 + "</tool_call>", Fault.BAD_JSON) for dialect in CALLERS),
    *((dialect, "<tool_call>[]</tool_call>", Fault.BAD_FIELDS) for dialect in CALLERS),
    *((dialect, call("select_frames", target_frames=[1]), Fault.BAD_FIELDS) for dialect in CALLERS),
    *(
        (dialect, '<tool_call>{"name": "image_zoom_in_tool"}</tool_call>', Fault.BAD_FIELDS)
        for dialect in CALLERS
    ),
    *((name, zoom_in(0, 0, 1), Fault.BAD_BOX) for name in ("deepeyes", "qwen3_vl", "qwen2_5_vl")),
    *(
        (name, zoom_in(0, 0, 1, float("nan")), Fault.BAD_BOX)
        for name in ("deepeyes", "qwen3_vl", "qwen2_5_vl")
    ),
    *((name, zoom_in(0, 0, True, "1"), Fault.BAD_BOX) for name in ("deepeyes", "qwen3_vl", "qwen2_5_vl")),
    ("pixel_reasoner", crop(0, 0, 10**400, 1), Fault.BAD_BOX),
    ("deepeyes", "It is red.", Fault.NO_ACTION),
    ("deepeyes", "\\boxed{red}", Fault.NO_ACTION),
    ("deepeyes", "<answer> </answer>", Fault.EMPTY_ANSWER),
    ("deepeyes", "<answer>red", Fault.UNFINISHED),
    ("pixel_reasoner", "It is red.", Fault.NO_ACTION),
    ("pixel_reasoner", "<answer>red</answer>", Fault.NO_ACTION),
    ("pixel_reasoner", "\\boxed{red", Fault.NO_ACTION),
    ("pixel_reasoner", "\\boxed{}", Fault.EMPTY_ANSWER),
    *(
        (name, "", Fault.NO_ACTION)
        for name in ("deepeyes", "pixel_reasoner", "qwen3_vl", "qwen2_5_vl", "direct")
    ),
    *(
        (name, "<think>hm</think> ", Fault.NO_ACTION)
        for name in ("deepeyes", "pixel_reasoner", "qwen3_vl", "direct")
    ),
]


@pytest.mark.parametrize(("dialect", "text", "kind"), FAULTS, ids=lambda value: str(value)[:60])
def test_what_cannot_be_carried_out_has_a_name(dialect, text, kind):
    assert fault(dialect, text) is kind


def test_a_part_of_a_small_picture_may_be_too_small_for_pixel_reasoner():
    small = (Frame(Rect(0, 0, 140, 300), (448, 980)),)
    assert fault("pixel_reasoner", crop(0.5, 0.5, 0.5, 0.5), small) is Fault.TOO_SMALL  # 28 x 60 pixels
    assert rect("pixel_reasoner", crop(0.49, 0.5, 0.51, 0.5), small) == Rect(54, 120, 86, 180)
    assert fault("pixel_reasoner", crop(0, 0, 0, 0), small) is Fault.TOO_SMALL


ANSWERS = [
    ("deepeyes", "<think> a sign </think>\n<answer> red </answer>", Answer("red", "a sign")),
    ("deepeyes", "a sign <answer>red</answer> that is sure", Answer("red", "a sign")),
    ("deepeyes", "<think>not <answer>blue</answer></think><answer>red</answer>", Answer("red", "not  blue")),
    ("deepeyes", "<answer>\\boxed{red}</answer>", Answer("\\boxed{red}")),
    ("pixel_reasoner", "It is \\boxed{red}", Answer("red", "It is")),
    ("pixel_reasoner", "\\boxed{a} or rather \\boxed{b}.", Answer("b", "\\boxed{a} or rather")),
    ("pixel_reasoner", "\\boxed{\\text{red} {2}}", Answer("\\text{red} {2}")),
    ("pixel_reasoner", "\\boxed{\\{1\\}}", Answer("\\{1\\}")),
    ("pixel_reasoner", "} { $\\boxed{ B }$ }", Answer("B", "} { $")),
    ("pixel_reasoner", "\\\\boxed {B}", Answer("B")),
    *(
        (name, text, answer)
        for name in ("qwen3_vl", "qwen2_5_vl", "direct")
        for text, answer in [
            ("<answer>red</answer>", Answer("red")),
            ("<think>a</think>b<answer>red</answer> sure", Answer("red", "a\nb")),
            ("<answer>blue</answer> no, <answer>red</answer>", Answer("red", "blue  no,")),
            ("so it is \\boxed{B}.", Answer("B", "so it is")),
            ("<answer>\\boxed{B}</answer>", Answer("\\boxed{B}")),
            ("  The sign is red.\n", Answer("The sign is red.")),
            (
                "thought without an opening tag</think>\n\nred",
                Answer("red", "thought without an opening tag"),
            ),
            ("<think>only this", Answer("only this")),
            ("<answer>red", Answer("red")),
            ("\ud800", Answer("\ud800")),
        ]
    ),
    ("direct", zoom_in(0, 0, 500, 500), Answer(zoom_in(0, 0, 500, 500))),  # it has no such function
]


@pytest.mark.parametrize(("dialect", "text", "answer"), ANSWERS)
def test_an_answer_is_found_where_its_own_system_looks_for_it(dialect, text, answer):
    assert load_dialect(dialect).parse(text, FRAMES) == answer


@pytest.mark.parametrize("dialect", ["qwen3_vl", "qwen2_5_vl", "direct"])
def test_words_that_were_cut_off_are_no_answer_unless_it_was_marked(dialect):
    spoken = load_dialect(dialect)
    for text in ("I see a street with", "<think>I see", "so <answer>re", "\\boxed{re"):
        assert spoken.parse(text, FRAMES, finished=False).kind is Fault.UNFINISHED, text
    assert spoken.parse("<answer>red</answer> bec", FRAMES, finished=False) == Answer("red")
    assert spoken.parse("\\boxed{red} bec", FRAMES, finished=False) == Answer("red")


@pytest.mark.parametrize("dialect", CALLERS)
def test_the_first_action_of_a_turn_counts_and_what_comes_before_it_is_its_thought(dialect):
    look = crop if "pixel" in dialect else zoom_in
    first, second = look(0.4, 0.4, 0.6, 0.6), look(0.1, 0.1, 0.2, 0.2)
    if "pixel" not in dialect:
        first, second = look(400, 400, 600, 600), look(100, 100, 200, 200)
    spoken = load_dialect(dialect)
    alone = spoken.parse(first, FRAMES)
    for text in (
        f"<think>closer</think>{first}{second}",
        f"closer {first}<answer>red</answer>\\boxed{{red}}",
    ):
        assert spoken.parse(text, FRAMES) == Zoom(alone.region, "closer")
    inside = spoken.parse(f"<think>not {second} but</think>{first}", FRAMES)
    assert inside.region == alone.region


CANONICAL = [
    (
        "mini_o3",
        Zoom(Region(0.5, 0, 1, 1), "closer"),
        (
            '<think>closer</think><grounding>{"bbox_2d": [0.50, 0.00, 1.00, 1.00], "source":'
            ' "original_image"}</grounding>'
        ),
    ),
    (
        "deepeyes",
        Zoom(Region(0.5, 0, 1, 1), "closer"),
        "<think>closer</think>" + zoom_in(2000, 0, 4000, 2000, label="region"),
    ),
    (
        "deepeyes",
        Zoom(Region(0.5, 0.5, 1, 1, 1)),
        "<think></think>" + zoom_in(3000, 1000, 4000, 2000, label="region"),
    ),
    (
        "deepeyes-shown",
        Zoom(Region(0.5, 0, 1, 1)),
        "<think></think>" + zoom_in(1000, 0, 2000, 1000, label="region"),
    ),
    (
        "pixel_reasoner",
        Zoom(Region(0.5, 0, 1, 1, 1), "closer"),
        "closer\n" + crop(0.6, 0.1, 0.9, 0.9, image=2),
    ),
    (
        "qwen3_vl",
        Zoom(Region(0.5, 0, 1, 1, 1)),
        "<think></think>" + zoom_in(500, 0, 1000, 1000, label="region", img_idx=1),
    ),
    (
        "qwen2_5_vl",
        Zoom(Region(0.5, 0, 1, 1, 1)),
        "<think></think>" + zoom_in(250, 0, 500, 500, label="region", img_idx=1),
    ),
    ("deepeyes", Answer("red", "a sign"), "<think>a sign</think><answer>red</answer>"),
    ("pixel_reasoner", Answer("red", "a sign"), "a sign\n\\boxed{red}"),
    ("pixel_reasoner", Answer("red"), "\\boxed{red}"),
    ("qwen3_vl", Answer("red", "a sign"), "<think>a sign</think><answer>red</answer>"),
    ("direct", Answer("red", "a sign"), "<think>a sign</think><answer>red</answer>"),
]


@pytest.mark.parametrize(("dialect", "action", "text"), CANONICAL)
def test_the_canonical_text_of_each_dialect(dialect, action, text):
    assert load_dialect(dialect).format_action(action, FRAMES) == text


@pytest.mark.parametrize(
    ("dialect", "action", "why"),
    [
        ("direct", Zoom(Region(0, 0, 1, 1)), "direct has no zoom"),
        ("deepeyes", Zoom(Region(0.5, 0.5, 0.50025, 0.5005)), "more than 30 pixels"),  # one pixel
        ("deepeyes", Zoom(Region(0, 0, 1, 0.0195)), "differ more than 100 times"),
        ("qwen3_vl", Zoom(Region(0, 0, 1, 1, 2)), "there is no picture 2"),
        ("pixel_reasoner", Answer("a } b"), "as something else"),
        ("pixel_reasoner", Answer("red", "a <tool_call> b"), "cannot say"),
    ],
)
def test_what_a_dialect_has_no_words_for_is_refused(dialect, action, why):
    with pytest.raises(ValueError, match=why):
        load_dialect(dialect).format_action(action, FRAMES)


# Hypothesis: any picture, any view, any box
# -------------------------------------------------------------------------------

words = st.text().map(str.strip).filter(lambda text: not any(tag in text for tag in TAGS))
sides = st.integers(28, 9000)


@st.composite
def scenes(draw):
    """A picture, one observation of it, each shown at some size, and a whole-pixel box of one of them."""
    width, height = draw(sides), draw(sides)
    boxes = [Rect(0, 0, width, height)]
    for _ in range(2):
        left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        right, bottom = draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))
        boxes.append(Rect(left, top, right, bottom))
    shown = [(28 * draw(st.integers(1, 80)), 28 * draw(st.integers(1, 80))) for _ in range(2)]
    frames = tuple(Frame(rect, size) for rect, size in zip(boxes[:2], shown, strict=True))
    frame = draw(st.integers(0, 1))
    inside = boxes[frame]
    left, top = draw(st.integers(0, inside.width - 1)), draw(st.integers(0, inside.height - 1))
    right, bottom = draw(st.integers(left + 1, inside.width)), draw(st.integers(top + 1, inside.height))
    region = Region(
        left / inside.width, top / inside.height, right / inside.width, bottom / inside.height, frame
    )
    return frames, region


def around(wide, narrow):
    """Whether it takes in all of the other, to a pixel."""
    return (
        wide.left <= narrow.left + 1
        and wide.top <= narrow.top + 1
        and wide.right >= narrow.right - 1
        and wide.bottom >= narrow.bottom - 1
    )


def may_refuse(dialect, frames, action):
    """Whether its own rules have no place for the box, or its bare thoughts none for these words."""
    region = action.region
    width, height = frames[region.frame].size
    wide, high = (region.x1 - region.x0) * width, (region.y1 - region.y0) * height
    if dialect.startswith("deepeyes"):
        return min(wide, high) < 32 or max(wide, high) > 98 * min(wide, high)
    if region.frame == 1:
        width, height = frames[1].shown
    least = min(max(region.x1 - region.x0, 0.1) * width, max(region.y1 - region.y0, 0.1) * height)
    return dialect.startswith("pixel_reasoner") and (least < 30 or "<tool_call>" in action.thought)


WHOLE = (Frame(Rect(0, 0, 9000, 28), (28, 28)), Frame(Rect(8999, 27, 9000, 28), (2240, 28)))


@quiet
@given(scenes(), words)
@example((WHOLE, Region(0, 0, 1, 1)), "the whole picture")
@example((WHOLE, Region(8999 / 9000, 27 / 28, 1, 1)), "its last pixel")
@example((WHOLE, Region(0, 0, 1 / 9000, 1 / 28)), "its first pixel")
@example((WHOLE, Region(0, 0, 1, 1, 1)), "a view of one pixel")
@pytest.mark.parametrize("dialect", CALLERS)
def test_a_region_said_and_read_back_is_the_same_to_the_pixel(dialect, scene, thought):
    frames, region = scene
    action, spoken = Zoom(region, thought), load_dialect(dialect)
    try:
        text = spoken.format_action(action, frames)
    except ValueError:
        assert may_refuse(dialect, frames, action)
        return
    heard = spoken.parse(text, frames)
    assert heard.thought == thought
    wanted, seen = (
        region.to_rect(frames[region.frame].rect),
        heard.region.to_rect(frames[heard.region.frame].rect),
    )
    assert around(seen, wanted)
    width, height = frames[region.frame].size
    if dialect.startswith("pixel_reasoner"):
        across, down = -(-width // 5), -(-height // 5)
    elif dialect == "qwen3_vl":
        grown = max(32 / min(wanted.width, wanted.height), 1)
        across, down = grown * wanted.width, grown * wanted.height
    else:
        across, down = 0, 0
    assert seen.width <= max(wanted.width, across) + 2
    assert seen.height <= max(wanted.height, down) + 2


@quiet
@given(words.filter(bool), words)
@example("\\boxed{a}", "\\boxed{b")
@example("red", "<tool_call>{}</tool_call>")
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_answer_said_and_read_back_is_the_same(dialect, text, thought):
    spoken, answer = load_dialect(dialect), Answer(text, thought)
    try:
        said = spoken.format_action(answer, FRAMES)
    except ValueError:
        assert dialect.startswith("pixel_reasoner")  # braces that do not match, a call in the thought
        assume(False)
    assert spoken.parse(said, FRAMES) == answer


PARTS = [
    *TAGS,
    "<tool_call>",
    "</tool_call>",
    "\\boxed{",
    "{",
    "}",
    "\\",
    '"name": "image_zoom_in_tool"',
    '"arguments": {',
    '"bbox_2d": [',
    "0, 0, 500, 500",
    "1e999",
    "-1",
    "5e-324",
    "0.2, 0.2, 0.9, 1.0",
    "]",
    ",",
    '"img_idx": ',
    "1",
    "true",
    zoom_in(1, 2, 300, 400),
    zoom_in(0, 0, 1e-300, 1),
    crop(0, 0, 1, 1),
    crop(5, 5, 1, 1, image=2),
    "red",
    "\n",
    "\ud800",
]


@settings(max_examples=150)
@given(st.one_of(st.text(), st.lists(st.sampled_from(PARTS), max_size=20).map("".join)), st.booleans())
@pytest.mark.parametrize("dialect", DIALECTS)
def test_any_text_gives_an_action(dialect, text, finished):
    action = load_dialect(dialect).parse(text, FRAMES, finished=finished)
    if isinstance(action, Malformed):
        assert isinstance(action.kind, Fault)
        assert action.detail
        assert "\n" not in action.detail
    elif isinstance(action, Zoom):
        assert action.region.frame in (0, 1) or dialect == "mini_o3"
    else:
        assert isinstance(action, Answer)


@settings(max_examples=150)
@given(st.lists(st.floats(), min_size=4, max_size=4), st.floats())
@example([-1e308, -1e308, 1e308, 1e308], 0.0)
@example([0.0, 0.0, 5e-324, 5e-324], 1.0)
@pytest.mark.parametrize("dialect", CALLERS)
def test_any_numbers_give_an_action(dialect, box, index):
    look = call("crop_image_normalized", bbox_2d=box, target_image=index)
    if "pixel" not in dialect:
        look = zoom_in(*box, img_idx=index)
    assert isinstance(load_dialect(dialect).parse(look, FRAMES), Zoom | Malformed)


# Names, prompts
# -----------------------------------------------------------------------------------------------------------


def test_an_unknown_dialect_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(
        UserError,
        match="dialect klingon: there is no such dialect; choose one of mini_o3, released, deepeyes",
    ):
        load_dialect("klingon")


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_has_prompts_that_teach_it(name):
    dialect = load_dialect(name)
    profile = load_profile(dialect.profile)
    assert profile.dialect == ("mini_o3" if name == "released" else name.partition("-")[0])
    assert "<image>" in profile.question
    assert "{question}" in profile.question
    assert "{detail}" in profile.correction
    taught = profile.system + profile.question
    assert all(closing in taught for closing in dialect.ends)
    if name != "direct":
        assert "bbox_2d" in taught
    if name.startswith("pixel_reasoner"):
        assert "\\boxed{}" in taught


@pytest.mark.parametrize(
    ("profile", "name", "fields", "required"),
    [
        (
            "deepeyes",
            "image_zoom_in_tool",
            {"bbox_2d": "array", "label": "string"},
            ["bbox"],
        ),  # a slip of the original
        (
            "pixel_reasoner",
            "crop_image_normalized",
            {"bbox_2d": "array", "target_image": "number"},
            ["bbox_2d", "target_image"],
        ),
        (
            "qwen3_vl",
            "image_zoom_in_tool",
            {"bbox_2d": "array", "label": "string", "img_idx": "number"},
            ["bbox_2d", "label", "img_idx"],
        ),
    ],
)
def test_the_function_schema_is_the_one_that_the_weights_know(profile, name, fields, required):
    system = load_profile(profile).system
    schema = json.loads(system.split("<tools>\n")[1].split("\n</tools>")[0])
    assert schema["type"] == "function"
    assert schema["function"]["name"] == name
    parameters = schema["function"]["parameters"]
    assert {key: value["type"] for key, value in parameters["properties"].items()} == fields
    assert parameters["required"] == required
    assert '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>' in system


def test_a_folder_of_prompts_may_say_which_dialect_they_teach(tmp_path):
    for part in ("system", "question", "observation", "correction"):
        (tmp_path / f"{part}.txt").write_text("text")
    plain = load_profile(str(tmp_path))
    load_profile.cache_clear()
    (tmp_path / "dialect.txt").write_text("deepeyes\n")
    assert (plain.dialect, load_profile(str(tmp_path)).dialect) == ("mini_o3", "deepeyes")


BOXES = [name for name, dialect in DIALECTS.items() if dialect.names_boxes]


@pytest.mark.parametrize("name", BOXES)
def test_an_answer_may_name_where_it_is_seen(name):
    dialect = load_dialect(name)
    frames = [Frame(Rect(0, 0, 1000, 500), (500, 250)), Frame(Rect(200, 100, 600, 300), (400, 200))]
    inner = 1 if name in ("mini_o3", "qwen3_vl", "qwen2_5_vl", "pixel_reasoner") else 0
    for frame in {0, inner}:
        action = Answer("a red {star}", "there", Region(0.25, 0.5, 0.5, 0.75, frame))
        read = dialect.parse(dialect.format_action(action, frames), frames)
        assert (read.text, read.region.frame) == ("a red {star}", frame)
        assert read.region.xyxy == pytest.approx(action.region.xyxy, abs=1e-5)
    text = dialect.format_action(Answer("red"), frames)
    assert "bbox_2d" not in text
    for box in ('{"bbox_2d": [3]}', '{"bbox_2d": [0.5, 0.5, 0.1, 0.1]}', '{"bbox_2d": "x"}'):
        read = dialect.parse(text.replace("red", f"red {box}"), frames)
        assert (read.text, read.region) == ("red", None)  # a box that cannot be used costs the answer nothing


def test_a_box_of_an_answer_needs_words_before_it_and_a_picture_that_was_shown():
    text = '<answer>red {"bbox_2d": [0.1, 0.2, 0.3, 0.4], "source": "observation_1"}</answer>'
    read = load_dialect("mini_o3").parse(text, FRAMES)
    assert (read.text, read.region) == ("red", Region(0.1, 0.2, 0.3, 0.4, 1))
    assert load_dialect("mini_o3").parse(text, FRAMES[:1]) == Answer("red")
    alone = load_dialect("mini_o3").parse(text.replace("red ", ""), FRAMES)
    assert alone.region is None
    assert alone.text.startswith('{"bbox_2d"')
    assert load_dialect("released").parse(text, FRAMES).text.startswith("red {")


@given(
    st.text(max_size=30),
    st.lists(st.floats(0, 1), min_size=2, max_size=2, unique=True).map(sorted),
    st.lists(st.floats(0, 1), min_size=2, max_size=2, unique=True).map(sorted),
    st.integers(0, 9),
)
def test_any_words_with_any_box_are_read_back(words, xs, ys, frame):
    words = " ".join(words.replace("<", "").split())
    if not words:
        return
    action = Answer(words, "", Region(xs[0], ys[0], xs[1], ys[1], frame))
    assert parse(format_action(action)) == action
