"""The map of docs/explain/design.md holds: a room imports only from the rooms above it, and from kit."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mini_o3"
ROOMS = (
    "kit",
    "presets",
    "vision",
    "training",
    "grounding",
    "protocol",
    "episode",
    "judge",
    "probes",
    "benchmarks",
    "models",
    "policies",
    "doctor",
    "coldstart",
    "sft",
    "grpo",
    "scale",
    "evaluate",
    "reproduce",
    "show",
    "finding",
    "interop",
    "serve",
)
TOP = ("asking", "cli", "__main__")


def imported(path):
    """Names of the rooms that a module imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mini_o3"):
            parts = node.module.split(".")
            names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_above(room):
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    for path in (PACKAGE / room).rglob("*.py"):
        assert imported(path) <= allowed, path


def test_the_page_on_design_shows_the_rooms_in_this_order():
    page = (PACKAGE.parent / "docs" / "explain" / "design.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^  (\w+)/ ", page, re.MULTILINE)) == ROOMS


def test_every_room_is_on_the_map():
    found = {
        path.name.removesuffix(".py")
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found - {"__init__"} <= {*ROOMS, *TOP}


@pytest.mark.parametrize(
    "room", ["vision", "protocol", "episode", "probes", "benchmarks", "judge", "coldstart", "show", "finding"]
)
def test_what_needs_no_model_does_not_import_torch(room):
    for path in (PACKAGE / room).rglob("*.py"):
        assert "import torch" not in path.read_text(), path


def test_grounding_stands_alone():
    for path in (PACKAGE / "grounding").rglob("*.py"):
        assert imported(path) <= {"kit", "vision", "grounding", "training"}, path
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] not in ("grounding", "cli"):
            assert "grounding" not in imported(path), path


def test_no_module_holds_more_than_one_idea_can_fill():
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {path: lines for path, lines in lengths.items() if lines > 300} == {}
