"""Function calls as models and servers write them, and reading that stays linear."""

import json
import time

import pytest

from mini_o3.protocol.actions import Answer, Fault, Malformed, Zoom
from mini_o3.protocol.dialects import Frame, load_dialect
from mini_o3.protocol.dialects.reading import boxed
from mini_o3.vision import Rect, Region

FRAMES = (Frame(Rect(0, 0, 4000, 2000), (2000, 1000)),)
BOX = '{"bbox_2d": [0, 0, 400, 400]}'
CALL = f'{{"name": "image_zoom_in_tool", "arguments": {BOX}}}'
CALLS = {
    "arguments as a JSON string": json.dumps({"name": "image_zoom_in_tool", "arguments": BOX}),
    "parameters": f'{{"name": "image_zoom_in_tool", "parameters": {BOX}}}',
    "a code block": f'```json\n{{"name": "image_zoom_in_tool", "arguments": {BOX}}}\n```',
    "a list with one call": f'[{{"name": "image_zoom_in_tool", "arguments": {BOX}}}]',
    "as in tool_calls": f'{{"type": "function", "function": {CALL}}}',
    "Qwen3-Coder": "<function=image_zoom_in_tool>\n<parameter=bbox_2d>\n[0, 0, 400, 400]\n</parameter>\n"
    "<parameter=label>\na sign\n</parameter>\n</function>",
}


@pytest.mark.parametrize("dialect", ["deepeyes", "qwen3_vl", "qwen2_5_vl"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_call_is_read_however_it_is_written(dialect, call):
    spoken = load_dialect(dialect)
    zoom = spoken.parse(f"<think>there</think><tool_call>\n{call}\n</tool_call>", FRAMES)
    plain = f'<think>there</think><tool_call>{{"name": "image_zoom_in_tool", "arguments": {BOX}}}</tool_call>'
    assert isinstance(zoom, Zoom), zoom
    assert zoom == spoken.parse(plain, FRAMES)


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("<function=other><parameter=bbox_2d>[0, 0, 1, 1]</parameter></function>", Fault.BAD_FIELDS),
        ("<function=image_zoom_in_tool></function>", Fault.BAD_BOX),
        ("<function=image_zoom_in_tool><parameter=bbox_2d>", Fault.BAD_BOX),
        ('{"name": "image_zoom_in_tool", "arguments": "[1]"}', Fault.BAD_FIELDS),
        ('{"name": "image_zoom_in_tool", "arguments": "{"}', Fault.BAD_JSON),
        ("[]", Fault.BAD_FIELDS),
        ("[" * 100_000, Fault.BAD_JSON),
        ("```json", Fault.BAD_JSON),
    ],
)
def test_what_is_no_call_says_why(call, fault):
    action = load_dialect("qwen3_vl").parse(f"<tool_call>{call}</tool_call>", FRAMES)
    assert isinstance(action, Malformed)
    assert action.kind is fault


def test_the_parts_of_a_thousand_are_the_region():
    call = f'<tool_call>{{"name": "image_zoom_in_tool", "arguments": {BOX}}}</tool_call>'
    zoom = load_dialect("qwen3_vl").parse(call, FRAMES)
    assert zoom == Zoom(Region(0, 0, 0.4, 0.4))
    assert load_dialect("qwen3_vl").parse("<answer>red</answer>", FRAMES) == Answer("red")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\\boxed{a}", (0, "a")),
        ("\\\\boxed{a}", (0, "a")),
        ("\\boxed {\\{1\\}}", (0, "\\{1\\}")),
        ("\\boxed{a\\\\}", (0, "a\\\\")),  # two backslashes escape each other, not the brace
        ("\\boxed{a\\}", None),
        ("\\boxed{a", None),
    ],
)
def test_boxes_and_backslashes(text, found):
    assert boxed(text) == found


@pytest.mark.parametrize(
    "text", ["\\" * 1_000_000, "\\boxed{" * 140_000, "\\boxed" + " " * 1_000_000, "{" * 1_000_000]
)
def test_a_megabyte_is_read_in_linear_time(text):
    began = time.process_time()
    boxed(text)
    for dialect in ("pixel_reasoner", "qwen3_vl", "deepeyes", "mini_o3"):
        load_dialect(dialect).parse(text, FRAMES)
    assert time.process_time() - began < 10  # quadratic time would be hours
