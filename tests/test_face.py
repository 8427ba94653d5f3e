"""The public face: what it names, and that importing it costs nothing."""

import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from helpers import environment

import mini_o3

ROOT = Path(__file__).parents[1]


def python(program, **options):
    """The output of a program in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_importing_it_loads_no_library():
    heavy = ("torch", "transformers", "pyarrow", "matplotlib", "numpy", "PIL", "pydantic", "httpx")
    loaded = python(f"import sys, mini_o3; print([name for name in {heavy} if name in sys.modules])")
    assert loaded == "[]\n"


def test_loading_every_public_name_loads_no_model_library():
    heavy = ("torch", "transformers", "pyarrow", "matplotlib")
    loaded = python(
        f"import sys; from mini_o3 import *; print([name for name in {heavy} if name in sys.modules])"
    )
    assert loaded == "[]\n"


def test_every_name_is_there_and_none_is_a_subpackage_too():
    rooms = {module.name for module in pkgutil.iter_modules(mini_o3.__path__)}
    assert {"episode", "evaluate", "judge", "asking"} <= rooms
    for name in mini_o3.__all__:
        assert getattr(mini_o3, name) is not None
        assert name in dir(mini_o3)
        assert name not in rooms
        assert name == "__version__" or name in mini_o3.__doc__


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'mini_o3' has no attribute 'find_everything'"):
        _ = mini_o3.find_everything


def test_the_version_is_said_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "mini_o3.__version__"}
    assert mini_o3.__version__.count(".") == 2
