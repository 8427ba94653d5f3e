"""The mode `released` against an oracle of its own: the rules as the release runs them, in Pillow."""

from __future__ import annotations

import asyncio
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mini_o3.episode import Episode, Limits, SearchTask, StopReason, run_episode
from mini_o3.episode.policy import Reply
from mini_o3.evaluate.protocol import read_protocol
from mini_o3.protocol import Answer, Fault, Malformed, PromptProfile, Zoom
from mini_o3.protocol.dialects import Frame, load_dialect
from mini_o3.vision import PixelBudget, Rect, Region, show

RELEASED = load_dialect("released")
BUDGET = RELEASED.budget
NEAREST, LANCZOS, BICUBIC = Image.Resampling.NEAREST, Image.Resampling.LANCZOS, Image.Resampling.BICUBIC


def check(holds, words):
    if not holds:
        raise ValueError(words)


def oracle_box(text, sizes):
    """(source, pixel box within it) of a turn, or the words of the error."""
    expression = '.*<grounding>{"bbox_2d": (.*),.*"source": [\',"](.*)[\',"]}</grounding>'
    try:
        match = re.match(expression, text, re.DOTALL)
        box, source = match.group(1), match.group(2)
        box = json.loads(box)
        check(
            isinstance(box, list) and len(box) == 4, "bbox_2d must be a list of four numbers [x0, y0, x1, y1]"
        )
        if source == "original_image":
            index = 0
        else:
            try:
                index = int(re.match("observation_([0-9]*)", source).group(1))
            except Exception:
                raise ValueError(
                    f"The 'source' argument \"{source}\" does not match the pattern 'observation_([0-9]*)'."
                ) from None
        check(index < len(sizes), f'Error in predicting the source observation: "{source}".')
        width, height = sizes[index]
        box = [int(box[0] * width), int(box[1] * height), int(box[2] * width), int(box[3] * height)]
        box = [max(box[0], 0), max(box[1], 0), min(box[2], width - 1), min(box[3], height - 1)]
        check(box[0] <= box[2] - 1, f"The bounding box is not valid in width: {box}")
        check(box[1] <= box[3] - 1, f"The bounding box is not valid in height: {box}")
        wide, high = box[2] - box[0], box[3] - box[1]
        if wide / high >= 200 or high / wide >= 200:
            raise ValueError("The absolute aspect ratio of the bounding box exceeds 200, which is too large.")
        return index, box
    except Exception as error:
        return str(error)


def oracle_view(image, resampling):
    """Between the limits in two steps, then to multiples of 28."""
    if image.width * image.height > 2_000_000:
        factor = math.sqrt(2_000_000 / (image.width * image.height))
        image = image.resize((int(image.width * factor), int(image.height * factor)), resampling)
    if image.width * image.height < 40_000:
        factor = math.sqrt(40_000 / (image.width * image.height))
        image = image.resize((int(image.width * factor), int(image.height * factor)), resampling)
    if min(image.size) < 28:
        factor = 28 / min(image.size)
        image = image.resize((int(image.width * factor + 1), int(image.height * factor + 1)), resampling)
    if image.width / image.height >= 200:
        image = image.resize((image.width, int(image.width / 190 + 1)), resampling)
    if image.height / image.width >= 200:
        image = image.resize((int(image.height / 190 + 1), image.height), resampling)
    sides = [max(28, round(side / 28) * 28) for side in image.size]
    if sides[0] * sides[1] < 3136:
        beta = math.sqrt(3136 / (image.width * image.height))
        sides = [math.ceil(side * beta / 28) * 28 for side in image.size]
    return image.resize(tuple(sides), BICUBIC)


def number(rng):
    """A coordinate as models write them: mostly inside, sometimes far outside, on the border, or long."""
    kind = rng.integers(8)
    if kind == 0:
        return float(rng.uniform(-0.5, 1.6))
    if kind == 1:
        return int(rng.integers(-3, 4000))
    if kind == 2:
        return float(rng.choice([0, 1, 0.5, 1e-9, 0.999999, 1 - 1e-12, 0.3]))
    return round(float(rng.uniform()), int(rng.integers(1, 17)))


def some_box(rng):
    if rng.random() < 0.75:
        x, y = rng.uniform(0, 1, 2)  # a small one
        wide, high = 10 ** rng.uniform(-4, -1, 2)
        return [round(float(v), 5) for v in (x, y, x + wide, y + high)]
    return [number(rng) for _ in range(4)]


