"""Mutated pictures, files and turns: one clear line or a result, never a traceback, a hang or a full memory.

`make fuzz` tries 10,000 pictures, 5,000 archives, clips and files of every reader, and 100,000 turns; `make
test` a sample.
"""

import io
import json
import resource
import tarfile
import time
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from clips import plain, write_clip
from PIL import Image, features

from mini_o3.episode import Episode, SearchTask, read_tasks
from mini_o3.evaluate.report import read_manifest
from mini_o3.finding.sources import list_sources
from mini_o3.judge import Verdict
from mini_o3.kit.config import read_config
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import read_jsonl, read_records
from mini_o3.kit.tables import table_rows
from mini_o3.policies.replay import Replay
from mini_o3.protocol import Answer, Malformed, Zoom
from mini_o3.protocol.dialects import DIALECTS, Frame, load_dialect
from mini_o3.sft.config import TrainConfig
from mini_o3.vision import Rect, open_picture
from mini_o3.vision.video import different_frames, open_clip

SAMPLE, ALL = 0.01, 1.0
SHARES = [SAMPLE, pytest.param(ALL, marks=[pytest.mark.slow, pytest.mark.fuzz, pytest.mark.timeout(7200)])]
LONGEST, MEMORY = 10.0, 1 << 30  # seconds of one try, bytes of the process beyond what it began with


