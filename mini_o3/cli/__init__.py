"""The command line: one verb per stage, thin. A module per group of verbs; importing them makes them
known."""

from mini_o3.cli import (
    ask,
    collect,
    doctor,
    eval,
    find,
    grounding,
    interop,
    judge,
    plan,
    presets,
    probe,
    published,
    report,
    serve,
    tasks,
    train,
)
from mini_o3.cli.base import app, main

__all__ = [
    "app",
    "ask",
    "collect",
    "doctor",
    "eval",
    "find",
    "grounding",
    "interop",
    "judge",
    "main",
    "plan",
    "presets",
    "probe",
    "published",
    "report",
    "serve",
    "tasks",
    "train",
]
