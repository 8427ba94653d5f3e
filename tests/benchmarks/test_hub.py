"""Repositories of the hub, from one that runs on this machine: by revision, once, with plain errors."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("huggingface_hub")
pytest.importorskip("pyarrow")

from huggingface_hub import constants
from layouts import vstar

from mini_o3.benchmarks.hub import DATA_SETS, fetch_data_set
from mini_o3.benchmarks.importer import import_tasks
from mini_o3.benchmarks.registry import LOADERS
from mini_o3.episode import read_tasks
from mini_o3.kit.errors import UserError
from mini_o3.kit.hub import MODEL_FILES, fetch, is_hub_name
from mini_o3.models.shipped import NANO_DIR, check_checkpoint, model_folder
from mini_o3.policies.spec import PolicySpec

COMMIT, OLDER = "c" * 40, "0" * 39 + "1"
LARGE = (".jpg", ".safetensors", ".parquet")  # as the hub keeps large files: by their sha256


class Hub(BaseHTTPRequestHandler):
    """One repository of each kind, from a folder; others are missing or gated."""

    folders: dict[str, Path] = {}
    seen: list[str] = []
    damaged = ""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        type(self).seen.append(f"{self.command} {self.path} {self.headers.get('Authorization', '')}")
        kind = "dataset" if "datasets" in parts[:2] else "model"
        parts = parts[1:] if parts[0] == "api" else parts
        parts = parts[1:] if parts[0] in ("datasets", "models") else parts
        name, rest = "/".join(parts[:2]), parts[2:]
        folder = self.folders.get(f"{kind} {name}")
        if name == "some/gated":
            return self.fail(403, "GatedRepo")
        if folder is None:
            return self.fail(404, "RepoNotFound")
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in ("main", COMMIT):
            return self.fail(404, "RevisionNotFound")
        if rest[:1] == ["tree"]:
            return self.json([self.entry(folder, path) for path in files(folder)])
        if rest[:1] == ["resolve"]:
            return self.file(folder, "/".join(rest[2:]))
        siblings = [{"rfilename": path} for path in files(folder)]
        return self.json({"id": name, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []})

    def entry(self, folder, path):
        data = (folder / path).read_bytes()
        found = {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        if path.endswith(LARGE):
            digest = hashlib.sha256(data).hexdigest()
            found["lfs"] = {"oid": digest, "sha256": digest, "size": len(data), "pointerSize": 100}
        return found

    def file(self, folder, path):
        if not (folder / path).is_file():
            return self.fail(404, "EntryNotFound")
        data = (folder / path).read_bytes()
        entry = self.entry(folder, path)
        etag = entry.get("lfs", entry)["oid"]
        if path == self.damaged:
            data = data[:-1] + bytes([data[-1] ^ 1])
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(data))}
        return self.send(200, data, headers)

    def json(self, data):
        return self.send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def fail(self, code, name):
        return self.send(code, b"{}", {"X-Error-Code": name})

    def send(self, code, data, headers):
        self.send_response(code)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        pass


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def hub(monkeypatch, tmp_path):
    class Mine(Hub):
        folders, seen, damaged = {}, [], ""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "hf_a_secret_token")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield Mine
    server.shutdown()
    server.server_close()


@pytest.fixture
def benchmark(hub, tmp_path):
    folder = tmp_path / "published"
    vstar(folder)
    hub.folders["dataset craigwu/vstar_bench"] = folder
    return folder


def test_a_benchmark_is_fetched_converted_and_recorded(hub, benchmark, tmp_path):
    state = import_tasks("hub:vstar", tmp_path / "tasks")
    plain = import_tasks(benchmark, tmp_path / "plain")
    assert (state.tasks, state.format, state.done) == (plain.tasks, "vstar", True)
    tasks = read_tasks(tmp_path / "tasks")
    assert [task.id for task in tasks] == [task.id for task in read_tasks(tmp_path / "plain")]
    record = json.loads((tmp_path / "tasks" / "source.json").read_text())
    assert (record["repository"], record["revision"]) == ("craigwu/vstar_bench", COMMIT)
    assert sorted(record["files"]) == files(benchmark)
    for path, digest in record["files"].items():
        data = (benchmark / path).read_bytes()
        known = hashlib.sha256(data) if path.endswith(LARGE) else hashlib.sha1(data)
        assert digest == known.hexdigest()
    assert "Bearer hf_a_secret_token" in hub.seen[0]
    config = json.loads((tmp_path / "tasks" / "config.json").read_text())["config"]
    assert config["source"] == f"hub:craigwu/vstar_bench@{COMMIT}"
    import_tasks(f"hub:craigwu/vstar_bench@{COMMIT}", tmp_path / "tasks")  # the same under its other name


def test_what_is_in_the_cache_needs_no_hub(hub, benchmark, tmp_path, monkeypatch):
    first = fetch("craigwu/vstar_bench", "dataset")
    count = len(hub.seen)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch("craigwu/vstar_bench", "dataset") == first
    assert len(hub.seen) == count
    with pytest.raises(
        UserError, match=r"^hf:some/other: not in the cache, and the hub cannot be asked .*HF_HUB_OFFLINE"
    ):
        fetch("some/other", "model", what="hf:some/other")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "some/missing",
            "the hub has no dataset some/missing, or it is private: check the name, or set HF_TOKEN",
        ),
        ("some/gated", "some/gated is gated; accept its terms on the hub, then set HF_TOKEN"),
        ("craigwu/vstar_bench@v9", "craigwu/vstar_bench has no revision v9; check what follows the @"),
        (f"craigwu/vstar_bench@{OLDER}", f"craigwu/vstar_bench has no revision {OLDER}"),
    ],
)
def test_what_cannot_be_had_is_one_line_with_a_remedy(hub, benchmark, name, told):
    with pytest.raises(UserError) as refused:
        fetch_data_set(f"hub:{name}")
    assert str(refused.value).startswith(f"hub:{name}: {told}")
    assert "\n" not in str(refused.value)


def test_a_hub_that_is_down_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="not in the cache, and the hub cannot be asked"):
        fetch("some/model", "model")


def test_a_name_that_is_not_known_is_told_with_those_that_are(hub):
    with pytest.raises(UserError, match="hub:vstart: is not known; choose vstar, hrbench_4k"):
        fetch_data_set("hub:vstart")
    assert {known.format for known in DATA_SETS.values()} <= set(LOADERS)


def test_a_damaged_file_is_named(hub, benchmark):
    hub.damaged = next(path for path in files(benchmark) if path.endswith(".jpg"))
    with pytest.raises(UserError, match="is damaged; delete it, and it is fetched again"):
        fetch("craigwu/vstar_bench", "dataset")


def test_a_model_of_the_hub_is_a_folder_like_any_other(hub, tmp_path, monkeypatch):
    hub.folders["model org/nano"] = NANO_DIR
    monkeypatch.chdir(tmp_path)
    folder = model_folder("org/nano")
    check_checkpoint(folder)
    assert set(files(folder)) == {
        name for name in files(NANO_DIR) if Path(name).suffix in {".json", ".safetensors", ".txt"}
    }
    assert folder.name == COMMIT
    assert model_folder(f"org/nano@{COMMIT}") == folder
    assert PolicySpec("hf:org/nano@main").rest == "org/nano@main"
    assert MODEL_FILES


def test_a_folder_comes_before_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    assert not is_hub_name("runs/sft")  # a folder that could be there
    assert not is_hub_name("/models/x")
    assert not is_hub_name("a/b/c")
    assert is_hub_name("Qwen/Qwen2.5-VL-7B-Instruct@main")