def mutated(rng, data):
    """Some bytes turned, cut out, doubled or replaced, at one to eight places."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        at, size = int(rng.integers(0, max(len(data), 1))), int(rng.integers(1, 33))
        kind = rng.integers(0, 5)
        if kind == 0:
            data[at : at + 1] = bytes([int(rng.integers(0, 256))])
        elif kind == 1:
            del data[at : at + size]
        elif kind == 2:
            data[at:at] = data[at : at + size]
        elif kind == 3:
            data[at : at + size] = rng.bytes(size)
        else:
            data[at:at] = [
                b"\xff\xfe",
                b"\x00",
                b'"',
                b"[" * 2000,
                b"\r",
                b"1e999",
                b"NaN",
                "\u2028".encode(),
            ][int(rng.integers(0, 8))]
    return bytes(data)


class Watch:
    """Every try is short, and all of them together take no more memory than `MEMORY`."""

    def __init__(self):
        self.began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def __call__(self, what, *given):
        began = time.process_time()
        found = None
        with suppress(UserError):
            found = what(*given)
        assert time.process_time() - began < LONGEST
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self.began) * 1024 < MEMORY
        return found


def pictures():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 4), dtype=np.uint8)
    kinds = [("PNG", "RGBA"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("GIF", "P"), ("BMP", "RGB"), ("PPM", "RGB")]
    kinds += [("TIFF", "RGB"), ("PNG", "I;16")] + [("AVIF", "RGB")] * features.check("avif")
    for fmt, mode in kinds:
        buffer = io.BytesIO()
        picture = Image.fromarray(pixels)
        picture = (
            Image.fromarray(pixels[..., 0].astype(np.uint16) * 257) if ";" in mode else picture.convert(mode)
        )
        picture.save(buffer, fmt, **({"compression": "tiff_lzw"} if fmt == "TIFF" else {}))
        yield buffer.getvalue()


@pytest.mark.parametrize("share", SHARES)
def test_mutated_pictures_open_or_are_refused(tmp_path, share, capfd):
    rng, watch, seeds, path = np.random.default_rng(1), Watch(), list(pictures()), tmp_path / "picture"
    for number in range(int(10_000 * share)):
        path.write_bytes(mutated(rng, seeds[number % len(seeds)]))
        watch(open_picture, path)
    assert capfd.readouterr() == ("", "")


def archives():
    content = io.BytesIO()
    Image.new("RGB", (40, 40)).save(content, "PNG")
    picture = content.getvalue()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"a/{number}.png", picture)
    yield "a.zip", packed.getvalue()
    for ending in ("tar", "tar.gz", "tar.bz2", "tar.xz"):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode=f"w:{ending[4:]}") as archive:
            for number in range(3):
                member = tarfile.TarInfo(f"\u00e9{number}.png")
                member.size = len(picture)
                archive.addfile(member, io.BytesIO(picture))
        yield f"a.{ending}", packed.getvalue()


@pytest.mark.parametrize("share", SHARES)
def test_mutated_archives_are_read_or_refused(tmp_path, share):
    def read(path):
        with list_sources([path], skip=tmp_path / "out", scratch=tmp_path) as sources:
            for source in sources.pictures:
                with suppress(UserError):
                    source.picture()

    rng, watch, seeds = np.random.default_rng(4), Watch(), list(archives())
    for number in range(int(5_000 * share)):
        name, content = seeds[number % len(seeds)]
        (tmp_path / name).write_bytes(mutated(rng, content))
        watch(read, tmp_path / name)
        assert [path.name for path in tmp_path.iterdir() if path.name[0] != "a"] == []


@pytest.mark.parametrize("share", SHARES)
def test_mutated_clips_are_read_or_refused(tmp_path, share, capfd):
    pytest.importorskip("av")

    def read(path):
        with path.open("rb") as file, open_clip(path.name, file) as clip:
            list(different_frames(clip, 0.5))
        open_picture(f"{path}@0.5-1")

    images = [plain("navy", size=(64, 48), mark=(10 + 2 * number, 20)) for number in range(20)]
    endings = ("mp4", "mkv", "avi")
    seeds = {end: write_clip(tmp_path / f"a.{end}", images).read_bytes() for end in endings}
    rng, watch = np.random.default_rng(5), Watch()
    for number in range(int(5_000 * share)):
        path = tmp_path / f"b.{endings[number % 3]}"
        path.write_bytes(mutated(rng, seeds[path.suffix[1:]]))
        watch(read, path)
    assert capfd.readouterr() == ("", "")


TASK = SearchTask("p.png", "Wo?", "rot", options=("rot", "blau"), size=(80, 60)).to_dict()
EPISODE = {
    "task_id": "a",
    "picture": "p.png",
    "question": "Wo?",
    "size": [80, 60],
    "policy": "p",
    "profile": "search@1",
    "limits": {"turns": 4},
    "seed": 0,
    "shown": [80, 60],
    "stop": "answered",
    "answer": "rot",
    "turns": [{"text": "<answer>rot</answer>", "action": {"answer": "rot"}, "seconds": 0.1}],
}
READERS = {
    "tasks.jsonl": (json.dumps(TASK) + "\n", lambda path: read_tasks(path.parent)),
    "episodes.jsonl": (
        (json.dumps(EPISODE) + "\n") * 2,
        lambda path: read_records(path, Episode.from_dict, "an episode"),
    ),
    "verdicts.jsonl": (
        '{"kind": "correct", "reason": "", "task_id": "a", "seed": 0}\n' * 2,
        lambda path: read_records(path, Verdict.from_dict, "a verdict"),
    ),
    "protocol.json": (
        '{"tasks": "t", "turns": 4, "policy": "nano"}',
        lambda path: read_manifest(path.parent),
    ),
    "rows.jsonl": ('{"a": [1, 2, {"b": null}]}\n' * 3, read_jsonl),
    "rows.tsv": ('a\tb\tc\n"x\ny"\t2\t3\n1\t2"\t3\n', lambda path: list(table_rows(path, "\t"))),
    "rows.csv": ('a,b,c\n"x, y",2,3\n1,2,"3"\n', lambda path: list(table_rows(path, ","))),
    "settings.toml": ('seed = 3\nstages = ["point"]\n', lambda path: read_config(path, TrainConfig)),
    "replay.jsonl": (json.dumps(EPISODE) + "\n", lambda path: Replay.read(str(path))),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("share", SHARES)
def test_mutated_files_are_read_or_refused(tmp_path, share, name):
    rng, watch, (text, read) = np.random.default_rng(2), Watch(), READERS[name]
    for _ in range(int(5_000 * share)):
        (tmp_path / name).write_bytes(mutated(rng, text.encode()))
        watch(read, tmp_path / name)


TURNS = [
    '<think>hm</think><grounding>{"bbox_2d": [0.1, 0.2, 0.5, 0.6], "source": "original_image"}</grounding>',
    "<think>hm</think><answer>\\boxed{\\text{red}}</answer>",
    '<tool_call>\n{"name": "image_zoom_in_tool", "arguments": {"bbox_2d": [0, 0, 400, 400]}}\n</tool_call>',
    '<tool_call>{"name": "crop_image_normalized", "arguments": {"bbox_2d": [0, 0, 1, 1], "target_image": 1}}'
    "</tool_call>",
    "The answer is **B**.",
]


@pytest.mark.parametrize("share", SHARES)
def test_mutated_turns_are_actions_or_taught(share):
    rng, frames = np.random.default_rng(3), [Frame(Rect(0, 0, 800, 600), (400, 300))]
    spoken = [load_dialect(name) for name in DIALECTS]
    watch = Watch()
    for number in range(int(100_000 * share)):
        text = mutated(rng, TURNS[number % len(TURNS)].encode()).decode("utf-8", "replace")
        dialect = spoken[number // len(TURNS) % len(spoken)]
        assert isinstance(watch(dialect.parse, text, frames), Zoom | Answer | Malformed), text


@pytest.mark.parametrize(
    "piece", ["\\", "\\boxed{", "<think>", "{", "[", '"', "</answer>", "<answer>", "((", "1,"]
)
def test_long_turns_are_read_in_linear_time(piece):
    frames, watch = [Frame(Rect(0, 0, 800, 600), (400, 300))], Watch()
    for name in DIALECTS:
        watch(load_dialect(name).parse, piece * (1_000_000 // len(piece)), frames)
