"""Every example runs as its first lines say, in an empty folder, and gives what it promises."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import environment

from mini_o3.probes.shapes.build import make_probes

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(path, *args, cwd):
    done = subprocess.run(
        [sys.executable, str(path), *map(str, args)],
        cwd=cwd,
        env=environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_example_has_a_test():
    tested = {"ask.py", "custom_benchmark.py", "custom_policy.py", "evaluate.py", "notebook.ipynb"}
    tested |= {"grpo_in_one_file.py"}
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == tested


def test_ask(tmp_path):
    lines = run(EXAMPLES / "ask.py", cwd=tmp_path)
    assert lines[0] == "answer:   2"
    assert lines[1].startswith("evidence: Rect(")
    assert (tmp_path / lines[-1].removeprefix("open ")).is_file()


def test_custom_policy(tmp_path):
    lines = run(EXAMPLES / "custom_policy.py", cwd=tmp_path)
    assert [line.partition(",")[0] for line in lines] == [
        f"{name}: {name}" for name in ("red", "green", "blue", "yellow")
    ]


def test_custom_benchmark(tmp_path):
    lines = run(EXAMPLES / "custom_benchmark.py", cwd=tmp_path)
    assert lines[0] == "4 tasks in runs/example-benchmark/tasks"
    assert lines[1] == "accuracy 0.75, in category dots 0.75"
    assert (tmp_path / lines[2].removeprefix("open ")).is_file()


def test_evaluate(tmp_path):
    make_probes("easy", 2, 500_000_000, tmp_path / "easy")
    lines = run(EXAMPLES / "evaluate.py", "easy", "teacher", cwd=tmp_path)
    assert "accuracy 1.000 of 2 judged episodes" in lines
    assert "  with 32 turns at most: 1.000" in lines
    assert (tmp_path / "runs" / "example-evaluate" / "report.md").is_file()


@pytest.mark.slow
def test_grpo_in_one_file(tmp_path):
    lines = run(EXAMPLES / "grpo_in_one_file.py", 2, 2, 4, cwd=tmp_path)
    assert [line.split(":")[0] for line in lines] == ["step 1", "step 2"]
    assert all(line.endswith("of 8") for line in lines)


def as_script(cells):
    """The code cells as one program in a running event loop; each shows its last value, as in a notebook."""
    body = []
    for cell in cells:
        lines = ast.parse("".join(cell["source"])).body
        if isinstance(lines[-1], ast.Expr) and "print" not in ast.unparse(lines[-1]):
            lines[-1] = ast.parse(f"print(repr({ast.unparse(lines[-1])}))").body[0]
        body += [*lines, ast.parse("print('--')").body[0]]
    inside = "\n".join("    " + line for line in ast.unparse(ast.Module(body, [])).splitlines())
    return f"import asyncio\nasync def notebook():\n{inside}\nasyncio.run(notebook())\n"


def said(cell):
    """The text that a recorded cell shows."""
    texts = [output.get("text") or output["data"]["text/plain"] for output in cell["outputs"]]
    return "".join("".join(text) for text in texts).rstrip("\n")


def test_the_notebook_says_what_it_said_when_it_was_executed(tmp_path):
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text())["cells"]
    cells = [cell for cell in cells if cell["cell_type"] == "code"]
    (tmp_path / "script.py").write_text(as_script(cells))
    shown = "\n".join(run(tmp_path / "script.py", cwd=EXAMPLES)).split("\n--")
    for cell, text in zip(cells, shown, strict=False):
        if not said(cell).startswith("<PIL."):  # which names an address in memory
            assert text.strip("\n") == said(cell)
    pages = [output for cell in cells for output in cell["outputs"] if "text/html" in output.get("data", {})]
    assert len(pages) == 1
    assert "".join(pages[0]["data"]["text/html"]).startswith("<iframe")
    assert (EXAMPLES / "notebook.ipynb").stat().st_size < 600_000
