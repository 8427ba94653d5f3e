"""The page of an episode: complete, true to the turns, and deaf to whatever a model or a person wrote."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from mini_o3.episode import Episode, Limits, StopReason, Turn
from mini_o3.protocol import Answer, Fault, Malformed, Zoom
from mini_o3.show.page import episode_page
from mini_o3.vision import InMemory, Rect, Region

SIZE = (2000, 1000)
PICTURE = Image.new("RGB", SIZE, "red")
PICTURE.paste("blue", (1000, 500, 2000, 1000))

ZOOM = Turn(
    text="<think>right</think>...",
    action=Zoom(Region(0.5, 0.5, 1.0, 1.0), "right"),
    observation=1,
    rect=Rect(1000, 500, 2000, 1000),
    shown=(1008, 504),
)
DEEPER = Turn(
    text="<think>closer</think>...",
    action=Zoom(Region(0.1, 0.2, 0.2, 0.4, 1), "closer"),
    observation=2,
    rect=Rect(1100, 600, 1200, 700),
    shown=(196, 196),
)
WIDER = Turn(
    text="<think>back</think>...",
    action=Zoom(Region(0.0, 0.0, 1.0, 1.0), "back"),
    observation=3,
    rect=Rect(0, 0, 2000, 1000),
    shown=(2000, 980),
)
FAULTY = Turn(text="I wonder", action=Malformed(Fault.NO_ACTION, "There is no action."))
ANSWERED = Turn(text="<answer>blue</answer>", action=Answer("blue", "I see it"))


def made(*turns, stop=StopReason.ANSWERED, **changes):
    answer = "blue" if stop is StopReason.ANSWERED else None
    fields = {
        "task_id": "t",
        "picture": "street.jpg",
        "question": "What colour?",
        "size": SIZE,
        "policy": "teacher",
        "profile": "p@1",
        "limits": Limits(),
        "seed": 0,
        "shown": (1988, 980),
        "turns": turns,
        "stop": stop,
        "answer": answer,
    }
    return Episode(**{**fields, **changes})


class Tree(HTMLParser):
    """All elements as (tag, attributes, own and inner text), and whether every tag was closed in order."""

    VOID = {"meta", "img"}

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.balanced = [], [], True
        self.feed(page)
        self.close()
        self.balanced = self.balanced and not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))
        if tag not in self.VOID:
            self.open.append(self.elements[-1])

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        self.balanced = self.balanced and bool(self.open) and self.open[-1][0] == tag
        if self.open:
            self.open.pop()

    def handle_data(self, data):
        for _, _, text in self.open:
            text.append(data)

    def all(self, tag, css=None):
        """(attributes, text) of every such element."""
        return [
            (attrs, "".join(text))
            for name, attrs, text in self.elements
            if name == tag and (css is None or css in attrs.get("class", "").split())
        ]


def tree(episode):
    return Tree(episode_page(episode, InMemory(PICTURE)))


def decoded(url):
    head, data = url.split(",", 1)
    assert head == "data:image/jpeg;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
    image.load()
    return image


def test_the_page_is_one_balanced_document_without_scripts_and_references():
    episode = made(ZOOM, DEEPER, FAULTY, WIDER, ANSWERED)
    page = episode_page(episode, InMemory(PICTURE))
    found = Tree(page)
    assert page.startswith("<!doctype html>")
    assert found.balanced
    assert {tag for tag, _, _ in found.elements} == {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "h1",
        "div",
        "main",
        "svg",
        "image",
        "g",
        "rect",
        "circle",
        "text",
        "span",
        "img",
        "b",
    }
    assert not re.search(r"https?:|url\(|@import|javascript:", page)


def test_question_picture_policy_and_verdict_stand_at_the_top():
    found = tree(made(ZOOM, DEEPER, ANSWERED, expected="navy"))
    assert [text for _, text in found.all("title") + found.all("h1")] == ["What colour?", "What colour?"]
    ((_, meta),) = found.all("div", "meta")
    assert meta == "street.jpg · 2000 x 1000 px · teacher · 3 turns · expected: navy"
    ((state, verdict),) = found.all("div", "verdict")
    assert state["class"] == "verdict"
    assert verdict == "answer    blueevidence  x 1100..1200, y 600..700 of 2000 x 1000 px"


@pytest.mark.parametrize(
    ("stop", "error", "words"),
    [
        (StopReason.TURN_LIMIT, None, "no answer: the turns ran out; allow more of them"),
        (StopReason.IMAGE_LIMIT, None, "no answer: no more views were allowed"),
        (StopReason.CONTEXT_LIMIT, None, "no answer: the policy's context is full"),
        (StopReason.POLICY_ERROR, "the endpoint is down", "no answer: the endpoint is down"),
        (StopReason.INTERRUPTED, "interrupted after 1 turns", "no answer: interrupted after 1 turns"),
    ],
)
def test_an_episode_without_answer_says_why(stop, error, words):
    ((state, verdict),) = tree(made(ZOOM, stop=stop, error=error)).all("div", "verdict")
    assert (state["class"], verdict) == ("verdict none", words)


def test_a_policy_that_never_acted_is_quoted_and_a_remedy_named():
    ((_, verdict),) = tree(made(ZOOM, stop=StopReason.VOID)).all("div", "verdict")
    assert verdict.startswith("no answer: the policy kept writing neither a zoom nor an answer")
    assert "<think>right</think>" in verdict
    assert "--dialect direct" in verdict


@pytest.mark.parametrize("stop", [StopReason.TURN_LIMIT, StopReason.VOID])
def test_turns_that_were_all_cut_off_ask_for_longer_ones(stop):
    cut = Turn(text="<think>and then", action=Malformed(Fault.UNFINISHED, "Your turn was too long."))
    ((_, verdict),) = tree(made(cut, cut, stop=stop)).all("div", "verdict")
    assert verdict.startswith("no answer: its turns were cut off at the limit of their length")
    assert "--turn-tokens" in verdict
    ((_, verdict),) = tree(made(ZOOM, cut, stop=StopReason.TURN_LIMIT)).all("div", "verdict")
    assert "allow more of them" in verdict


def test_an_episode_without_a_turn_has_a_page_too():
    found = tree(made(stop=StopReason.POLICY_ERROR, error="the person left"))
    assert found.balanced
    assert (found.all("g", "box"), found.all("div", "turn")) == ([], [])


def test_every_zoom_has_a_box_with_its_number_in_pixels_of_the_original():
    found = tree(made(ZOOM, FAULTY, DEEPER, ANSWERED))
    ((svg, _),) = found.all("svg")
    assert svg["viewbox"] == "0 0 2000 1000"
    assert [(attrs["data-turn"], text) for attrs, text in found.all("g", "box")] == [("1", "1"), ("3", "3")]
    boxes = [[attrs[name] for name in ("x", "y", "width", "height")] for attrs, _ in found.all("rect")]
    assert boxes == [["1000", "500", "1000", "500"], ["1100", "600", "100", "100"]]
    ((image, _),) = found.all("image")
    assert (image["width"], image["height"]) == ("2000", "1000")


def test_small_boxes_lie_over_large_ones():
    assert [attrs["data-turn"] for attrs, _ in tree(made(ZOOM, DEEPER, WIDER, ANSWERED)).all("g", "box")] == [
        "3",
        "1",
        "2",
    ]


def test_the_number_of_a_box_stays_inside_the_picture():
    corner = Turn(text="", action=ZOOM.action, observation=1, rect=Rect(1990, 0, 2000, 10), shown=(196, 196))
    for attrs, _ in tree(made(corner, WIDER, ANSWERED)).all("circle"):
        x, y, radius = (float(attrs[name]) for name in ("cx", "cy", "r"))
        assert radius <= x <= 2000 - radius
        assert radius <= y <= 1000 - radius


def test_every_turn_has_a_card_with_its_number_thought_and_action():
    cards = [text for _, text in tree(made(ZOOM, FAULTY, DEEPER, ANSWERED)).all("div", "turn")]
    assert cards == [
        "1rightzoom [0.5, 0.5, 1, 1] of original_image"
        "observation_1: 1000 x 500 px at (1000, 500), 25.00% of the picture, shown as 1008 x 504",
        "2no_action: There is no action.I wonder",
        "3closerzoom [0.1, 0.2, 0.2, 0.4] of observation_1"
        "observation_2: 100 x 100 px at (1100, 600), 0.50% of the picture, shown as 196 x 196",
        "4I see itanswer: blue",
    ]


def test_a_box_and_its_card_have_the_same_colour():
    found = tree(made(ZOOM, DEEPER, ANSWERED))
    cards = [attrs["style"].removeprefix("--c: ") for attrs, _ in found.all("div", "turn")]
    boxes = [attrs["stroke"] for attrs, _ in found.all("rect")]
    assert boxes == cards[:2]
    assert len(set(cards)) == 3


def test_a_last_zoom_that_a_limit_stopped_has_a_card_but_no_box():
    stopped = Turn(text="", action=Zoom(Region(0.0, 0.0, 0.5, 0.5), "more"))
    found = tree(made(ZOOM, stopped, stop=StopReason.TURN_LIMIT))
    assert [attrs["data-turn"] for attrs, _ in found.all("g", "box")] == ["1"]
    assert [text for _, text in found.all("div", "turn")][1] == "2morezoom [0, 0, 0.5, 0.5] of original_image"


def test_every_image_is_a_data_url_that_decodes_to_what_it_shows():
    found = tree(made(ZOOM, DEEPER, ANSWERED))
    overview = decoded(found.all("image")[0][0]["href"])
    assert overview.size == (1600, 800)
    assert near(overview, (100, 100), (255, 0, 0))
    assert near(overview, (1500, 700), (0, 0, 255))
    crops = {attrs["alt"]: decoded(attrs["src"]) for attrs, _ in found.all("img")}
    assert {name: crop.size for name, crop in crops.items()} == {
        "observation 1": (360, 180),
        "observation 2": (100, 100),
    }
    assert all(near(crop, (50, 50), (0, 0, 255)) for crop in crops.values())


def near(image, spot, colour):
    return all(abs(a - b) < 20 for a, b in zip(image.getpixel(spot), colour, strict=True))


EVIL = (
    "</script><script>alert(1)</script>",
    '"onload="alert(1)',
    "' onerror='alert(1)",
    "<img src=x onerror=alert(1)>",
    "</title></style></svg></div><svg onload=alert(1)>",
    "&lt;b&gt; &amp; &#39;",
    "<!--",
    "<![CDATA[",
    "{question} <image>",
)


@pytest.mark.parametrize("evil", EVIL)
def test_texts_are_shown_as_they_are_and_never_become_markup(evil):
    turns = (
        Turn(
            text=evil,
            action=Zoom(Region(0.5, 0.5, 1.0, 1.0), evil),
            observation=1,
            rect=ZOOM.rect,
            shown=ZOOM.shown,
        ),
        Turn(text=evil, action=Malformed(Fault.TOO_THIN, evil, evil)),
        Turn(text=evil, action=Answer(evil, evil)),
    )
    harmless = made(
        *(replace(turn, action=replace(turn.action, thought="x")) for turn in (ZOOM, FAULTY, ANSWERED)),
        expected="x",
    )
    found = tree(made(*turns, picture=evil, question=evil, policy=evil, answer=evil, expected=evil))
    assert found.balanced
    assert [(tag, sorted(attrs)) for tag, attrs, _ in found.elements] == [
        (tag, sorted(attrs)) for tag, attrs, _ in tree(harmless).elements
    ]
    assert [text for _, text in found.all("title") + found.all("h1")] == [evil, evil]
    assert [text for _, text in found.all("span", "thought")] == [evil] * 3
    assert [text for _, text in found.all("b")] == [evil]
    assert found.all("div", "meta")[0][1] == f"{evil} · 2000 x 1000 px · {evil} · 3 turns · expected: {evil}"
    assert f"answer    {evil}" in found.all("div", "verdict")[0][1]
    acts = [text for _, text in found.all("div", "act")]
    assert acts[2:4] == [f"too_thin: {evil}", evil]


@pytest.mark.parametrize("evil", EVIL)
def test_an_error_is_shown_as_it_is(evil):
    found = tree(made(stop=StopReason.POLICY_ERROR, error=evil))
    assert found.balanced
    assert found.all("div", "verdict")[0][1] == f"no answer: {evil}"
