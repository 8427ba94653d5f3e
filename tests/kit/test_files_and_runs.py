"""Run folders: whole files or none, lines that survive a kill, text that is not text."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_o3.kit import run as run_module
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import (
    append_jsonl,
    make_folder,
    read_jsonl,
    to_json,
    write_atomically,
    write_json,
    write_text,
)
from mini_o3.kit.run import ensure_same_run, folder_lock


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def fail(part):
        part.write_text("half")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        write_atomically(path, fail)
    assert json.loads(path.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@given(cut=st.integers(0, 60))
def test_a_line_cut_off_anywhere_costs_that_line_only(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("jsonl") / "rows.jsonl"
    for index in range(4):
        append_jsonl(path, {"index": index, "text": "größer"})
    whole = path.read_bytes()
    three = whole[: whole[:-1].rfind(b"\n") + 1]
    path.write_bytes(three[: len(three) - cut])
    kept = read_jsonl(path)
    assert [row["index"] for row in kept] == list(range(len(kept)))
    for row in range(len(kept), 4):
        append_jsonl(path, {"index": row, "text": "größer"})
    assert path.read_bytes() == whole


def test_a_damaged_line_that_is_not_the_last_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"n": 1}\n{"n": \n{"n": 3}\n{"n"')
    with pytest.raises(UserError, match=r"rows\.jsonl, line 2: is damaged"):
        read_jsonl(path)
    path.write_bytes(b'{"n": 1}\n{"n": 3}\n{"n"')
    assert read_jsonl(path) == [{"n": 1}, {"n": 3}]


def test_a_process_killed_while_it_appends_leaves_lines_that_can_be_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    code = (
        "import sys; from pathlib import Path; from mini_o3.kit.files import append_jsonl\n"
        "for i in range(10**9): append_jsonl(Path(sys.argv[1]), {'index': i, 'text': 'x' * 5000})"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    while not path.exists() or path.stat().st_size < 100_000:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    rows = read_jsonl(path)
    assert [row["index"] for row in rows] == list(range(len(rows)))
    append_jsonl(path, {"index": len(rows), "text": ""})
    assert len(read_jsonl(path)) == len(rows) + 1


def test_names_that_are_not_text_can_be_written(tmp_path):
    name = os.fsdecode(b"bad\xff.png")
    assert json.loads(to_json({"name": name, "also": "ü"})) == {"name": name, "also": "ü"}
    assert "ü" in to_json({"also": "ü"})
    write_json(tmp_path / "a.json", {"name": name})
    assert json.loads((tmp_path / "a.json").read_text())["name"] == name
    write_text(tmp_path / "a.txt", name)
    assert (tmp_path / "a.txt").read_text() == "bad\\udcff.png"


def test_a_file_where_a_folder_should_be_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file") as caught:
        make_folder(tmp_path / "file" / "run")
    assert "\n" not in str(caught.value)


def test_a_run_names_all_code_that_was_at_work_in_order(tmp_path, monkeypatch):
    for code in ("aaa", "aaa", "bbb+", "bbb+", "aaa"):
        monkeypatch.setattr(run_module, "revision", lambda code=code: code)
        ensure_same_run(tmp_path, {"lr": 1.0})
    assert json.loads((tmp_path / "config.json").read_text()) == {
        "config": {"lr": 1.0},
        "revision": "aaa, bbb+, aaa",
    }


def test_a_checkpoint_is_no_run_folder(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    with pytest.raises(UserError, match=r"holds a config.json that no run wrote; give another `out` folder"):
        ensure_same_run(tmp_path, {"lr": 1.0})
    assert json.loads((tmp_path / "config.json").read_text()) == {"model_type": "qwen2_5_vl"}


def test_one_place_under_two_names_is_one_setting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ensure_same_run(tmp_path / "run", {"start": "nano", "policy": "hf:nano", "lr": 1.0})
    ensure_same_run(
        tmp_path / "run", {"start": f"{tmp_path}/nano", "policy": f"hf:{tmp_path}/nano", "lr": 1.0}
    )
    for other in (
        {"start": "other"},
        {"start": ""},
        {"policy": f"api:{tmp_path}/nano"},
        {"policy": None},
        {"lr": 2.0},
    ):
        with pytest.raises(UserError, match=rf"other settings \({next(iter(other))}\)"):
            ensure_same_run(tmp_path / "run", {"start": "nano", "policy": "hf:nano", "lr": 1.0} | other)


def test_without_file_locks_a_folder_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("mini_o3.kit.run.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"no file locks.*WSL"), folder_lock(tmp_path):
        pass


def test_nothing_of_posix_is_imported_with_a_module():
    package = Path(__file__).parents[2] / "mini_o3"
    bad = re.compile(r"^(import|from) (fcntl|resource|pwd|grp|termios|pty)\b", re.MULTILINE)
    assert [path.name for path in package.rglob("*.py") if bad.search(path.read_text("utf-8"))] == []


def test_a_last_line_that_is_nested_too_deeply_counts_as_cut_off(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"n": 1}\n' + "[" * 100_000)
    assert read_jsonl(path) == [{"n": 1}]
    append_jsonl(path, {"n": 2})
    assert read_jsonl(path) == [{"n": 1}, {"n": 2}]
