"""The metrics of a training, one row of `metrics.jsonl` per logged step: their names and how they are read.

A row has a `step`, counted from 1, and some of `METRICS`. Row 0 holds the `validation` alone, of the weights
that training starts from. Logs of earlier versions have other names; `read_metrics` gives today's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mini_o3.kit.files import read_jsonl

METRICS_FILE = "metrics.jsonl"
Row = dict[str, Any]

#: Name -> what it is. Shares run from 0 to 1.
METRICS = {
    # Reinforcement learning: the rollouts of a step.
    "reward": "mean reward of the judged rollouts; null if none could be judged",
    "answered": "share of rollouts that ended with an answer",
    "over_turn": "share of rollouts that a limit stopped (turns, images or context)",
    "void": "share of rollouts that ended because no turn held an action",
    "malformed": "share of turns whose action could not be read",
    "turns": "mean number of turns per rollout",
    "zooms": "mean number of zooms per rollout",
    "tokens_per_turn": "mean number of tokens the policy wrote in a turn",
    "questions": "questions that were asked, each with a group of rollouts",
    "informative_questions": "those whose rollouts differ in reward, so that something can be learnt",
    "rollouts": "rollouts of all questions",
    "unjudged": "rollouts that the judge failed at; they are not learnt from",
    "turns_histogram": "rollouts by their number of turns, from 1 to the limit",
    # Reinforcement learning: the updates of a step.
    "updates": "optimiser steps",
    "trained_rollouts": "rollouts with a gradient: neither masked nor at the mean of their group",
    "entropy": "mean entropy of the policy over the tokens it wrote, in nats",
    "clip_fraction": "share of tokens whose objective was clipped",
    "grad_norm": "norm of the gradient before it was clipped, mean over updates",
    "rollout_seconds": "time to roll out and judge",
    "learner_seconds": "time to learn",
    "validation": "accuracy on what is not trained on, by level",
    # Supervised training: means over the steps since the last row.
    "loss": "mean loss per learnt token, in nats",
    "cell_loss": "loss of the head that reads the cells of a view",
    "lr_factor": "the learning rate, as a share of its setting",
    "samples": "training sequences since the last row",
    "elapsed_seconds": "since this start of the training",
    "accuracy_other": "share of learnt tokens predicted rightly, that are none of the kinds below",
    "accuracy_number": "the same of coordinates",
    "accuracy_colour": "the same of words for colours",
    "accuracy_shape": "the same of words for shapes",
    "accuracy_digit": "the same of digits",
    "accuracy_drill": "the same in comparison drills",
    "accuracy_cell_here": "share of cells where the head is right: cells that hold something",
    "accuracy_cell_colour": "the same: its colour",
    "accuracy_cell_shape": "the same: its shape",
    "accuracy_cell_digit": "the same: its digit",
    "accuracy_cell_x": "the same: its place from left to right",
    "accuracy_cell_y": "the same: its place from top to bottom",
}

#: Name in logs of earlier versions -> today's name.
RENAMED = {
    "asked": "questions",
    "kept": "informative_questions",
    "written": "tokens_per_turn",
    "histogram": "turns_histogram",
    "learnt": "trained_rollouts",
    "clipped": "clip_fraction",
    "cells": "cell_loss",
    "rate": "lr_factor",
    "other": "accuracy_other",
    "number": "accuracy_number",
    "colour": "accuracy_colour",
    "shape": "accuracy_shape",
    "digit": "accuracy_digit",
    "drill": "accuracy_drill",
    "cell_here": "accuracy_cell_here",
    "cell_colour": "accuracy_cell_colour",
    "cell_shape": "accuracy_cell_shape",
    "cell_digit": "accuracy_cell_digit",
    "cell_x": "accuracy_cell_x",
    "cell_y": "accuracy_cell_y",
}


def standard(row: Row) -> Row:
    """A row with the names of today, in its own order; one that has them already stays as it is."""
    found: Row = {}
    for name, value in row.items():
        if name == "seconds" and isinstance(value, list):
            found["rollout_seconds"], found["learner_seconds"] = value
        else:
            found["elapsed_seconds" if name == "seconds" else RENAMED.get(name, name)] = value
    return found


def read_metrics(folder: Path, file: str = METRICS_FILE) -> list[Row]:
    """The rows of a training in `folder`, by the names of today; none if there is no log yet.

    Raises:
        UserError: a line of the log is damaged.
    """
    return [standard(row) for row in read_jsonl(folder / file)]
