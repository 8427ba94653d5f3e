"""Whatever stands in a field of a row, it is a task or a bad row, never a crash."""

from __future__ import annotations

import io
import json
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import b64, coldstart_row, deepeyes_row, hr_rows, mme_row, picture, put
from PIL import Image

from mini_o3.benchmarks import coldstart
from mini_o3.benchmarks.importer import drafts_of
from mini_o3.benchmarks.layout import Job
from mini_o3.benchmarks.pictures import Encoded, Header, PictureStore, from_cell
from mini_o3.benchmarks.registry import LOADERS
from mini_o3.benchmarks.rows import BadRow, Record
from mini_o3.episode import SearchTask

ROW = {"question": "Which?", "answer": "A", "image": "a.jpg"}
CHOICES = "A. one\nB. two\nC. three\nD. four"
DOG = {"LabelName": "/m/01", "XMin": "0.1", "XMax": "0.2", "YMin": "0.3", "YMax": "0.4", "IsGroupOf": "0"}

# (format, number of the layout, a row that is right)
RIGHT = [
    (
        "vstar",
        0,
        {"image": "a.jpg", "text": f"Which?\n{CHOICES}", "label": "B", "category": "x", "question_id": 3},
    ),
    (
        "vstar",
        1,
        {"question": "Which?", "options": ["one", "two"], "bbox": [[0, 0, 9, 9]], "target_object": ["x"]},
    ),
    (
        "vstar",
        2,
        {"image": {"bytes": picture()}, "text": f"Which?\n{CHOICES}", "label": "B", "category": "x"},
    ),
    ("hrbench", 0, hr_rows(1)[0]),
    ("hrbench", 2, {**ROW, "options": CHOICES, "category": "single", "question_id": 1}),
    (
        "hrbench",
        3,
        {"input_image": "a.jpg", "question": "Which?", "options": [CHOICES] * 2, "answer": ["A", "B"]},
    ),
    (
        "mme",
        0,
        {
            "Image": "a.jpg",
            "Text": "Which?",
            "Answer choices": ["(A) x", "(B) y"],
            "Ground truth": "A",
            "Task": "x",
        },
    ),
    ("mme", 1, mme_row()),
    (
        "visualprobe",
        0,
        {"images": ["a.jpg"], "doc_id": "x", "problem": "Which?", "solution": "x", "data_source": "x_hard"},
    ),
    ("deepeyes", 0, deepeyes_row(bboxes=[[0, 0, 9, 9]])),
    ("coldstart", 0, coldstart_row()),
    (
        "treebench",
        0,
        {**ROW, "image": b64(picture()), "target_instances": "[[0, 0, 9, 9]]", "A": "x", "B": "y"},
    ),
    (
        "o3bench",
        0,
        {"file_name": "a.jpg", "subset": "x", "question": "Which?", "options": CHOICES, "answer": "B"},
    ),
    ("user", 0, {**ROW, "options": ["x", "y"], "bboxes": [[0, 0, 9, 9]], "id": 1, "answer": "x"}),
    ("table", 0, {**ROW, "image": b64(picture()), "A": "x", "B": "y", "index": 1}),
]

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.binary(max_size=9)
ODD = (
    PLAIN
    | st.lists(PLAIN | st.lists(PLAIN, max_size=4), max_size=3)
    | st.dictionaries(st.text(max_size=4), PLAIN, max_size=3)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    put(folder / "a.jpg", picture())
    put(folder / "a.json", "{}")
    return folder


def tasks_of(name, number, data, folder):
    """The tasks that the layout makes of one row, as the importer does."""
    job = Job(folder, (folder / "a.json",))
    if name == "coldstart":
        asked = coldstart._asked(Record(folder / "a.json", 1, data))
        data = {**data, "_asked": asked}
    drafts = drafts_of(Record(folder / "a.json", 1, data), LOADERS[name].layouts[number], job)
    return [draft.task("a.jpg", Header((64, 48), (64, 48))) for draft in drafts]


@pytest.mark.parametrize(("name", "number", "row"), RIGHT)
def test_any_one_field_may_hold_anything(folder, name, number, row):
    assert tasks_of(name, number, row, folder)

    @settings(max_examples=60)
    @given(st.sampled_from(sorted(row)), ODD)
    def holds(field, value):
        with suppress(BadRow):
            for task in tasks_of(name, number, {**row, field: value}, folder):
                assert SearchTask.from_dict(json.loads(json.dumps(task.to_dict()))).id == task.id

    holds()


@pytest.mark.parametrize("field", ["extra_info", "reward_model"])
@given(inner=st.sampled_from(["question", "ground_truth", "bboxes", "index", "answer"]), value=ODD)
@settings(max_examples=40)
def test_fields_of_fields_too(folder, field, inner, value):
    row = deepeyes_row()
    row[field] = {**row[field], inner: value}
    with suppress(BadRow):
        assert len(tasks_of("deepeyes", 0, row, folder)) == 1


@settings(max_examples=60)
@given(st.sampled_from(["width", "height", "things", "id"]), ODD)
def test_a_picture_of_coco(folder, field, value):
    row = {"id": 1, "width": 64, "height": 48, "picture": folder / "a.jpg", "source": "coco"}
    row["things"] = [("dog", value if field == "things" else [1, 1, 20, 20], False)]
    with suppress(BadRow):
        tasks = tasks_of("coco", 0, row | ({} if field == "things" else {field: value}), folder)
        assert len(tasks) == 1 or field == "things"


@settings(max_examples=60)
@given(st.sampled_from(sorted(DOG)), st.text(max_size=20))
def test_a_box_of_open_images(folder, field, value):
    row = {
        "id": "a",
        "picture": folder / "a.jpg",
        "source": "open_images",
        "things": [("dog", {**DOG, field: value})],
    }
    with suppress(BadRow):
        assert len(tasks_of("openimages", 0, row, folder)) <= 1


def test_an_address_that_is_none_is_one_line(tmp_path):
    with pytest.raises(BadRow, match="is no address of a file"):
        from_cell("file://[/x", tmp_path)


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_a_picture_with_a_text_larger_than_pillow_takes_is_imported(tmp_path, name):
    plain = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(plain, "PNG")
    content = name + b"words\0\0" + zlib.compress(bytes(80 * 2**20 if name == b"iCCP" else 2**21))
    chunk = (len(content) - 4).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")
    whole = plain.getvalue()[:33] + chunk + plain.getvalue()[33:]  # after the header
    (tmp_path / "a.png").write_bytes(whole)
    store = PictureStore(tmp_path)
    assert store.place(tmp_path / "a.png").header.size == (64, 48)
    assert store.place(Encoded(whole)).header.size == (64, 48)
