"""The command line's own words: help, version, completion, shipped settings."""

import re
import subprocess

import pytest
import typer
from helpers import command, environment, mini_o3, refused

from mini_o3 import __version__
from mini_o3.cli.base import app, name_types
from mini_o3.kit.config import read_config
from mini_o3.presets import KINDS, presets
from mini_o3.sft.config import TrainConfig


def verbs(tree, *names):
    """The words of every command that can be called, the groups included."""
    yield names
    for name, below in getattr(tree, "commands", {}).items():
        yield from verbs(below, *names, name)


@pytest.fixture(scope="module")
def tree():
    found = typer.main.get_command(app)
    name_types(found)
    return found


def test_every_help_text_names_its_types_in_plain_words(tree, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    found = list(verbs(tree))
    assert len(found) > 25
    for names in found:
        with pytest.raises(SystemExit) as stop:
            tree.main([*names, "--help"], prog_name="mini-o3")
        shown = capsys.readouterr().out
        assert stop.value.code == 0
        assert " ".join(("Usage: mini-o3", *names)) in shown
        options = [line for line in shown.splitlines() if line.startswith("│") and "--" in line]
        assert options, names
        assert not [line for line in options if re.search(r"<\w[\w ]*>", line)], names


def test_a_number_a_path_and_a_text_are_told_apart(tree, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        tree.main(["ask", "--help"], prog_name="mini-o3")
    lines = capsys.readouterr().out.splitlines()
    shown = {line.split()[1]: line.split()[2] for line in lines if line.startswith("│ --")}
    assert (shown["--turns"], shown["--out"], shown["--policy"]) == ("NUMBER", "PATH", "TEXT")


def test_the_version_is_printed(tmp_path):
    result = mini_o3("--version", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, f"mini-o3 {__version__}\n")


def test_a_shell_can_complete_verbs(tmp_path):
    asked = environment(_MINI_O3_COMPLETE="complete_bash", COMP_WORDS="mini-o3 pu", COMP_CWORD="1")
    # Under the name it is installed with: completion is asked for in a variable of that name.
    program = ["-c", "import sys; sys.argv[0] = 'mini-o3'; from mini_o3.cli import main; main()"]
    run = subprocess.run(
        [command()[0], *program], env=asked, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert run.stdout.split() == ["published"]


def test_presets_are_listed_printed_and_copied_out(tmp_path):
    listed = mini_o3("presets", cwd=tmp_path).stdout
    assert [line.partition(":")[0] for line in listed.splitlines()] == list(KINDS)
    assert "protocols: greedy, official-readme, paper, released\n" in listed
    one = mini_o3("presets", "training", cwd=tmp_path).stdout
    assert one == f"training: {', '.join(presets('training'))}\n"
    shown = mini_o3("presets", "training", "sft_nano", cwd=tmp_path).stdout
    copied = mini_o3("presets", "training", "sft_nano", "--copy", "mine/my.toml", cwd=tmp_path)
    assert (copied.returncode, copied.stdout) == (0, "mine/my.toml\n")
    shipped = presets("training")["sft_nano"]
    assert (tmp_path / "mine" / "my.toml").read_text() == shipped.read_text()
    assert shown.rstrip() == shipped.read_text().rstrip()
    mine, theirs = (read_config(path, TrainConfig) for path in (tmp_path / "mine" / "my.toml", shipped))
    assert mine == theirs


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("presets", "settings"), ("KIND settings", "choose one of collecting, exemplars, grounding")),
        (("presets", "protocols", "none"), ("none", "lists greedy, official-readme, paper, released")),
        (("presets", "protocols", "paper", "--copy", "there"), ("--copy there", "is there already")),
        (("presets", "protocols", "--copy", "new"), ("--copy", "name the preset")),
    ],
)
def test_a_preset_that_cannot_be_had_is_one_line(tmp_path, args, named):
    (tmp_path / "there").write_text("mine")
    refused(mini_o3(*args, cwd=tmp_path), *named)
    assert (tmp_path / "there").read_text() == "mine"
