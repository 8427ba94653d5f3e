"""Every link of every page leads to a file, and to a heading of it, that there is."""

import os
import re
import sys

import pytest
from pages import ROOT, anchors, links, pages, read

sys.path.insert(0, str(ROOT / "docs" / "_site"))
import reference


@pytest.fixture(scope="module")
def texts():
    """Every page by its name, the generated ones too."""
    return {name: read(name) for name in pages()} | {
        f"docs/{name}": write() for name, write in reference.PAGES.items()
    }


@pytest.mark.parametrize("name", pages())
def test_links_lead_somewhere(name, texts):
    wrong = []
    for link in links(texts[name]):
        if re.match(r"\w+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = os.path.normpath(os.path.join(os.path.dirname(name), target)) if target else name
        if not (path in texts or (ROOT / path).exists()) or (
            anchor and path.endswith(".md") and anchor not in anchors(texts[path])
        ):
            wrong.append(link)
    assert wrong == []


def test_no_page_is_left_out_of_the_site():
    listed = (ROOT / "mkdocs.yml").read_text()
    kept = [name.removeprefix("docs/") for name in pages() if name.startswith("docs/")]
    missing = [name for name in kept if name not in listed and not name.startswith("howto/")]
    assert missing == []  # the hook lists how-to pages by itself
