"""Conversations in the layout of the official Mini-o3-Coldstart-Dataset, as episodes.

Columns (`reference`: benchmarks section 4): `conversations`, a string that holds a list of {from, value};
`images`, a list of {bytes, path}; `image_names`, `data_source`, `sample_index`, `rollout_index`. What a
conversation says is played again by the rules on its first image, so that boxes become rectangles and what
breaks a rule is known as such.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from mini_o3.episode import EPISODES_FILE, Episode, Limits, SearchTask, StopReason, run_episode
from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import require
from mini_o3.kit.files import append_jsonl, make_folder, read_jsonl, write_bytes
from mini_o3.kit.loop import run_coroutine
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.policies.replay import Replay
from mini_o3.vision import load_picture

SKIPPED_FILE = "skipped.jsonl"
_COLUMNS = {"conversations", "images"}


def import_conversations(files: Sequence[Path], out: Path, *, progress: OnProgress = no_progress) -> str:
    """Write `out/episodes.jsonl` and `out/pictures/`; return a line that says how many there are.

    Rows that cannot be read, or do not end with an answer, are named in `out/skipped.jsonl` with the reason.
    Rows that are there already are left alone, so an interrupted import goes on where it stopped.

    Raises:
        UserError: a file cannot be read as parquet, or lacks a column.
    """
    total = sum(_open(path).metadata.num_rows for path in files)
    try:
        done = {(row["meta"]["file"], row["meta"]["row"]) for row in read_jsonl(out / EPISODES_FILE)}
    except KeyError:
        raise UserError(f"{out}: holds episodes that were not imported; give another `out` folder") from None
    done |= {(row["file"], row["row"]) for row in read_jsonl(out / SKIPPED_FILE)}
    make_folder(out / "pictures")
    count = 0
    for path in files:
        for number, row in _rows(path):
            count += 1
            if (path.name, number) not in done:
                where = {"file": path.name, "row": number}
                try:
                    append_jsonl(out / EPISODES_FILE, _episode(row, where, out).to_dict())
                except _Unusable as error:
                    append_jsonl(out / SKIPPED_FILE, {**where, "reason": str(error)})
            progress(count, total)
    kept, skipped = len(read_jsonl(out / EPISODES_FILE)), len(read_jsonl(out / SKIPPED_FILE))
    return f"{out / EPISODES_FILE}: {kept} episodes, {skipped} rows skipped (see {SKIPPED_FILE})"


class _Unusable(Exception):
    """A row that is not an episode; says why."""


def _open(path: Path) -> Any:
    require("data", "reading parquet files")
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read as parquet ({error}); give files of Mini-o3-Coldstart-Dataset"
        ) from None
    missing = _COLUMNS - set(file.schema_arrow.names)
    if missing:
        raise UserError(
            f"{path}: lacks the column {', '.join(sorted(missing))}; is it a file of"
            " Mini-o3-Coldstart-Dataset?"
        )
    return file


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    for batch in _open(path).iter_batches(batch_size=8):
        for row in batch.to_pylist():
            yield number, row
            number += 1


def _episode(row: dict[str, Any], where: dict[str, Any], out: Path) -> Episode:
    conversation = _conversation(row["conversations"])
    question = next((turn["value"] for turn in conversation if turn["from"] == "human"), "")
    texts = [turn["value"] for turn in conversation if turn["from"] == "gpt"]
    if not question or not texts:
        raise _Unusable("the conversation lacks a question or a reply")
    picture = _picture(row["images"], out)
    task = SearchTask(picture=str(picture.relative_to(out)), question=question.replace("<image>", "").strip())
    policy = Replay({"*": texts})
    limits = Limits(turns=len(texts))
    episode = run_coroutine(run_episode(task, policy, limits, picture=load_picture(str(picture))))
    if episode.stop is not StopReason.ANSWERED:
        raise _Unusable(f"the conversation does not end with an answer ({episode.stop.value})")
    meta = {
        **where,
        **{
            key: row[key]
            for key in ("data_source", "sample_index", "rollout_index")
            if row.get(key) is not None
        },
    }
    return replace(episode, policy="imported", meta=meta)


def _conversation(text: Any) -> list[dict[str, str]]:
    """The list in the string, as JSON or as Python writes it; nothing is executed."""
    if isinstance(text, str):
        try:
            text = json.loads(text)
        except (ValueError, RecursionError):
            try:
                text = ast.literal_eval(text)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                raise _Unusable("conversations: neither JSON nor a Python list") from None
    if not isinstance(text, list) or not all(
        isinstance(turn, dict) and isinstance(turn.get("from"), str) and isinstance(turn.get("value"), str)
        for turn in text
    ):
        raise _Unusable("conversations: not a list of {from, value}")
    return text


def _picture(images: Any, out: Path) -> Path:
    try:
        data = images[0]["bytes"]
        kind = Image.open(io.BytesIO(data)).format or ""
    except (TypeError, KeyError, IndexError, OSError, ValueError):
        raise _Unusable("images: the first one is missing or not a picture") from None
    path = out / "pictures" / f"{hashlib.sha256(data).hexdigest()[:20]}.{kind.lower() or 'img'}"
    if not path.exists():
        write_bytes(path, data)
    return path
