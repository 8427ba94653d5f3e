"""Kept searches as training data for other programs, every view cut anew as a policy with these prompts would
see it.

- `parquet`: one row per episode with messages, views, what nobody should imitate, and where it comes from;
- `sharegpt`: `data.json`, `images/` and a `dataset_info.json` for LLaMA-Factory;
- `trl`: `data.jsonl` with `messages` and `images`, as TRL's SFT trainer takes for vision models;
- `coldstart`: the columns of the official Mini-o3-Coldstart-Dataset.

Only the first can say that a turn is not to be learnt; episodes with such a turn are left out of the others,
and counted.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from mini_o3.episode import EPISODES_FILE, Episode, Message
from mini_o3.episode.patterns import patterns
from mini_o3.episode.replayed import is_exemplary, picture_of, replay_messages
from mini_o3.episode.store import answered_episodes
from mini_o3.kit.errors import SettingError
from mini_o3.kit.extras import require
from mini_o3.kit.files import make_folder, to_json, write_atomically, write_bytes, write_json
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.protocol import load_profile
from mini_o3.vision import PixelBudget

FORMATS = ("parquet", "sharegpt", "trl", "coldstart")
IMAGE_MARK = "<image>"
_FROM = {"system": "system", "user": "human", "assistant": "gpt"}
_GROUP = 32  # rows that are in memory at the same time


class Told(NamedTuple):
    """One episode, its conversation, and its views as JPEG in the order in which they are shown."""

    episode: Episode
    messages: list[Message]
    views: list[bytes]


def export(
    folder: Path,
    out: Path,
    form: str,
    *,
    profile: str = "search",
    budget: PixelBudget | None = None,
    progress: OnProgress = no_progress,
) -> str:
    """Write the answered episodes of `folder` (or of its `kept`) to `out` and return a line that says what
    was written.

    Raises:
        UserError: the format is unknown, or there are no episodes.
    """
    if form not in FORMATS:
        raise SettingError("format", f"unknown; choose one of {', '.join(FORMATS)}", form)
    folder = folder / "kept" if (folder / "kept" / EPISODES_FILE).is_file() else folder
    episodes = answered_episodes(folder)
    fit = episodes if form == "parquet" else [e for e in episodes if all(map(is_exemplary, e.turns))]
    make_folder(out)
    prompts, size = load_profile(profile), budget or PixelBudget()

    def told() -> Iterator[Told]:
        for done, episode in enumerate(fit, start=1):
            messages = list(replay_messages(episode, picture_of(episode, folder), prompts, size))
            yield Told(
                episode,
                messages,
                [_jpeg(part) for m in messages for part in m.parts if isinstance(part, Image.Image)],
            )
            progress(done, len(fit))

    writers = {"parquet": _parquet, "sharegpt": _sharegpt, "trl": _trl, "coldstart": _coldstart}
    path = writers[form](told(), out)
    left = len(episodes) - len(fit)
    note = f", {left} left out: they have turns that nobody should imitate" if left else ""
    return f"{path}: {len(fit)} episodes{note}"


def _parquet(told: Iterator[Told], out: Path) -> Path:
    def row(one: Told) -> dict[str, Any]:
        episode = one.episode
        return {
            "task_id": episode.task_id,
            "seed": episode.seed,
            "question": episode.question,
            "answer": episode.answer,
            "expected": episode.expected,
            "num_turns": episode.num_turns,
            "patterns": sorted(patterns(episode)),
            "messages": json.dumps([_typed(message) for message in one.messages], ensure_ascii=False),
            "learn": [is_exemplary(turn) for turn in episode.turns],
            "images": [{"bytes": view, "path": None} for view in one.views],
            "episode": json.dumps(episode.to_dict(), ensure_ascii=False),
        }

    return _write_parquet(out / "episodes.parquet", map(row, told))


def _coldstart(told: Iterator[Told], out: Path) -> Path:
    def row(one: Told) -> dict[str, Any]:
        names = [f"{one.episode.task_id}_{one.episode.seed}_{number}.jpg" for number in range(len(one.views))]
        return {
            "conversations": json.dumps(_sharegpt_turns(one), ensure_ascii=False),
            "images": [{"bytes": view, "path": name} for view, name in zip(one.views, names, strict=True)],
            "image_names": names,
            "data_source": str(one.episode.meta.get("source", "mini_o3")),
            "sample_index": one.episode.task_id,
            "rollout_index": one.episode.seed,
        }

    return _write_parquet(out / "train-00000-of-00001.parquet", map(row, told))


def _sharegpt(told: Iterator[Told], out: Path) -> Path:
    rows = [{"conversations": _sharegpt_turns(one), "images": _images(one, out)} for one in told]
    write_json(out / "data.json", rows)
    columns = {"messages": "conversations", "images": "images"}
    tags = {
        "role_tag": "from",
        "content_tag": "value",
        "user_tag": "human",
        "assistant_tag": "gpt",
        "system_tag": "system",
    }
    entry = {"file_name": "data.json", "formatting": "sharegpt", "columns": columns, "tags": tags}
    write_json(out / "dataset_info.json", {"mini_o3_coldstart": entry})
    return out / "data.json"


def _trl(told: Iterator[Told], out: Path) -> Path:
    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8") as file:
            for one in told:
                messages = [_typed(message) for message in one.messages]
                file.write(to_json({"messages": messages, "images": _images(one, out)}) + "\n")

    write_atomically(out / "data.jsonl", write)
    return out / "data.jsonl"


def _typed(message: Message) -> dict[str, Any]:
    """As chat templates of transformers want it: a list of texts and places of images."""
    content = [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"}
        for part in message.parts
    ]
    return {"role": message.role, "content": content}


def _sharegpt_turns(one: Told) -> list[dict[str, str]]:
    """A mark stands where a view goes; one that somebody wrote is taken apart, or there would be more marks
    than views."""
    return [
        {
            "from": _FROM[message.role],
            "value": "".join(
                part.replace(IMAGE_MARK, "< image>") if isinstance(part, str) else IMAGE_MARK
                for part in message.parts
            ),
        }
        for message in one.messages
    ]


def _images(one: Told, out: Path) -> list[str]:
    """The views as files named by their content, each once."""
    make_folder(out / "images")
    names = []
    for view in one.views:
        name = f"images/{hashlib.sha256(view).hexdigest()[:20]}.jpg"
        if not (out / name).exists():
            write_bytes(out / name, view)
        names.append(name)
    return names


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]]) -> Path:
    require("data", "writing parquet files")
    import pyarrow as pa
    import pyarrow.parquet as pq

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kinds = {
        "images": pa.list_(image),
        "learn": pa.list_(pa.bool_()),
        "seed": pa.int64(),
        "num_turns": pa.int64(),
    }
    kinds |= {
        "image_names": pa.list_(pa.string()),
        "patterns": pa.list_(pa.string()),
        "rollout_index": pa.int64(),
    }

    def write(part: Path) -> None:
        writer: Any = None
        batch: list[dict[str, Any]] = []

        def flush() -> None:
            nonlocal writer
            schema = pa.schema([(name, kinds.get(name, pa.string())) for name in batch[0]])
            writer = writer or pq.ParquetWriter(part, schema)
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            batch.clear()

        for row in rows:
            batch.append(row)
            if len(batch) == _GROUP:
                flush()
        if batch:
            flush()
        if writer is not None:
            writer.close()

    write_atomically(path, write)
    return path


def _jpeg(view: Image.Image) -> bytes:
    buffer = io.BytesIO()
    view.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
