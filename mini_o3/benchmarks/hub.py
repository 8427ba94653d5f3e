"""Benchmarks by name from the Hugging Face hub: where each lies, and which of its files are needed."""

from __future__ import annotations

from typing import NamedTuple

from mini_o3.kit.errors import UserError
from mini_o3.kit.hub import Repository, fetch

PREFIX = "hub:"


class DataSet(NamedTuple):
    """A data set of the hub and the loader that reads it; no patterns are all files."""

    repository: str
    format: str
    patterns: tuple[str, ...] = ()


DATA_SETS = {
    "vstar": DataSet("craigwu/vstar_bench", "vstar"),
    "hrbench_4k": DataSet("DreamMr/HR-Bench", "hrbench", ("hr_bench_4k.tsv",)),
    "hrbench_8k": DataSet("DreamMr/HR-Bench", "hrbench", ("hr_bench_8k.tsv",)),
    "mme": DataSet("yifanzhang114/MME-RealWorld-Lmms-eval", "mme", ("*.parquet", "*/*.parquet")),
    "mme_lite": DataSet("yifanzhang114/MME-RealWorld-lite-lmms-eval", "mme", ("*.parquet", "*/*.parquet")),
    "visualprobe_easy": DataSet("Mini-o3/VisualProbe_Easy", "visualprobe"),
    "visualprobe_medium": DataSet("Mini-o3/VisualProbe_Medium", "visualprobe"),
    "visualprobe_hard": DataSet("Mini-o3/VisualProbe_Hard", "visualprobe"),
    "visualprobe_train": DataSet("Mini-o3/VisualProbe_train", "visualprobe"),
    "treebench": DataSet("HaochenWang/TreeBench", "treebench", ("TreeBench.tsv",)),
    "o3bench": DataSet("m-Just/O3-Bench", "o3bench"),
    "deepeyes": DataSet("ChenShawn/DeepEyes-Datasets-47k", "deepeyes", ("*.parquet", "*/*.parquet")),
    "coldstart": DataSet("Mini-o3/Mini-o3-Coldstart-Dataset", "coldstart", ("*.parquet", "*/*.parquet")),
}


def fetch_data_set(source: str) -> tuple[Repository, str]:
    """What `hub:NAME[@REVISION]` or `hub:ORG/NAME[@REVISION]` means, fetched, and the format it is in.

    Raises:
        UserError: as `kit.hub.fetch`, or no data set of that name is known.
    """
    name, at, revision = source.removeprefix(PREFIX).partition("@")
    known = DATA_SETS.get(name)
    if known is None and "/" not in name:
        raise UserError(f"{source}: is not known; choose {', '.join(DATA_SETS)}, or give hub:ORG/NAME")
    known = known or DataSet(name, "auto")
    fetched = fetch(f"{known.repository}{at}{revision}", "dataset", known.patterns, source)
    return fetched, known.format