def test_three_thousand_crops_are_those_of_the_release():
    rng = np.random.default_rng(7)
    seen = {"crop": 0, "refused": 0}
    for _ in range(60):
        size = tuple(int(side) for side in rng.integers(60, 900, 2))
        picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
        frames, stored = [Frame(Rect(0, 0, *size), (0, 0))], [picture]
        for _ in range(50):
            source = rng.choice(
                [*["original_image"] * 4, "observation_1", "observation_2abc", "observation_0", "x"]
            )
            text = (
                f'<think>a</think><grounding>{{"bbox_2d": {some_box(rng)}, "source": "{source}"}}</grounding>'
            )
            wanted = oracle_box(text, [one.size for one in stored])
            action = RELEASED.parse(text, frames)
            if isinstance(wanted, str):
                assert isinstance(action, Malformed)
                assert action.detail == wanted
                seen["refused"] += 1
                continue
            index, box = wanted
            assert isinstance(action, Zoom)
            rect, (left, top) = action.region.to_rect(frames[index].rect), frames[index].rect[:2]
            assert rect == (left + box[0], top + box[1], left + box[2], top + box[3])
            crop = stored[index].crop(box)
            view = show(picture, rect, BUDGET)
            assert view.size == BUDGET.fit(*crop.size)
            assert np.array_equal(np.asarray(view), np.asarray(oracle_view(crop, NEAREST)))
            frames.append(Frame(rect, view.size))
            stored.append(crop)
            seen["crop"] += 1
    assert sum(seen.values()) == 3000
    assert min(seen.values()) > 700  # both outcomes were tried often


@pytest.mark.parametrize("size", [(4000, 3000), (1000, 800), (150, 90), (40, 2000), (3000, 16)])
def test_the_first_view_is_resized_by_another_filter(size):
    rng = np.random.default_rng(1)
    picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    view = show(picture, Rect(0, 0, *size), BUDGET)
    assert np.array_equal(np.asarray(view), np.asarray(oracle_view(picture, LANCZOS)))


def test_the_sizes_of_the_fact_sheet():
    assert BUDGET.fit(4000, 3000) == (1624, 1232)  # 1632 x 1224 before the processor, 2,552 tokens
    assert BUDGET.tokens(*BUDGET.fit(4000, 3000)) == 2552
    assert BUDGET.tokens(*BUDGET.fit(2400, 1500)) == 2560
    assert BUDGET.tokens(*BUDGET.fit(120, 60)) == 50
    assert BUDGET.tokens(*BUDGET.fit(20, 20)) == 49
    at = [BUDGET.limited(most) for most in (500_000, 1_000_000, 2_000_000, 12_000_000)]
    assert [one.tokens(*one.fit(8000, 6000)) for one in at] == [638, 1271, 2552, 15301]


WHOLE = [Frame(Rect(0, 0, 1000, 500), (980, 504))]
CALL = '<grounding>{"bbox_2d": [0.1, 0.2, 0.3, 0.4], "source": "original_image"}</grounding>'
OTHER = '<grounding>{"bbox_2d": [0.5, 0.5, 0.6, 0.6], "source": "original_image"}</grounding>'


@pytest.mark.parametrize(
    ("text", "box"),
    [
        (CALL + OTHER, (500, 250, 600, 300)),  # the last one counts
        (f"<answer>no</answer>{CALL} and so on", (100, 100, 300, 200)),  # before an answer
        (CALL.replace(" [", " [ ").replace('"original_image"', "'original_image'"), (100, 100, 300, 200)),
        (CALL.replace(', "source', ', it is there; "source'), (100, 100, 300, 200)),
        (CALL + '<grounding>{"bbox_2d": [0.5]}</grounding>', (100, 100, 300, 200)),
        (CALL.replace("0.3", "7"), (100, 100, 999, 200)),  # clipped, and never the last column
    ],
)
def test_what_the_release_lets_pass(text, box):
    action = RELEASED.parse(text, WHOLE)
    assert isinstance(action, Zoom)
    assert action.region.to_rect(WHOLE[0].rect) == box
    assert list(box) == oracle_box(text, [(1000, 500)])[1]


@pytest.mark.parametrize(
    ("text", "kind", "detail"),
    [
        (CALL.replace('{"bbox', '{ "bbox'), Fault.BAD_JSON, "'NoneType' object has no attribute 'group'"),
        (CALL.replace("[0.1", "[0.5"), Fault.EMPTY_BOX, "not valid in width: [500, 100, 300, 200]"),
        (CALL.replace("0.4", "0.202"), Fault.TOO_THIN, "exceeds 200, which is too large."),
        (CALL.replace("0.1", "__import__('os')"), Fault.BAD_BOX, "malformed node"),
        (CALL.replace("0.1", "1e999"), Fault.BAD_BOX, "cannot convert float infinity to integer"),
        (CALL.replace(', "source', ', "why": 3, "source'), Fault.BAD_BOX, "invalid syntax"),
        (CALL.replace("original_image", "observation_"), Fault.BAD_SOURCE, "does not match the pattern"),
        ("I see <grounding>", Fault.NO_ACTION, "There is no <grounding>"),
        ("<answer>red</answer> I think", Fault.NO_ACTION, "does not end with an <answer>"),
    ],
)
def test_what_it_refuses_and_in_which_words(text, kind, detail):
    frames = [Frame(Rect(0, 0, 1000, 500), (980, 504))]
    action = RELEASED.parse(text.replace("0.3, 0.202", "0.9, 0.202"), frames)
    assert isinstance(action, Malformed)
    assert action.kind is kind
    assert detail in action.detail


