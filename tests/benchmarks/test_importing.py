"""An import tells what is wrong with a row and where, never holds a file in memory, and goes on after a
kill."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import time
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from helpers import answer, command, environment, mini_o3
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import (
    array,
    b64,
    coldstart_row,
    deepeyes_row,
    hr_rows,
    lines,
    mme_raw,
    mme_row,
    parquet,
    picture,
    put,
    skipped,
    tabs,
    turned,
    visualprobe,
    vstar,
)
from PIL import Image

from mini_o3.benchmarks.boxes import Boxes, xywh, xyxy
from mini_o3.benchmarks.importer import Imported, import_tasks
from mini_o3.benchmarks.jsonstream import JsonStream
from mini_o3.benchmarks.pictures import Header, check
from mini_o3.benchmarks.rows import BadRow, read_array, read_lines, read_parquet, read_tabs, take_any
from mini_o3.episode import read_tasks
from mini_o3.kit.errors import UserError
from mini_o3.vision import Rect, open_picture


def noise(seed, side=300):
    """The content of a picture that no compression makes small."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def cut(content):
    return content[: len(content) // 2]


# --- rows with something wrong ---

MINE = {"image": "a.jpg", "question": "What is it?", "answer": "x"}


def bad_lines():
    """(what is wrong with a line of one's own, part of what is said about it)."""
    return [
        ("{not json", "is not valid JSON"),
        ('["a", "list"]', "no JSON object but a list"),
        ({"question": "?", "answer": "x"}, "has no image or images or file_name"),
        ({"image": "a.jpg", "answer": "x"}, "has no question"),
        ({**MINE, "question": "  "}, "its question is empty"),
        ({**MINE, "question": "\ud800"}, "not text in UTF-8"),
        ({**MINE, "question": "y" * 20_001}, "20,001 characters"),
        ({**MINE, "image": "none.jpg"}, "'none.jpg' is not in"),
        ({**MINE, "image": "https://x.org/a.jpg"}, "is the address"),
        ({**MINE, "image": ["a.jpg", "b.jpg"]}, "has 2 pictures"),
        ({**MINE, "image": "data:image/png;base64,!!!!"}, "no valid base64"),
        ({**MINE, "image": "data:image/png;base64," + b64(b"no picture")}, "cannot be read"),
        ({**MINE, "image": "data:image/png;base64," + b64(cut(noise(1, 64)))}, "damaged or cut off"),
        ({**MINE, "image": "data:image/png;base64," + b64(picture(size=(9, 50), format="PNG"))}, "too small"),
        ({**MINE, "image": "cut.jpg"}, "damaged or cut off"),
        ({**MINE, "image": "words.jpg"}, "cannot be read"),
        ({**MINE, "options": ["one"]}, "has 1 option;"),
        ({**MINE, "options": ["one", "two"], "answer": "C"}, "out of range: the options are A to B"),
        ({**MINE, "options": ["one", "two"], "answer": "three"}, "none of the 2 options"),
        ({**MINE, "options": 7}, "options are int"),
        ({**MINE, "answer": ["x", "y"]}, "its answer is list of 2"),
        ({**MINE, "bboxes": [[1, 2, 3]]}, "not four numbers"),
        ({**MINE, "bboxes": [[10, 10, 10, 20]]}, "is empty"),
        ({**MINE, "bboxes": [[0, 0, 200, 200]]}, "reaches outside"),
        ({**MINE, "bboxes": "[[0, 0, 1e999, 5]]"}, "not finite"),
    ]


def mine(folder, rows):
    put(folder / "a.jpg", picture(1, (100, 80)))
    put(folder / "cut.jpg", cut(noise(2, 100)))
    put(folder / "words.jpg", "not a picture")
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    return put(folder / "mine.jsonl", text).parent


def test_every_bad_row_is_named_with_its_line_and_what_is_wrong(tmp_path):
    cases = bad_lines()
    folder = mine(tmp_path / "mine", [MINE, *(row for row, _ in cases), {**MINE, "question": "And this?"}])
    state = import_tasks(folder, tmp_path / "out", on_error="skip")
    assert [task.question for task in read_tasks(tmp_path / "out")] == ["What is it?", "And this?"]
    found = skipped(tmp_path / "out")
    assert [(name, row) for name, row, _ in found] == [
        ("mine.jsonl", number) for number in range(2, len(cases) + 2)
    ]
    for (_, _, reason), (row, wanted) in zip(found, cases, strict=True):
        assert wanted in reason, row
    assert (state.tasks, state.skipped, state.records, state.done) == (2, len(cases), len(cases) + 2, True)
    assert not list((tmp_path / "out").glob("pictures/.*"))  # nothing half-written


@pytest.mark.parametrize(("row", "why"), bad_lines()[::6])
def test_a_bad_row_stops_an_import_that_was_not_told_to_skip(tmp_path, row, why):
    folder = mine(tmp_path / "mine", [MINE, row])
    with pytest.raises(UserError, match=r"mine\.jsonl, row 2: .*`on_error` skip") as error:
        import_tasks(folder, tmp_path / "out")
    assert why in str(error.value)
    assert "\n" not in str(error.value)
    mine(folder, [MINE, {**MINE, "question": "Mended?"}])
    with pytest.raises(UserError, match="other settings"):  # the file has changed: begin anew
        import_tasks(folder, tmp_path / "out")
    assert len(read_tasks(tmp_path / "out")) == 1


def test_pictures_that_were_not_unpacked_are_said_to_be_missing_and_where_to_get_them(tmp_path):
    mme_raw(tmp_path / "mme")
    (tmp_path / "mme/remote_sensing").rename(tmp_path / "elsewhere")
    with pytest.raises(
        UserError,
        match=(
            r"row 1: its picture 'remote_sensing/0.png' is not in .*unpack or fetch it \(hub data sets yifan"
        ),
    ):
        import_tasks(tmp_path / "mme", tmp_path / "out")


def test_after_a_stop_the_same_folder_goes_on_with_skip(tmp_path):
    folder = mine(tmp_path / "mine", [MINE, "{", {**MINE, "question": "And this?"}])
    with pytest.raises(UserError, match="row 2"):
        import_tasks(folder, tmp_path / "out")
    assert import_tasks(folder, tmp_path / "out", on_error="skip").tasks == 2
    assert len(skipped(tmp_path / "out")) == 1


def hr(row, **changes):
    return {**row, **changes}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"image": b64(picture())[:-3] + "=*=" * 30}, "no valid base64"),
        ({"image": b64(b"x" * 100)}, "cannot be read"),
        ({"image": ""}, "has no image_path"),
        ({"image": "77"}, "that of row '77'"),
        ({"D": ""}, "has 3 options; 4 are expected"),
        ({"B": ""}, "option B is empty, a later one is not"),
        ({"answer": "E"}, "out of range: the options are A to D"),
        ({"answer": ""}, "has no answer"),
        ({"question": ""}, "has no question"),
    ],
)
def test_bad_rows_of_a_table(tmp_path, changes, why):
    rows = hr_rows(1)
    rows[2].update(changes)
    tabs(tmp_path / "hub/hr_bench_4k.tsv", rows)
    state = import_tasks(tmp_path / "hub", tmp_path / "out", on_error="skip")
    assert (state.tasks, state.skipped) == (3, 1)
    name, row, reason = skipped(tmp_path / "out")[0]
    assert (name, row) == ("hr_bench_4k.tsv", 3)
    assert why in reason


