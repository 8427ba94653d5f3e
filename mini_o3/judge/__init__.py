"""Verdicts on answers; a judge that cannot tell says so."""

from mini_o3.judge.exact import Verdict, judge_exact, normalise

__all__ = ["Verdict", "judge_exact", "normalise"]