def test_answers_need_no_thought_and_the_first_one_of_a_turn_counts():
    assert RELEASED.parse("well <answer> red </answer>\n", WHOLE) == Answer("red", "well")
    assert RELEASED.parse("<answer>a</answer> or <answer>b</answer>", WHOLE).text == "a"
    cut = RELEASED.parse("<answer>a</answer>", WHOLE, finished=False)
    assert cut.kind is Fault.UNFINISHED


@given(st.text(max_size=80), st.lists(st.sampled_from([CALL, OTHER, "<grounding>", '"}</grounding>', ","])))
def test_any_text_is_read_as_the_expression_reads_it(words, parts):
    text = words.join(parts)
    if not re.search("<grounding>(.*?)</grounding>", text, re.DOTALL):
        return
    wanted, action = oracle_box(text, [(1000, 500)]), RELEASED.parse(text, WHOLE)
    if isinstance(wanted, str):
        assert isinstance(action, Malformed)
    else:
        assert list(action.region.to_rect(WHOLE[0].rect)) == wanted[1]


@given(st.tuples(*[st.floats(0, 1)] * 4), st.integers(30, 5000), st.integers(30, 5000), st.text(max_size=20))
def test_what_is_written_is_read_back_to_the_pixel(corners, width, height, words):
    x0, x1 = sorted(corners[:2])
    y0, y1 = sorted(corners[2:])
    frames = [Frame(Rect(0, 0, width, height), (28, 28))]
    rect = Rect(
        int(x0 * width), int(y0 * height), min(int(x1 * width), width - 1), min(int(y1 * height), height - 1)
    )
    if min(rect.width, rect.height) < 1 or max(rect.width, rect.height) >= 200 * min(rect.width, rect.height):
        return
    thought = " ".join(words.replace("<", "").split())
    zoom = Zoom(Region.of_rect(rect, (width, height)), thought)
    again = RELEASED.parse(RELEASED.format_action(zoom, frames), frames)
    assert again.region.to_rect(frames[0].rect) == rect
    assert again.thought == thought


class Script:
    """Says these turns."""

    name, context_tokens = "script", None

    def __init__(self, turns):
        self.turns, self.heard = list(turns), []
        self.budget = PixelBudget(released=True)
        self.profile = PromptProfile(
            "official",
            "system",
            "<image>\n{question}",
            "After Action {action} (Observation {number}):\n<image>.\nGo on.",
            "ERROR. Error Information: {detail}.\nThink.",
            "released",
        )

    def open(self, request):
        return self

    async def reply(self, messages):
        self.heard.append([part for message in messages for part in message.parts if isinstance(part, str)])
        return Reply(self.turns.pop(0))

    def close(self):
        pass


def test_labels_count_turns_and_sources_count_views():
    last = CALL.replace("original_image", "observation_2").replace("[0.1, 0.2, 0.3, 0.4]", "[0, 0, 1, 1]")
    policy = Script([CALL, CALL.replace("0.3", "0.1"), OTHER, last, "<answer>red</answer>"])
    picture = Image.new("RGB", (1000, 500))
    task = SearchTask("a.png", "Which colour?")
    episode = asyncio.run(run_episode(task, policy, Limits(), picture=picture))
    assert [said[0] for said in policy.heard[1:]] == [
        "After Action 0 (Observation 1):\n",
        "ERROR. Error Information: The bounding box is not valid in width: [100, 100, 100, 200].\nThink.",
        "After Action 2 (Observation 3):\n",  # the label counts turns
        "After Action 3 (Observation 4):\n",
    ]
    assert episode.turns[3].rect == (500, 250, 599, 299)  # observation_2 is the second view
    assert (episode.stop, episode.answer) == (StopReason.ANSWERED, "red")
    assert Episode.from_dict(episode.to_dict()).to_dict() == episode.to_dict()


def test_official_messages_have_one_full_stop():
    profile = Script([]).profile
    thin = "The absolute aspect ratio of the bounding box exceeds 200, which is too large."
    assert profile.correct(Malformed(Fault.TOO_THIN, thin)) == [f"ERROR. Error Information: {thin}\nThink."]


def test_the_protocols_hold_what_their_sources_say():
    released, paper = read_protocol("released"), read_protocol("paper")
    assert released.dialect == "released"
    assert released.model_dump() == read_protocol("official-readme").model_dump() | {"dialect": "released"}
    for protocol, turns, context in ((released, 12, 30_768), (paper, 32, 32_768)):
        assert protocol.limits == Limits(turns, turns, context, 0)
        assert protocol.policy_spec("api:http://127.0.0.1:9/v1#m").turn_tokens == 8192
    assert "released" not in PixelBudget().to_dict()  # older records stay as they were
