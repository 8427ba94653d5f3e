"""The reader's search, with an eye that reads what it is told stands in the picture: no models are needed."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

import mini_o3
from mini_o3.policies.reader.ocr import Line
from mini_o3.policies.reader.policy import CANNOT_TELL, Reader
from mini_o3.vision import PixelBudget

SIZE = (4000, 3000)


class Eye:
    """Reads the letters of a painted picture where they are at least 9 pixels high in the view.

    A text is painted as a box of the colour (100 + 50 x its number, 0, 0), which the eye finds in any view;
    there are four at most.
    """

    name = "eye"

    def __init__(self, texts):
        self.texts, self.views = texts, []

    def lines(self, view):
        self.views.append(view.size)
        pixels = np.asarray(view.convert("RGB")).astype(int)
        numbers = np.rint((pixels[..., 0] - 100) / 50)
        is_text = (pixels[..., 0] >= 90) & (pixels[..., 1] < 8) & (pixels[..., 2] < 8)
        lines = []
        for number, text in enumerate(self.texts):
            ys, xs = np.nonzero(is_text & (numbers == number))
            if len(xs):
                box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
                sharp = box[3] - box[1] >= 9
                lines.append(Line(text if sharp else "?", 0.99 if sharp else 0.2, tuple(map(float, box))))
        return lines


def painted(*texts):
    """A picture with texts (words, left, top), each 24 pixels high, and the eye for it."""
    picture = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(picture)
    for number, (words, left, top) in enumerate(texts):
        draw.rectangle((left, top, left + 12 * len(words), top + 23), fill=(100 + 50 * number, 0, 0))
    return picture, Eye([words for words, _, _ in texts])


def search(question, *texts, max_pixels=400_000, turns=32):
    picture, eye = painted(*texts)
    reader = Reader(budget=PixelBudget().limited(max_pixels), ocr=eye)
    return mini_o3.ask(picture, question, reader, turns=turns), eye


def test_it_goes_where_the_price_is_and_shows_it():
    asked, eye = search("What does Rimor cost?", ("Rimor", 3000, 2400), ("3.95", 3004, 2430))
    assert asked.answer == "3.95"
    assert asked.evidence.left <= 3004
    assert asked.evidence.right >= 3004 + 48
    assert asked.evidence.width * asked.evidence.height < 0.001 * SIZE[0] * SIZE[1]
    assert len(eye.views) == asked.episode.num_turns
    assert all(width * height <= 400_000 for width, height in eye.views)


def test_what_is_nowhere_is_not_there_and_takes_a_bounded_search():
    asked, eye = search("Where is EXIT?", ("ENTRANCE", 100, 100), ("TICKETS", 2000, 1500))
    assert (asked.answer, asked.status.value) == ("not there", "not_found")
    assert len(eye.views) <= 32


def test_where_something_is():
    asked, _ = search("Where is EXIT?", ("EXIT", 3500, 200), ("TICKETS", 2000, 1500))
    assert asked.answer == "at the top right"


def test_it_says_that_it_cannot_tell_what_no_text_tells():
    asked, _ = search("What colour is the lamp of PUMP 4?", ("PUMP 4", 500, 500))
    assert asked.answer == CANNOT_TELL
    assert asked.status.value == "gave_up"


def test_a_choice_is_answered_by_its_letter():
    question = "What is sold for 3.95?\nA. Beltin\nB. Rimor\nC. Zamin"
    asked, _ = search(
        question, ("Rimor", 1000, 400), ("3.95", 1004, 430), ("Beltin", 2000, 400), ("9.95", 2004, 430)
    )
    assert asked.answer == "B"


def test_the_same_search_twice_and_at_any_seed():
    texts = (("Rimor", 3000, 2400), ("3.95", 3004, 2430), ("Zamin", 300, 2400), ("4.95", 304, 2430))
    first, _ = search("What does Rimor cost?", *texts)
    second, _ = search("What does Rimor cost?", *texts)
    assert [t.text for t in first.episode.turns] == [t.text for t in second.episode.turns]


def test_one_look_answers_from_the_first_view_alone():
    picture, eye = painted(("Rimor", 3000, 2400), ("3.95", 3004, 2430))
    spec = mini_o3.PolicySpec("reader", dialect="direct", max_pixels=400_000)
    reader = Reader(budget=spec.budget(), profile=spec.profile(), ocr=eye)
    asked = mini_o3.ask(picture, "What does Rimor cost?", reader)
    assert (asked.answer, asked.episode.num_turns) == ("not there", 1)


@pytest.mark.parametrize("dialect", ["mini_o3", "qwen2_5_vl", "qwen3_vl", "pixel_reasoner", "deepeyes"])
def test_it_speaks_the_dialects_in_which_boxes_can_be_said(dialect):
    picture, eye = painted(("Rimor", 3000, 2400), ("3.95", 3004, 2430))
    spec = mini_o3.PolicySpec("reader", dialect=dialect, max_pixels=400_000)
    reader = Reader(budget=spec.budget(), profile=spec.profile(), ocr=eye)
    assert mini_o3.ask(picture, "What does Rimor cost?", reader).answer == "3.95"
