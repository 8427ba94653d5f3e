"""Verdicts on answers; a judge that cannot tell says so."""

from mini_o3.judge.chain import Chain, Judge, make_judge
from mini_o3.judge.exact import judge_exact, normalise
from mini_o3.judge.rotations import GroupScore, score_groups
from mini_o3.judge.verdict import CORRECT, INCORRECT, Kind, Verdict, unjudged
from mini_o3.judge.votes import tally

__all__ = [
    "CORRECT",
    "INCORRECT",
    "Chain",
    "GroupScore",
    "Judge",
    "Kind",
    "Verdict",
    "judge_exact",
    "make_judge",
    "normalise",
    "score_groups",
    "tally",
    "unjudged",
]
