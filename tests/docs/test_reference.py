"""The generated reference is complete: every setting, every command with every option, every public name."""

import subprocess
import sys
from importlib import import_module
from pkgutil import walk_packages

import pytest
import typer
from pages import ROOT
from pydantic import BaseModel

import mini_o3
from mini_o3.cli import app
from mini_o3.training.metrics import METRICS

sys.path.insert(0, str(ROOT / "docs" / "_site"))
import reference


def test_every_setting_is_on_the_page():
    for module in walk_packages(mini_o3.__path__, "mini_o3."):
        if "config" in module.name or "suite" in module.name or "protocol" in module.name:
            import_module(module.name)

    def below(model):
        for one in model.__subclasses__():
            yield one
            yield from below(one)

    page = reference.settings_page()
    ours = [m for m in below(BaseModel) if m.__module__.startswith("mini_o3.") and m.__name__[0] != "_"]
    models = {m for m in ours if not m.__module__.startswith("mini_o3.serve.")}
    assert models <= set(reference.settings_models())
    assert len(models) >= 8
    for model in reference.settings_models():
        _, _, section = page.partition(f"\n## {model.__name__}\n")
        table = section.partition("\n## ")[0]
        for name in model.model_fields:
            assert f"| `{name}` |" in table, (model, name)


def test_a_setting_shows_its_bounds_default_and_meaning():
    page = reference.settings_page()
    assert "| `turns` | `number` > 0 | `6` | turn limit of rollouts |" in page
    assert "| `void_retries` | `number` >= 0 | `2` | turns without any action that are corrected |" in page


def test_every_command_and_option_is_on_the_page():
    page = reference.commands_page()

    def walk(words, command):
        for name, one in getattr(command, "commands", {}).items():
            if not one.hidden:
                yield (*words, name), one
                yield from walk((*words, name), one)

    found = list(walk(("mini-o3",), typer.main.get_command(app)))
    assert len(found) > 25
    for words, command in found:
        assert f"\n## {' '.join(words)}\n" in page
        section = page.partition(f"\n## {' '.join(words)}\n")[2].partition("\n## ")[0]
        for parameter in command.params:
            assert parameter.name == "help" or any(
                f"`{word}" in section or f" {word}`" in section
                for word in (*parameter.opts, (parameter.metavar or parameter.name).upper())
            ), (words, parameter.name)


def test_every_public_name_is_on_the_page():
    page = reference.python_page()
    for name in mini_o3.__all__:
        assert name == "__version__" or f".{name}\n" in page


def test_every_metric_is_on_the_page():
    page = reference.metrics_page()
    for name in METRICS:
        assert f"| `{name}` |" in page


def test_pages_are_written_without_any_extra():
    missing = "torch transformers accelerate fastapi uvicorn pyarrow matplotlib av scipy rapidocr mcp".split()
    code = f"import sys\nsys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'docs' / '_site')!r}]\n"
    code += f"sys.modules.update(dict.fromkeys({missing}))\nimport reference\n"
    code += "print(min(len(write()) for write in reference.PAGES.values()) > 1000)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout == "True\n", run.stderr


@pytest.mark.parametrize("name", reference.PAGES)
def test_pages_are_the_same_each_time(name):
    assert reference.PAGES[name]() == reference.PAGES[name]()