def test_bad_rows_of_the_other_layouts(tmp_path):
    """One wrong row each; what is said, by format."""
    rows = [deepeyes_row(0), {**deepeyes_row(1), "reward_model": {"ground_truth": None, "style": "model"}}]
    parquet(tmp_path / "deepeyes/x.parquet", rows)
    parquet(
        tmp_path / "coldstart/x.parquet",
        [coldstart_row(0), {**coldstart_row(1, 1), "conversations": "[{'from': "}],
    )
    array(tmp_path / "mme_b64/MME/0.json", [mme_row(0), mme_row(1, answer="F")])
    mme_raw(tmp_path / "mme")
    (tmp_path / "mme/remote_sensing/1.png").unlink()
    visualprobe(tmp_path / "visualprobe", count=2)
    put(tmp_path / "visualprobe/VisualProbe_Hard/data/visual_probe_hard_2.jpg", b"")
    vstar(tmp_path / "vstar", count=1)
    put(tmp_path / "vstar/relative_position/sa_02.json", "{")
    vstar(tmp_path / "vstar_json", count=1, questions=False)
    put(
        tmp_path / "vstar_json/relative_position/sa_02.json",
        json.dumps({"question": "?", "options": ["one"]}),
    )
    said = {
        "deepeyes": "has no reward_model.ground_truth",
        "coldstart": "list in a string cannot be read",
        "mme_b64": "answer 'F' is out of range: the options are A to E",
        "mme": "'remote_sensing/1.png' is not in",
        "visualprobe": "cannot be read",
        "vstar": "sa_02.json is not valid JSON",
        "vstar_json": "has 1 option;",
    }
    for name, reason in said.items():
        state = import_tasks(tmp_path / name, tmp_path / f"{name}-out", on_error="skip")
        assert (state.tasks, state.skipped) == (1, 1), name
        assert reason in skipped(tmp_path / f"{name}-out")[0][2], name


