"""Evidence against the target, and confidence against the truth."""

from __future__ import annotations

import pytest
from helpers import answer, play, zoom
from PIL import Image

from mini_o3.episode import Episode, SearchTask
from mini_o3.evaluate.calibration import calibration, calibration_rows
from mini_o3.evaluate.evidence import evidence_iou, iou
from mini_o3.evaluate.metrics import Judged
from mini_o3.judge.verdict import CORRECT, INCORRECT, unjudged
from mini_o3.policies.replay import Replay
from mini_o3.show.terminal import turn_lines, verdict_lines
from mini_o3.vision import Region

PICTURE = Image.new("RGB", (1000, 500))
TARGET = Region(0.5, 0.5, 0.6, 0.6)
TASK = SearchTask("some.png", "Which colour?", "red", targets=(TARGET,))
BOXED = '{"bbox_2d": [0.0, 0.5, 0.2, 0.7], "source": "observation_1"}'


def judged(*turns, right=True, task=TASK, seed=0, **meta):
    episode = play(Replay({"*": list(turns)}), PICTURE, task, seed=seed)
    data = episode.to_dict() | {"meta": meta}
    return Judged(task, Episode.from_dict(data), CORRECT if right else INCORRECT)


def test_the_box_of_the_answer_is_the_evidence_else_the_last_view():
    named = judged(zoom(0.5, 0.5, 1, 1), answer(f"red {BOXED}"))
    assert named.episode.answer == "red"
    assert named.episode.evidence_source == "answer"
    assert named.episode.evidence.xyxy == (0.5, 0.75, 0.6, 0.85)  # within the observation
    assert named.episode.to_dict()["turns"][-1]["action"]["box"] == [0.0, 0.5, 0.2, 0.7]
    assert "named in the answer" in verdict_lines(named.episode)[1]
    assert turn_lines(2, named.episode.turns[-1])[-1] == "  seen   [0.00, 0.50, 0.20, 0.70] of observation_1"
    seen = judged(zoom(0.5, 0.5, 1, 1), answer("red"))
    assert (seen.episode.evidence_source, seen.episode.evidence.xyxy) == ("last_view", (0.5, 0.5, 1.0, 1.0))
    nowhere = judged(answer(f"red {BOXED}"))  # of an observation that there is not
    assert (nowhere.episode.answer, nowhere.episode.evidence_source) == ("red", "last_view")


def test_evidence_is_measured_against_all_targets_together():
    assert iou(Region(0, 0, 0.5, 1), Region(0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)
    rows = [
        judged(zoom(0.5, 0.5, 0.6, 0.6), answer("red")),
        judged(zoom(0.5, 0.5, 0.7, 0.7), answer("blue"), right=False),
        judged(answer('red {"bbox_2d": [0, 0, 0.1, 0.1]}')),
        judged(zoom(0.5, 0.5, 0.7, 0.7)),  # no answer, so no evidence
    ]
    found = evidence_iou(rows)
    assert (found["n"], found["median"], found["mean"]) == (3, 0.25, pytest.approx(1.25 / 3, abs=1e-4))
    assert found["sources"] == {"answer": 1, "last_view": 2}
    assert (found["right"]["n"], found["right"]["median"]) == (2, 0.5)
    pair = SearchTask("some.png", "q", targets=(Region(0, 0, 0.1, 0.1), Region(0.4, 0.4, 0.5, 0.5)))
    assert evidence_iou([judged(zoom(0, 0, 0.5, 0.5), answer("red"), task=pair)])["mean"] == 1.0
    assert evidence_iou([judged(answer("red"), task=SearchTask("some.png", "q"))]) is None


def test_reliability_of_what_the_policy_says_of_its_words():
    tasks = [SearchTask("some.png", f"{n}?") for n in range(7)]
    rows = [judged(answer("red"), right=n < 3, task=tasks[n], confidence=0.95) for n in range(4)]
    rows.append(judged(answer("red"), right=False, task=tasks[4], confidence=0.15))
    rows.append(judged(answer("red"), task=tasks[5]))
    rows.append(judged(answer("red"), task=tasks[6], confidence=0.5)._replace(verdict=unjudged("down")))
    found = calibration(rows)
    assert (found["of"], found["n"]) == ("token_probability", 5)
    assert [(part["low"], part["n"], part["accuracy"]) for part in found["bins"]] == [
        (0.1, 1, 0.0),
        (0.9, 4, 0.75),
    ]
    assert found["ece"] == pytest.approx((0.15 + 4 * 0.2) / 5)
    assert calibration_rows(found)[1] == ("90% to 100%", "4", "95.0%", "75.0%")
    assert calibration([judged(answer("red"))]) is None


def test_of_several_samples_the_agreement_counts():
    words = [("red", True), ("red", True), ("red", True), ("blue", False)]
    rows = [
        judged(answer(word), right=right, seed=n, confidence=0.5) for n, (word, right) in enumerate(words)
    ]
    found = calibration(rows)
    assert (found["of"], found["n"], found["ece"]) == ("agreement", 1, 0.25)
