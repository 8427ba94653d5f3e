"""Hints of a proposer: every policy reads them in its first message, the record keeps them."""

from test_reader_search import Eye, painted

import mini_o3
from mini_o3.episode.hints import hint_text, hints_in
from mini_o3.policies.reader.policy import Reader
from mini_o3.policies.reader.propose import TextProposer
from mini_o3.vision import PixelBudget, Region
from mini_o3.vision.proposer import Proposal


class Spots(Eye):
    """Sees where texts are, at any size."""

    def spots(self, view):
        return [line.box for line in self.lines(view)]


def test_hints_are_told_and_read_back():
    proposer = TextProposer(Spots([]))
    boxes = [Region(0.1, 0.2, 0.3, 0.4), Region(0.5, 0.5, 1.0, 1.0)]
    text = hint_text(proposer, [Proposal(box, 0.5) for box in boxes])
    assert "may hold text" in text
    assert hints_in(text) == boxes
    assert hints_in("What is at [0.1, 0.2, 0.3, 0.4]?") is None
    assert hint_text(proposer, []) == ""


def test_the_reader_goes_straight_to_hinted_places_and_the_record_names_them():
    picture, eye = painted(("Rimor", 3000, 2400), ("3.95", 3004, 2430))
    proposer = TextProposer(Spots(eye.texts))
    reader = Reader(budget=PixelBudget().limited(400_000), ocr=eye)
    asked = mini_o3.ask(picture, "What does Rimor cost?", reader, propose=proposer)
    assert asked.answer == "3.95"
    assert asked.episode.turns[0].rect.left <= 3000 < asked.episode.turns[0].rect.right
    assert asked.episode.meta["proposer"] == "text"
    assert len(asked.episode.meta["hints"]) == 2
    x0, y0 = asked.episode.meta["hints"][0][:2]
    assert abs(x0 * 4000 - 3000) < 8
    assert abs(y0 * 3000 - 2400) < 40


def test_without_a_proposer_nothing_is_said_of_hints():
    picture, eye = painted(("Rimor", 3000, 2400), ("3.95", 3004, 2430))
    asked = mini_o3.ask(picture, "Where is Rimor?", Reader(ocr=eye))
    assert "hints" not in asked.episode.meta
