"""Two smaller benchmarks: TreeBench (arXiv 2507.07999), which has target boxes, and O3-Bench (InSight-o3)."""

from __future__ import annotations

from mini_o3.benchmarks.boxes import Boxes, xyxy
from mini_o3.benchmarks.layout import Draft, Job, Layout, Loader, has_columns, has_keys
from mini_o3.benchmarks.options import read_options
from mini_o3.benchmarks.pictures import find
from mini_o3.benchmarks.rows import Record, read_files, read_lines, take, take_any, text_of
from mini_o3.benchmarks.tables import table_draft, table_rows


def _tree(record: Record, job: Job) -> list[Draft]:
    """A row of TreeBench.tsv: `target_instances` holds [[x1, y1, x2, y2], ...] in pixels; some rows have no
    options."""
    boxes = Boxes(xyxy(take_any(record.data, "target_instances")))
    return [table_draft(record, job, source="treebench", boxes=boxes)]


def _o3(record: Record, job: Job) -> list[Draft]:
    """A line of O3-Bench's `metadata.jsonl`; its options end with one that says that none is right."""
    data, folder = record.data, record.file.parent
    draft = Draft.read(
        find(str(take(data, "file_name")), folder, folder / "images"),
        str(take(data, "question")),
        read_options(take(data, "options")),
        take(data, "answer"),
        least=2,
        source="o3_bench",
        category=text_of(data, "subset", "category"),
        name=text_of(data, "id", "question_id"),
    )
    return [draft]


TREEBENCH = Loader(
    "treebench",
    "TreeBench",
    "hub data set HaochenWang/TreeBench (TreeBench.tsv)",
    (
        Layout(
            ("*.tsv|*.parquet|*/*.parquet",),
            table_rows,
            _tree,
            has_columns("image", "question", "answer", "target_instances"),
        ),
    ),
)

O3BENCH = Loader(
    "o3bench",
    "O3-Bench",
    "hub data set m-Just/O3-Bench (test/metadata.jsonl and its pictures)",
    (
        Layout(
            ("metadata.jsonl|*/metadata.jsonl",),
            lambda job: read_files(job.files, read_lines),
            _o3,
            has_keys("file_name", "subset", "question", "options"),
        ),
    ),
)