def test_cells_too_few_or_not_text(tmp_path):
    path = tabs(
        tmp_path / "hub/mine.tsv",
        [{"index": i, "image": b64(picture(i)), "question": "What?", "answer": "x"} for i in range(3)],
    )
    content = path.read_bytes().split(b"\n")
    content[2] = content[2].replace(b"\t", b" ", 1)
    content[3] = content[3].replace(b"What", b"Wh\xff\xfet")
    path.write_bytes(b"\n".join(content))
    import_tasks(tmp_path / "hub", tmp_path / "out", on_error="skip")
    assert [(row, reason) for _, row, reason in skipped(tmp_path / "out")] == [
        (2, "has 3 cells, the header 4"),
        (3, "is not text in UTF-8"),
    ]


def test_if_no_task_comes_of_it_that_is_said(tmp_path):
    folder = mine(tmp_path / "mine", [{**MINE, "answer": ["a", "b"]}])
    with pytest.raises(
        UserError,
        match=r"no task came of it; 1 rows were skipped, the first: .*mine\.jsonl, row 1: its answer",
    ):
        import_tasks(folder, tmp_path / "out", on_error="skip")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("x.parquet", b"PAR1" + b"\0" * 40, "not a parquet file"),
        ("val.json", b'[{"images": ["a.jpg"], "problem": "?", "solution": "x"}, {"images"', "not valid JSON"),
        ("val.json", b'[{"images": ["a.jpg"], "problem": "?", "solution": "x"}', "ends too early"),
    ],
)
def test_a_file_damaged_as_a_whole_is_one_clear_line(tmp_path, name, content, why):
    put(tmp_path / "hub/a.jpg", picture())
    path = put(tmp_path / f"hub/{name}", content)
    with pytest.raises(UserError, match=f"{name}: .*{why}.*; get a fresh copy"):
        list((read_parquet if name.endswith("parquet") else read_array)(path))


