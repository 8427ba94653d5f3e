"""One evaluation in several pieces, on several machines, and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mini_o3.episode import EPISODES_FILE, SearchTask
from mini_o3.evaluate.protocol import PROTOCOL_FILE
from mini_o3.evaluate.report import read_manifest, write_report
from mini_o3.judge.record import VERDICTS_FILE
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import make_folder, read_jsonl, write_json, write_jsonl
from mini_o3.kit.run import other_settings


def shard(tasks: Sequence[SearchTask], spec: str) -> list[SearchTask]:
    """The tasks of shard `i/n`, i from 1 to n; tasks on one picture stay together.

    Raises:
        UserError: it is not such a number.
    """
    index, _, count = spec.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise SettingError("shard", "expected i/n with i from 1 to n, such as 2/3", spec)
    pictures = {
        picture: number for number, picture in enumerate(dict.fromkeys(task.picture for task in tasks))
    }
    return [task for task in tasks if pictures[task.picture] % int(count) == int(index) - 1]


def merge(folders: Sequence[Path], out: Path) -> dict[str, Any]:
    """Put the shards of one evaluation together in `out`; the report is that of an evaluation that never was
    in pieces.

    Raises:
        UserError: they are shards of different evaluations, one is missing, or one is there twice.
    """
    manifests = [read_manifest(folder) for folder in folders]
    shards = [str(manifest.pop("shard", "")) for manifest in manifests]
    for folder, manifest in zip(folders, manifests, strict=True):
        if changed := other_settings(manifests[0], manifest, ("revision", "report")):
            raise UserError(
                f"{folder}: is not of the same evaluation as {folders[0]} (other {', '.join(changed)})"
            )
    counts = {name.partition("/")[2] for name in shards}
    count = counts.pop() if len(counts) == 1 else ""
    missing = [f"{i}/{count}" for i in range(1, int(count or 0) + 1) if f"{i}/{count}" not in shards]
    if not count or missing or len(set(shards)) != len(shards):
        what = f"without {', '.join(missing)}" if missing else "not of the same number, or one twice"
        raise UserError(f"merge: got the shards {', '.join(shards) or 'none'}, {what}; give every shard once")
    make_folder(out)
    if (out / PROTOCOL_FILE).exists():
        raise UserError(f"{out}: holds an evaluation already; give another `out` folder")
    for name in (EPISODES_FILE, VERDICTS_FILE):
        rows = [row for folder in folders for row in read_jsonl(folder / name)]
        write_jsonl(out / name, rows)
    revisions = dict.fromkeys(manifest["revision"] for manifest in manifests)
    write_json(out / PROTOCOL_FILE, {**manifests[0], "revision": ", ".join(revisions)})
    return write_report(out)
