"""Nothing that a model writes moves the cursor or forges a line."""

import json
import os
import subprocess
import sys

import pytest
from helpers import mini_o3

from mini_o3.kit.printable import one_line, printable


@pytest.mark.parametrize("mark", ["\x1b[2J", "\r", "\x07", "\x9b31m", "\u202e", "\u2028", "\x7f"])
def test_what_a_terminal_would_obey_is_an_escape(mark):
    assert mark[0] not in printable(f"a{mark}b")
    assert printable(f"a{mark}b") == f"a\\u{ord(mark[0]):04x}{mark[1:]}b"
    assert json.loads(printable(json.dumps({"a": mark}, ensure_ascii=False))) == {"a": mark}


def test_words_in_any_script_stay_and_one_line_stays_one():
    assert printable("größer 写真 👩‍👩‍👧 a\n\tb") == "größer 写真 👩‍👩‍👧 a\n\tb"
    assert one_line("red\r\nanswer    blue\t") == "red\\u000d\\nanswer    blue\\t"


def test_a_name_with_a_line_feed_is_told_on_one_line(tmp_path):
    done = mini_o3("ask", tmp_path / "a\nb\x1b[2J.png", "What?", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/a\\nb\\u001b[2J.png: no such file; check the path\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_one_line_and_status_1():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mini_o3", "presets"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in done.stderr