# --- memory ---


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The same 24 MB of pictures in every kind of file."""
    folder = tmp_path_factory.mktemp("large")
    rows = [{"index": i, "image": b64(noise(i)), "question": "What?", "answer": "x"} for i in range(66)]
    tabs(folder / "table.tsv", rows)
    array(folder / "array.json", rows)
    lines(folder / "lines.jsonl", rows)
    parquet(folder / "rows.parquet", rows, row_group_size=4)
    return folder


@pytest.mark.parametrize(
    ("name", "read"), [("table.tsv", read_tabs), ("array.json", read_array), ("lines.jsonl", read_lines)]
)
def test_a_file_of_text_is_never_in_memory(large, name, read):
    path = large / name
    assert path.stat().st_size > 23e6
    tracemalloc.start()
    try:
        shares = [record.share for record in read(path)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(shares), shares == sorted(shares), shares[-1] > 0.98) == (66, True, True)
    assert peak < 8e6


def test_of_a_parquet_file_one_row_group_is_in_memory(large):
    pool, before = pa.default_memory_pool(), pa.default_memory_pool().bytes_allocated()
    peak = max(pool.bytes_allocated() - before for _ in read_parquet(large / "rows.parquet"))
    assert peak < 8e6


def test_a_table_is_imported_without_holding_it(large, tmp_path):
    tracemalloc.start()
    try:
        import_tasks(large / "table.tsv", tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12e6
    assert len(list((tmp_path / "out/pictures").iterdir())) == 66


# --- limit, settings, kill ---


def test_a_limit_ends_it_and_a_later_run_goes_on(tmp_path):
    tabs(tmp_path / "hub/hr_bench_4k.tsv", hr_rows(5))
    seen = []
    import_tasks(
        tmp_path / "hub",
        tmp_path / "out",
        limit=6,
        progress=lambda done, total, more: seen.append((done, total)),
    )
    assert (len(read_tasks(tmp_path / "out")), seen[-1]) == (6, (6, 6))
    import_tasks(tmp_path / "hub", tmp_path / "out", limit=8)
    assert import_tasks(tmp_path / "hub", tmp_path / "out").tasks == 20
    import_tasks(tmp_path / "hub", tmp_path / "whole")
    assert (tmp_path / "out/tasks.jsonl").read_bytes() == (tmp_path / "whole/tasks.jsonl").read_bytes()
    assert import_tasks(tmp_path / "hub", tmp_path / "out") == Imported(
        "hrbench", 20, 20, tasks_bytes=(tmp_path / "out/tasks.jsonl").stat().st_size, done=True
    )


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    folder = mine(tmp_path / "mine", [MINE])
    import_tasks(folder, tmp_path / "out")
    with pytest.raises(UserError, match=r"other settings \(seed\)"):
        import_tasks(folder, tmp_path / "out", seed=3)
    put(tmp_path / "probes/tasks.jsonl", "")
    with pytest.raises(UserError, match="not imported there"):
        import_tasks(folder, tmp_path / "probes")
    with pytest.raises(UserError, match="holds tasks already"):
        import_tasks(tmp_path / "out", tmp_path / "again")


def test_a_row_that_refers_to_a_picture_finds_it_after_an_interruption(tmp_path):
    rows = [
        {"index": i, "image": b64(picture(1)) if i == 0 else "0", "question": f"What {i}?", "answer": "x"}
        for i in range(4)
    ]
    tabs(tmp_path / "hub/mine.tsv", rows)
    import_tasks(tmp_path / "hub", tmp_path / "out", limit=2)
    import_tasks(tmp_path / "hub", tmp_path / "out")
    tasks = read_tasks(tmp_path / "out")
    assert len({task.picture for task in tasks}) == 1
    assert [task.size for task in tasks] == [(64, 48)] * 4


def test_a_killed_import_goes_on_and_ends_as_if_nothing_had_happened(tmp_path):
    rows = hr_rows(1200)
    rows[700]["answer"] = "Z"
    tabs(tmp_path / "hub/hr_bench_4k.tsv", rows)
    arguments = ("tasks", "import", tmp_path / "hub", "--out", "out", "--on-error", "skip")
    state = tmp_path / "out/import.json"
    for least in (1, 300):  # killed twice
        process = subprocess.Popen(
            command(*arguments), cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 120
        while not (state.exists() and json.loads(state.read_text())["records"] >= least):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not json.loads(state.read_text())["done"]
    finished = mini_o3(*arguments, cwd=tmp_path)
    assert finished.stdout.splitlines()[:2] == [
        "4799 tasks in out (format hrbench)",
        "1 rows skipped: out/skipped.jsonl",
    ], finished.stderr
    import_tasks(tmp_path / "hub", tmp_path / "whole", on_error="skip")
    for name in ("tasks.jsonl", "skipped.jsonl", "import.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    kept = {
        path.name: path.read_bytes()
        for path in (tmp_path / "out/pictures").iterdir()
        if not path.name.startswith(".")
    }
    assert kept == {path.name: path.read_bytes() for path in (tmp_path / "whole/pictures").iterdir()}


def test_the_command_line_from_import_to_measurement(tmp_path):
    """Imported tasks are what `eval` takes; the right answers are played back."""
    visualprobe(tmp_path / "base", count=2)
    made = mini_o3("tasks", "import", "base", "--out", "easy", cwd=tmp_path)
    assert (made.returncode, made.stdout.splitlines()[0]) == (0, "2 tasks in easy (format visualprobe)"), (
        made.stderr
    )
    rows = [
        {"task_id": task.id, "turns": [{"text": answer(task.answer)}]}
        for task in read_tasks(tmp_path / "easy")
    ]
    lines(tmp_path / "recorded.jsonl", rows)
    measured = mini_o3(
        "eval", "--tasks", "easy", "--policy", "replay:recorded.jsonl", "--out", "run", cwd=tmp_path
    )
    assert measured.returncode == 0, measured.stderr
    assert json.loads((tmp_path / "run/report.json").read_text())["accuracy"] == 1.0
    wrong = mini_o3("tasks", "import", "base", "--out", "x", "--format", "coco", cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr.count("\n"), wrong.stdout) == (2, 1, "")
    assert wrong.stderr.startswith("error: base: is not COCO instances: missing *.json")


# --- headers, boxes, streams ---


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"])
def test_the_size_of_what_is_whole_and_a_word_on_what_is_cut_off(tmp_path, monkeypatch, format):
    content = picture(1, (120, 80), format)
    decoded = []
    with monkeypatch.context() as patch:
        patch.setattr("mini_o3.benchmarks.pictures.open_picture", decoded.append)
        assert check(put(tmp_path / "x.any", content)).size == (120, 80)
    assert len(decoded) == (format not in ("JPEG", "PNG"))  # of these the end of the file tells enough
    with pytest.raises(BadRow, match="its picture"):
        check(put(tmp_path / "cut.any", content[: len(content) * 2 // 3]))


def test_a_jpeg_with_something_after_its_end_is_a_picture(tmp_path):
    assert check(put(tmp_path / "x.jpg", picture(size=(120, 80)) + b"trailer of a telephone")).size == (
        120,
        80,
    )


def test_a_picture_on_its_side_has_its_upright_size(tmp_path):
    header = check(put(tmp_path / "x.jpg", turned(size=(120, 80))))
    assert (header.size, header.stored, header.turn) == ((80, 120), (120, 80), 6)


def test_damage_inside_a_file_is_found_when_asked_to_decode(tmp_path):
    content = bytearray(noise(3, 64))
    content[3000:6000] = bytes(3000)
    folder = mine(tmp_path / "mine", [{**MINE, "image": "broken.png"}])
    put(folder / "broken.png", bytes(content))
    assert import_tasks(folder, tmp_path / "quick").tasks == 1
    with pytest.raises(UserError, match="damaged or cut off"):
        import_tasks(folder, tmp_path / "thorough", decode=True)


@pytest.mark.parametrize("turn", [5, 6, 7, 8])
def test_boxes_drawn_on_the_stored_picture_are_turned_with_it(tmp_path, turn):
    """A red spot in a picture stored on its side lies where the region says, upright."""
    stored = Image.new("RGB", (120, 80), "white")
    stored.paste("red", (10, 20, 40, 30))
    exif = Image.Exif()
    exif[0x0112] = turn
    stored.save(tmp_path / "x.png", exif=exif.tobytes())
    header = check(tmp_path / "x.png")
    region = Boxes(xywh([[10, 20, 30, 10]]), frame=(120, 80)).regions(header)[0]
    upright = open_picture(tmp_path / "x.png")
    assert upright.size == header.size == (80, 120)
    inside = upright.crop(region.to_rect(Rect(0, 0, 80, 120)))
    assert inside.getcolors() == [(300, (255, 0, 0))]


def test_boxes_of_another_picture_are_refused():
    header = Header((80, 120), (120, 80), 6)
    assert Boxes(xyxy([0, 0, 80, 120]), frame=(80, 120)).regions(header)[0].xyxy == (0, 0, 1, 1)
    with pytest.raises(BadRow, match="of a picture of 640 x 480, its picture has 80 x 120"):
        Boxes(xyxy([0, 0, 8, 8]), frame=(640, 480)).regions(header)


@given(
    st.lists(st.lists(st.floats(allow_nan=True), min_size=4, max_size=4), max_size=3),
    st.booleans(),
    st.booleans(),
)
def test_any_numbers_are_regions_or_a_bad_row(boxes, shares, clip):
    try:
        regions = Boxes(xyxy(boxes), shares, clip=clip).regions(Header((640, 480), (640, 480)))
    except BadRow:
        return
    assert len(regions) == len(boxes)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6)
JSON = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(max_size=3), PLAIN, max_size=3)


def streamed(path, content, chunk):
    """A stream over a file with this content that reads a few bytes at a time."""
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mini_o3.benchmarks.jsonstream._CHUNK", chunk)
        with path.open("rb") as file:
            yield JsonStream(file, path)


@settings(max_examples=60)
@given(st.lists(JSON, max_size=4), st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_a_stream_of_json_is_what_json_reads(tmp_path_factory, items, chunk, indent, plain):
    content = json.dumps(items, indent=indent, ensure_ascii=plain).encode("utf-8", "surrogatepass")
    for stream in streamed(tmp_path_factory.getbasetemp() / "stream.json", content, chunk):
        try:
            content.decode()
        except UnicodeDecodeError:
            with pytest.raises(UserError, match="not UTF-8"):
                list(stream.items())
        else:
            assert list(stream.items()) == json.loads(content)


@pytest.mark.parametrize("text", ["[1.5e+30, -0.25, 1E-7]", " [ ] ", "[[1.0, 2], {}]\n"])
@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_numbers_are_never_cut(tmp_path, text, chunk):
    for stream in streamed(tmp_path / "x.json", text.encode(), chunk):
        assert list(stream.items()) == json.loads(text)


@pytest.mark.parametrize("text", ["", "[", "[1", "[1,", "[1 2]", "[1,]", "{}", "[nul]", '["a]', "[1.]"])
def test_what_is_no_array_is_refused(tmp_path, text):
    for chunk in (1, 100):
        for stream in streamed(tmp_path / "x.json", text.encode(), chunk):
            with pytest.raises(UserError, match="not valid JSON"):
                list(stream.items())


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.integers(1, 9))
def test_an_object_is_read_key_by_key(tmp_path_factory, data, chunk):
    for stream in streamed(tmp_path_factory.getbasetemp() / "object.json", json.dumps(data).encode(), chunk):
        assert {key: stream.value() for key in stream.keys()} == data  # noqa: SIM118 - not a mapping


def test_what_tables_write_for_nothing_is_nothing_and_words_are_words():
    row = {"a": "", "b": None, "c": float("nan"), "d": "NaN", "e": [], "f": 0, "g": "None", "h": "N/A"}
    assert [take_any(row, name) for name in "abcdefgh"] == [None, None, None, "NaN", None, 0, "None", "N/A"]


def test_words_for_nothing_are_answers(tmp_path):
    answers = ["NAN", "nan", "None", "N/A", "null"]
    rows = [{**MINE, "question": f"{n}?", "answer": answer} for n, answer in enumerate(answers)]
    import_tasks(mine(tmp_path / "mine", rows), tmp_path / "out")
    assert [task.answer for task in read_tasks(tmp_path / "out")] == answers


def test_a_number_that_may_be_an_option_or_its_place_is_refused(tmp_path):
    choice = {**MINE, "options": ["1", "0", "2"]}
    rows = [{**choice, "answer": 1}, {**choice, "answer": "1"}, {**choice, "answer": 0}]
    rows += [
        {**choice, "options": ["10", "20"], "answer": 20},
        {**MINE, "question": "How many?", "answer": 3},
    ]
    state = import_tasks(mine(tmp_path / "mine", rows), tmp_path / "out", on_error="skip")
    assert [task.answer for task in read_tasks(tmp_path / "out")] == ["A", "B", "3"]
    assert state.skipped == 2
    assert "may be option A or the number of option A or B" in skipped(tmp_path / "out")[0][2]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_tables_with_lone_quotes_and_marks_keep_every_row(tmp_path, encoding):
    folder = tmp_path / "table"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "p.png")
    rows = ["index\timage_path\tquestion\tA\tB\tanswer"]
    rows += [f"{n}\tp.png\t{'Which' if n != 1 else chr(34) + '5 inch'} {n}?\tred\tgreen\tA" for n in range(5)]
    (folder / "quote.tsv").write_bytes("\r\n".join(rows).encode(encoding))
    state = import_tasks(folder / "quote.tsv", tmp_path / "out")
    assert (state.tasks, state.skipped) == (5, 0)
    assert [task.question for task in read_tasks(tmp_path / "out")][:2] == ["Which 0?", '"5 inch 1?']
