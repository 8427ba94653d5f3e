"""Pages are readable: no long lines, short sentences where people read from top to bottom."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("prose", ROOT / "bench" / "prose.py")
prose = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(prose)


def names(patterns=prose.PAGES):
    return [str(path.relative_to(ROOT)) for path in prose.pages(patterns)]


@pytest.mark.parametrize("name", names())
def test_no_line_of_prose_is_too_long(name):
    assert prose.too_long((ROOT / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", names(prose.FOR_READERS))
def test_sentences_are_short(name):
    assert prose.mean_words((ROOT / name).read_text(encoding="utf-8")) < prose.WORDS


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


def test_what_is_counted():
    text = "# A long heading here\n\nOne two three. Four `code here` six!\n\n- an item\n- another\n"
    text += "\n```\nx y z\n```\n| a b |\n"
    assert len(prose.sentences(text)) == 4
    assert prose.mean_words(text) == pytest.approx((3 + 3 + 2 + 1) / 4)
    assert prose.too_long("short\n| " + "x " * 80 + "|\n" + "word " * 30) == [(3, 150)]
    assert prose.too_long("```\n" + "word " * 30 + "\n```\n") == []
