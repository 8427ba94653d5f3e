"""The Mini-o3 dialect: what is written is read back, and any other text is a fault with a name."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mini_o3.protocol import Answer, Fault, Malformed, Zoom, format_action, parse
from mini_o3.vision import Region

TAGS = ("<think>", "</think>", "<grounding>", "</grounding>", "<answer>", "</answer>")
quiet = settings(max_examples=120)

texts = st.text().map(str.strip).filter(lambda text: not any(tag in text for tag in TAGS))
pairs = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).filter(lambda pair: pair[0] < pair[1])
regions = st.builds(
    lambda x, y, frame: Region(x[0], y[0], x[1], y[1], frame), pairs, pairs, st.integers(0, 9999)
)
actions = st.one_of(st.builds(Zoom, regions, texts), st.builds(Answer, texts.filter(bool), texts))


@quiet
@given(actions)
@example(Zoom(Region(0.0, 0.0, 5e-324, 1.0, 9999), "a < b > c </thin"))
@example(Zoom(Region(-0.0, 0.1 + 0.2, 1.0, 0.9999999999999999)))
@example(Answer("</answer", "<answer"))
@example(Answer('{"bbox_2d": [0, 0, 1, 1], "source": "original_image"}', "<image> {question}\n\ttwo lines"))
@example(Answer("\ud800\x00", "\ud800\x00"))
def test_what_is_written_is_read_back(action):
    assert parse(format_action(action)) == action


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (
            Zoom(Region(0.25, 0.1, 1, 0.333), "The sign is there."),
            (
                '<think>The sign is there.</think><grounding>{"bbox_2d": [0.25, 0.10, 1.00, 0.333], "source":'
                ' "original_image"}</grounding>'
            ),
        ),
        (
            Zoom(Region(0, 0, 0.5, 0.5, 12)),
            (
                '<think></think><grounding>{"bbox_2d": [0.00, 0.00, 0.50, 0.50], "source":'
                ' "observation_12"}</grounding>'
            ),
        ),
        (Answer("red", "It is red."), "<think>It is red.</think><answer>red</answer>"),
    ],
)
def test_the_canonical_text(action, text):
    assert format_action(action) == text
    assert parse(text) == action


def box(numbers="0.1, 0.2, 0.3, 0.4", source='"original_image"'):
    return f'{{"bbox_2d": [{numbers}], "source": {source}}}'


def grounding(content=None):
    return f"<think>look</think><grounding>{box() if content is None else content}</grounding>"


LOOK, RED = Zoom(Region(0.1, 0.2, 0.3, 0.4), "look"), Answer("red", "seen")


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (f"look <grounding>{box()}</grounding>", LOOK),  # a thought without tags
        ("seen\n<answer>red</answer>", RED),
        ("<answer>red</answer>", Answer("red")),
        (f"<grounding>{box()}</grounding>", Zoom(Region(0.1, 0.2, 0.3, 0.4))),
        ("\n <think> seen </think>\n\n<answer>\n red </answer> \n", RED),
        (f"<think>look</think><grounding>\n  {box()}\n</grounding>\n", LOOK),
        (grounding('{"source": "original_image", "bbox_2d": [1e-1, 0.2, 3E-1, 0.4]}'), LOOK),
        (grounding(box("0, 0, 1, 1")), Zoom(Region(0, 0, 1, 1), "look")),
        (grounding(box(source='"observation_1"')), Zoom(Region(0.1, 0.2, 0.3, 0.4, 1), "look")),
        (grounding(box(source='"observation_9999"')), Zoom(Region(0.1, 0.2, 0.3, 0.4, 9999), "look")),
        ("<answer>a < b, 1 > 0 and {x}</answer>", Answer("a < b, 1 > 0 and {x}")),
        ("<answer>" + box() + "</answer>", Answer(box())),
        ("<answer>two\nlines</answer>", Answer("two\nlines")),
    ],
)
def test_other_ways_to_write_an_action(text, action):
    assert parse(text) == action


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault.NO_ACTION, ""),
        (Fault.NO_ACTION, " \n\t"),
        (Fault.NO_ACTION, "It is red."),
        (Fault.NO_ACTION, "<think>It is red.</think>"),
        (Fault.NO_ACTION, "<think>I say <answer>red</answer> now</think>"),
        (Fault.NO_ACTION, box()),
        (Fault.NO_ACTION, "</answer>red</answer>"),
        (Fault.NO_ACTION, "<ANSWER>red</ANSWER>"),
        (Fault.NO_ACTION, "<tool_call>{}</tool_call>"),
        (Fault.NO_ACTION, "\x00\ud800"),
        (Fault.UNFINISHED, "<think>a long thought that never"),
        (Fault.UNFINISHED, "<think>never closed <answer>red</answer>"),
        (Fault.UNFINISHED, "<answer>red"),
        (Fault.UNFINISHED, "<think>seen</think><answer>"),
        (Fault.UNFINISHED, "seen <answer>red</answe"),
        (Fault.UNFINISHED, "<think>look</think><grounding>" + box()),
        (Fault.UNFINISHED, '<grounding>{"bbox_2d": [0.1, 0.2'),
        (Fault.UNFINISHED, "<grounding>" + box() + "</answer>"),
        (Fault.SEVERAL_ACTIONS, grounding() + f"<grounding>{box()}</grounding>"),
        (Fault.SEVERAL_ACTIONS, grounding() + "<answer>red</answer>"),
        (Fault.SEVERAL_ACTIONS, "<answer>red</answer>" + grounding()),
        (Fault.SEVERAL_ACTIONS, "<answer>red</answer> or <answer>blue</answer>"),
        (Fault.SEVERAL_ACTIONS, "<answer>red</answer> or <answer>blue"),
        (Fault.SEVERAL_ACTIONS, "<answer>red<grounding>" + box() + "</grounding></answer>"),
        (Fault.TRAILING_TEXT, "<answer>red</answer> I am sure"),
        (Fault.TRAILING_TEXT, grounding() + "."),
        (Fault.TRAILING_TEXT, "<answer>red</answer></answer>"),
        (Fault.TRAILING_TEXT, "<answer>red</answer><think>sure</think>"),
        (Fault.BAD_THOUGHT, "<think>a</think> so <answer>red</answer>"),
        (Fault.BAD_THOUGHT, "<think>a</think><think>b</think><answer>red</answer>"),
        (Fault.BAD_THOUGHT, "<think>a<think>b</think><answer>red</answer>"),
        (Fault.BAD_THOUGHT, "<think>I say <answer></think><answer>red</answer>"),
        (Fault.BAD_THOUGHT, "well <think>a</think><answer>red</answer>"),
        (Fault.BAD_THOUGHT, "a</think><answer>red</answer>"),
        (Fault.BAD_THOUGHT, "</grounding><answer>red</answer>"),
        (Fault.EMPTY_ANSWER, "<answer></answer>"),
        (Fault.EMPTY_ANSWER, "<think>a</think><answer> \n </answer>"),
        (Fault.BAD_JSON, grounding("")),
        (Fault.BAD_JSON, grounding("original_image")),
        (Fault.BAD_JSON, grounding(box()[:-1])),
        (Fault.BAD_JSON, grounding(box() + box())),
        (Fault.BAD_JSON, grounding(box().replace('"', "'"))),
        (Fault.BAD_JSON, grounding(box("0.1, 0.2, 0.3, 0.4,"))),
        (Fault.BAD_JSON, grounding(box("NaN, 0.2, 0.3, 0.4"))),
        (Fault.BAD_JSON, grounding(box("0.1, 0.2, Infinity, 0.4"))),
        (Fault.BAD_JSON, grounding(box("-Infinity, 0.2, 0.3, 0.4"))),
        (Fault.BAD_JSON, grounding(box("__import__('os').abort(), 0.2, 0.3, 0.4"))),
        (Fault.BAD_JSON, grounding(box("1/10, 0.2, 0.3, 0.4"))),
        (Fault.BAD_JSON, grounding(box("0.1 0.2 0.3 0.4"))),
        (Fault.BAD_JSON, grounding(box(".1, 0.2, 0.3, 0.4"))),
        (Fault.BAD_JSON, grounding(box("0.1, 0.2, 0.3, 0.4", "original_image"))),
        (Fault.BAD_JSON, grounding("__import__('os').abort()")),
        (
            Fault.BAD_JSON,
            grounding(
                '{"bbox_2d": [0, 0, 1, 1], "bbox_2d": [0.1, 0.2, 0.3, 0.4], "source": "original_image"}'
            ),
        ),
        (
            Fault.BAD_JSON,
            grounding('{"bbox_2d": [0, 0, 1, 1], "source": "original_image", "source": "original_image"}'),
        ),
        (Fault.BAD_JSON, grounding("[" * 100_000)),
        (Fault.BAD_JSON, grounding("[" * 100_000 + "]" * 100_000)),
        (Fault.BAD_JSON, grounding('{"bbox_2d":' * 100_000)),
        (Fault.BAD_JSON, grounding(box("1" * 5000 + ", 0.2, 0.3, 0.4"))),
        (Fault.BAD_FIELDS, grounding("{}")),
        (Fault.BAD_FIELDS, grounding("[0.1, 0.2, 0.3, 0.4]")),
        (Fault.BAD_FIELDS, grounding("null")),
        (Fault.BAD_FIELDS, grounding('"original_image"')),
        (Fault.BAD_FIELDS, grounding('{"bbox_2d": [0.1, 0.2, 0.3, 0.4]}')),
        (Fault.BAD_FIELDS, grounding('{"source": "original_image"}')),
        (
            Fault.BAD_FIELDS,
            grounding('{"bbox_2d": [0.1, 0.2, 0.3, 0.4], "source": "original_image", "label": "sign"}'),
        ),
        (Fault.BAD_FIELDS, grounding('{"bbox": [0.1, 0.2, 0.3, 0.4], "source": "original_image"}')),
        (Fault.BAD_FIELDS, grounding(f"[{box()}]")),
        (Fault.BAD_BOX, grounding(box(""))),
        (Fault.BAD_BOX, grounding(box("0.1, 0.2, 0.3"))),
        (Fault.BAD_BOX, grounding(box("0.1, 0.2, 0.3, 0.4, 0.5"))),
        (Fault.BAD_BOX, grounding(box("[0.1, 0.2], [0.3, 0.4]"))),
        (Fault.BAD_BOX, grounding(box("[0.1], 0.2, 0.3, 0.4"))),
        (Fault.BAD_BOX, grounding(box('"0.1", "0.2", "0.3", "0.4"'))),
        (Fault.BAD_BOX, grounding(box("0.1, 0.2, null, 0.4"))),
        (Fault.BAD_BOX, grounding(box("false, false, true, true"))),
        (Fault.BAD_BOX, grounding(box("0, 0, 1, true"))),
        (Fault.BAD_BOX, grounding(box("0.1, 0.2, 1e999, 0.4"))),
        (Fault.BAD_BOX, grounding(box("-1e999, 0.2, 0.3, 0.4"))),
        (Fault.BAD_BOX, grounding(box("0.1, 0.2, 0.3, 1" + "0" * 400))),
        (Fault.BAD_BOX, grounding('{"bbox_2d": "0.1, 0.2, 0.3, 0.4", "source": "original_image"}')),
        (Fault.BAD_BOX, grounding('{"bbox_2d": {"x0": 0}, "source": "original_image"}')),
        (Fault.OUTSIDE, grounding(box("100, 200, 300, 400"))),
        (Fault.OUTSIDE, grounding(box("-0.1, 0.2, 0.3, 0.4"))),
        (Fault.OUTSIDE, grounding(box("0.1, 0.2, 0.3, 1.0001"))),
        (Fault.OUTSIDE, grounding(box("-1e-9, 0, 1, 1"))),
        (Fault.OUTSIDE, grounding(box("0.1, 0.2, 1e308, 0.4"))),
        (Fault.OUTSIDE, grounding(box("0, 0, 1, 1" + "0" * 300))),
        (Fault.EMPTY_BOX, grounding(box("0.3, 0.2, 0.1, 0.4"))),
        (Fault.EMPTY_BOX, grounding(box("0.1, 0.4, 0.3, 0.2"))),
        (Fault.EMPTY_BOX, grounding(box("0.1, 0.2, 0.1, 0.4"))),
        (Fault.EMPTY_BOX, grounding(box("0.1, 0.2, 0.3, 0.2"))),
        (Fault.EMPTY_BOX, grounding(box("0, 0, 0, 0"))),
        (Fault.EMPTY_BOX, grounding(box("0.1, 0.2, 0.10000000000000000001, 0.4"))),
        (Fault.BAD_SOURCE, grounding(box(source='"observation_0"'))),
        (Fault.BAD_SOURCE, grounding(box(source='"observation_01"'))),
        (Fault.BAD_SOURCE, grounding(box(source='"observation_2abc"'))),
        (Fault.BAD_SOURCE, grounding(box(source='"observation_-1"'))),
        (Fault.BAD_SOURCE, grounding(box(source='"observation_1.0"'))),
        (Fault.BAD_SOURCE, grounding(box(source='"observation_10000"'))),
        (Fault.BAD_SOURCE, grounding(box(source='"observation_"'))),
        (Fault.BAD_SOURCE, grounding(box(source='"observation_１"'))),
        (Fault.BAD_SOURCE, grounding(box(source='"observation_1\\n"'))),
        (Fault.BAD_SOURCE, grounding(box(source='" original_image"'))),
        (Fault.BAD_SOURCE, grounding(box(source='"Original_Image"'))),
        (Fault.BAD_SOURCE, grounding(box(source='"original_image_1"'))),
        (Fault.BAD_SOURCE, grounding(box(source='""'))),
        (Fault.BAD_SOURCE, grounding(box(source="1"))),
        (Fault.BAD_SOURCE, grounding(box(source="null"))),
        (Fault.BAD_SOURCE, grounding(box(source='["original_image"]'))),
    ],
    ids=lambda value: value[:40].encode("unicode_escape").decode() if isinstance(value, str) else None,
)
def test_every_fault_has_its_name(fault, text):
    action = parse(text)
    assert isinstance(action, Malformed)
    assert action.kind is fault
    assert action.detail
    assert "\n" not in action.detail


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_inside_an_answer_is_refused(tag):
    assert isinstance(parse(f"<think>a</think><answer>red {tag} blue</answer>"), Malformed)


PARTS = [
    *TAGS,
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    " ",
    "\n",
    '"',
    "'",
    "0",
    "0.1",
    "0.5",
    "1",
    "-1",
    "1e999",
    "NaN",
    "true",
    "null",
    '"bbox_2d"',
    '"source"',
    '"original_image"',
    '"observation_1"',
    "observation_2",
    '{"bbox_2d": [',
    "0.1, 0.2, 0.3, 0.4",
    '], "source": ',
    "red",
    "<",
    "</",
    ">",
    "think",
    box(),
    box("0, 0, 1, 1", '"observation_3"'),
    "\ud800",
    "\u2028",
]


def check_total(text):
    action = parse(text)
    if isinstance(action, Malformed):
        assert isinstance(action.kind, Fault)
        assert action.detail
    else:
        assert isinstance(action, Zoom | Answer)
        assert parse(format_action(action)) == action


@quiet
@given(st.text())
def test_any_text_is_read(text):
    check_total(text)


@settings(quiet, max_examples=400)
@given(st.lists(st.sampled_from(PARTS), max_size=25).map("".join))
def test_any_splice_of_the_protocol_is_read(text):
    check_total(text)


@quiet
@given(actions.map(format_action), st.data())
def test_an_action_with_one_change_is_read(text, data):
    at = data.draw(st.integers(0, len(text)))
    until = data.draw(st.integers(at, min(at + 5, len(text))))
    check_total(text[:at] + data.draw(st.sampled_from(["", *PARTS])) + text[until:])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Answer(""), "the answer is empty"),
        (lambda: Answer(" red"), "the answer begins or ends with white space"),
        (lambda: Answer("a </answer> b"), "the answer contains a protocol tag"),
        (lambda: Answer("red", "a\n"), "the thought begins or ends with white space"),
        (lambda: Zoom(Region(0, 0, 1, 1), "a <think> b"), "the thought contains a protocol tag"),
    ],
)
def test_an_action_that_cannot_be_written_cannot_be_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()
