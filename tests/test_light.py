"""What a plain installation can do: everything about endpoints works without torch, pyarrow and matplotlib.
What needs them says how to install them."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fake_endpoint import Endpoint
from helpers import environment

from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import EXTRAS, require
from mini_o3.policies.fake_endpoint import Faults, Player
from mini_o3.probes.shapes.build import make_probes

MODULES = sorted({module for modules in EXTRAS.values() for module in modules})
WITHOUT = f"""
import sys
sys.modules.update(dict.fromkeys({MODULES}))  # as if they were not installed
from mini_o3.cli import main
main()
"""


def light(*args, cwd):
    """`mini-o3 ARGS` where nothing but the plain installation is there."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, args)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with three probes in `easy`."""
    folder = tmp_path_factory.mktemp("light")
    make_probes("easy", 3, 500_000_000, folder / "easy")
    return folder


def test_endpoints_need_nothing_else(work):
    from mini_o3.episode import read_tasks

    tasks = read_tasks(work / "easy")
    with Endpoint(answer=Player(tasks, Faults())) as endpoint:
        policy = f"api:{endpoint.url}#fake"
        for args in (
            ("ask", tasks[0].picture, tasks[0].question, "--policy", policy, "--out", "asked"),
            ("eval", "--tasks", "easy", "--policy", policy, "--judge", "exact", "--out", "measured"),
            ("judge", "run", "measured", "--judge", "exact"),
            ("report", "measured"),
            (
                "collect",
                "--tasks",
                "easy",
                "--policy",
                policy,
                "--out",
                "collected",
                "--rounds",
                1,
                "--samples",
                1,
            ),
            ("collect", "export", "collected", "--format", "sharegpt", "--out", "exported"),
            ("tasks", "inspect", "easy"),
        ):
            result = light(*args, cwd=work)
            assert (args, result.returncode, result.stderr.count("Traceback")) == (args, 0, 0), result.stderr
    assert json.loads((work / "asked" / "episode.json").read_text())["answer"] == tasks[0].answer
    assert json.loads((work / "measured" / "report.json").read_text())["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("args", "extra", "module"),
    [
        (("ask", "easy/easy_500000000.jpg", "What?"), "local", "torch"),
        (("train", "perception"), "train", "accelerate"),
        (("train", "grpo"), "train", "accelerate"),
        (("reproduce", "over_turn_masking", "--quick"), "train", "torch"),
        (("collect", "import", "x.parquet", "--out", "o"), "data", "pyarrow"),
        (("probe", "make", "scenes", "--out", "vp"), "plots", "matplotlib"),
    ],
)
def test_what_needs_more_says_how_to_install_it(work, args, extra, module):
    result = light(*args, cwd=work)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
    assert module in result.stderr
    assert result.stderr.endswith(f"install it with: pip install 'mini-o3[{extra}]'\n")


def test_the_extras_of_the_package_bring_what_is_asked_for():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    brought = {
        extra: {line.partition(">=")[0] for line in project["optional-dependencies"][extra]}
        for extra in EXTRAS
    }
    brought["train"] = brought["train"] - {"mini-o3[local]"} | brought["local"]
    for extra in brought:
        if "mini-o3[train]" in brought[extra]:
            brought[extra] = brought[extra] - {"mini-o3[train]"} | brought["train"]
    brought["large"] -= {"pyvips-binary"}  # the library behind it
    assert brought == {extra: set(modules) for extra, modules in EXTRAS.items()}
    plain = {line.partition(">=")[0] for line in project["dependencies"]}
    assert plain == {"pydantic", "typer", "httpx", "Pillow", "numpy", "rich"}


def test_what_is_installed_is_not_asked_for(monkeypatch):
    require("local", "a model")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        UserError, match=r"^reading needs pyarrow; install it with: pip install 'mini-o3\[data\]'$"
    ):
        require("data", "reading")


@pytest.mark.parametrize(
    "args",
    [
        ("train", "sft", "--config", "no_such_config"),
        ("train", "perception", "--config", "sft_nano"),
        ("train", "sft", "--start", "no_such_model"),
        ("train", "grpo", "--start", "no_such_model"),
        ("reproduce", "no_such_suite"),
        ("reproduce", "patterns", "--only", "no_such_run"),
        ("ask", "easy/easy_500000000.jpg", "What?", "--policy", "hf:no_such_model"),
        ("ask", "easy/easy_500000000.jpg", "What?", "--max-pixels", "1000"),
        ("ask", "no_such_picture.jpg", "What?"),
        ("eval", "--tasks", "no_such_folder", "--out", "o"),
        ("eval", "--tasks", "easy", "--out", "o", "--protocol", "no_such_protocol"),
        ("eval", "--tasks", "easy", "--out", "o", "--judge", "no_such_judge"),
        ("collect", "--tasks", "easy", "--policy", "hf:no_such_model", "--out", "o"),
    ],
)
def test_a_wrong_setting_is_found_before_torch_is_loaded(work, args):
    program = f"""
import sys
from mini_o3.cli import main
sys.argv = ["mini-o3", *{args!r}]
try:
    main()
finally:
    print({MODULES}, sorted(set({MODULES}) & set(sys.modules)))
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=work,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stdout.endswith(" []\n")
