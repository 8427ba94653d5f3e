"""What a user gets: a wheel in a fresh environment, called from an empty folder far from the tree."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from helpers import environment

import mini_o3
from mini_o3.presets import KINDS, presets

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def run(*args, cwd=None):
    """The output of a program that must succeed; nothing of this tree is on its path."""
    outside = environment(PYTHONPATH="", OMP_NUM_THREADS="1")
    done = subprocess.run(
        [str(arg) for arg in args], cwd=cwd, env=outside, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The Python of an environment with the wheel, and the libraries of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # built from a copy, so that nothing is left in the tree
    shutil.copytree(ROOT / "mini_o3", source / "mini_o3", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source, cwd=folder)
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    run(*pip, "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    packages = run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip()
    (Path(packages) / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


@pytest.fixture(scope="module")
def call(installed, tmp_path_factory):
    """`mini-o3 ARGS` of the wheel in a folder that was empty and now holds two probes in `easy`."""
    work = tmp_path_factory.mktemp("empty")

    def call(*args):
        return run(installed.parent / "mini-o3", *args, cwd=work)

    call.work = work
    call("probe", "make", "shapes", "--level", "easy", "--count", "2", "--out", "easy")
    return call


@pytest.fixture(scope="module")
def endpoint(installed, call):
    """What to give as --policy: an endpoint on this machine that knows the way through the probes."""
    process = subprocess.Popen(
        [str(installed.parent / "mini-o3"), "fake-endpoint", "--tasks", "easy"],
        cwd=call.work,
        env=environment(PYTHONPATH=""),
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process.stdout.readline().removeprefix("--policy ").strip()
    process.terminate()
    process.wait(timeout=60)
    process.stdout.close()


def first_task(call):
    return json.loads((call.work / "easy" / "tasks.jsonl").read_text().splitlines()[0])


def test_it_is_the_wheel_that_is_called(installed, call):
    where = run(installed, "-c", "import mini_o3; print(mini_o3.__file__)", cwd=call.work).strip()
    assert Path(where).is_relative_to(installed.parents[1])
    assert call("--version") == f"mini-o3 {mini_o3.__version__}\n"


def test_ask_searches_with_the_weights_that_came_along(call):
    task = first_task(call)
    said = call("ask", f"easy/{task['picture']}", task["question"], "--out", "asked")
    assert f"answer    {task['answer']}" in said.splitlines()
    assert (call.work / "asked" / "episode.html").is_file()


def test_eval_finds_the_protocol_of_the_paper(call, endpoint):
    options = ("--protocol", "paper", "--samples", "2", "--out", "measured")
    call("eval", "--tasks", "easy", "--policy", endpoint, *options)
    protocol = json.loads((call.work / "measured" / "protocol.json").read_text())
    assert (protocol["max_pixels"], protocol["temperature"], protocol["turns"]) == (2_000_000, 1.0, 32)
    assert json.loads((call.work / "measured" / "report.json").read_text())["accuracy"] == 1.0


def test_collect_shows_the_exemplars_that_came_along(call, endpoint):
    call("collect", "--tasks", "easy", "--policy", endpoint, "--rounds", "1", "--out", "collected")
    rows = [json.loads(row) for row in (call.work / "collected" / "episodes.jsonl").read_text().splitlines()]
    assert len(rows) == 8
    shown = {name for row in rows for name in row["meta"]["exemplars"]}
    assert shown <= {path.stem for path in presets("exemplars").values()}
    assert len(shown) > 2


def test_training_begins(call):
    call("train", "perception", "--steps", "1")
    assert (call.work / "runs" / "perception_nano" / "model" / "model.safetensors").is_file()


def test_suites_and_presets_are_listed(call):
    assert "over_turn_masking" in call("reproduce", "--list")
    assert [line.partition(":")[0] for line in call("presets").splitlines()] == list(KINDS)
    assert call("presets", "protocols", "paper").startswith("# The paper's evaluation")
