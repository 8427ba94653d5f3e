"""Every command block and every piece of Python on every page runs, in order, in one folder a page.

A comment above a block says otherwise: `<!-- not run: why -->` leaves it out, `<!-- slow -->` leaves it to
`make test-slow`, `<!-- slow page -->` all blocks of a page. They share a shell, as a reader's do: what one
makes the next one finds.
"""

import contextlib
import os
import signal
import subprocess
import sys

import pytest
from helpers import environment
from pages import ROOT, Block, blocks, pages, read

SHARED = ("bench", "examples", "results", "recipes")  # of a checkout, what pages use
RECORDS = ("docs/LOG.md", "docs/history/README.md", "CHANGELOG.md", "docs/bench/README.md")


def with_blocks(slow):
    """Pages that have something to run."""
    for name in pages():
        found = [block for block in blocks(read(name)) if not block.not_run]
        if name not in RECORDS and any(block.slow for block in found) >= slow and found:
            yield name


def script(chosen: list[Block]) -> str:
    """One shell script of these blocks; each says its line first, so that a failure can be found."""
    parts = ["set -euo pipefail"]
    for block in chosen:
        parts.append(f"echo '--- line {block.line}' >&2")
        parts.append(block.text if block.language == "sh" else f"python - <<'PYTHON'\n{block.text}PYTHON")
    return "\n".join(parts) + "\n"


def run(name, chosen, folder, seconds):
    programs = folder / ".programs"
    programs.mkdir()
    (programs / "mini-o3").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mini_o3 "$@"\n')
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    for shared in SHARED:
        if (ROOT / shared).exists():
            (folder / shared).symlink_to(ROOT / shared)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    env = environment(OMP_NUM_THREADS="1", PATH=path, PYTHONPATH=str(ROOT))
    log = folder / ".log"
    with log.open("w") as out:
        shell = subprocess.Popen(
            ["bash", "-c", script(chosen)],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            status = shell.wait(timeout=seconds)
        finally:  # a server that a block has started ends with the page
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    assert status == 0, f"{name}:\n{log.read_text()[-3000:]}"


@pytest.mark.parametrize("name", list(with_blocks(slow=False)))
def test_blocks_run(name, tmp_path):
    chosen = [block for block in blocks(read(name)) if not (block.not_run or block.slow)]
    if not chosen:
        pytest.skip("all its blocks are slow")
    run(name, chosen, tmp_path, seconds=280)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", list(with_blocks(slow=True)))
def test_slow_blocks_run(name, tmp_path):
    run(name, [block for block in blocks(read(name)) if not block.not_run], tmp_path, seconds=840)


@pytest.mark.parametrize("name", [name for name in pages() if name not in RECORDS])
def test_what_is_not_run_says_why(name):
    for block in blocks(read(name)):
        assert not block.comment.startswith("not run") or len(block.not_run) > 8, (name, block.line)


def test_blocks_are_read_as_they_are_meant():
    text = "<!-- not run: needs a key -->\n```sh\nmini-o3 ask\n```\n\n```\n$ mini-o3 x\n```\n"
    text += "\n```text\nmake\n```\n"
    text += "\n<!-- slow -->\n\n```python\nimport mini_o3\n```\n\n```\njust words\n```\n"
    found = blocks(text)
    assert [(block.language, block.not_run, block.slow) for block in found] == [
        ("sh", "needs a key", False),
        ("sh", "", False),
        ("python", "", True),
    ]
