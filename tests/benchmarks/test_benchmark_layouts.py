"""Every published layout becomes the same kind of task: question without options, letter, regions, names,
sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from layouts import (
    CONVERSATION,
    SUFFIX,
    TOOL_ORDER,
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

from mini_o3.benchmarks.importer import import_tasks
from mini_o3.benchmarks.registry import LOADERS, find_loader
from mini_o3.episode import read_tasks
from mini_o3.kit.errors import UserError
from mini_o3.vision import Rect


def imported(source, **more):
    out = source.parent / f"{source.name}-tasks"
    import_tasks(source, out, **more)
    return read_tasks(out)


def shown(tasks):
    """(question, options, answer) of each."""
    return [(task.question, task.options, task.answer) for task in tasks]


# --- V* Bench ---


def test_vstar_folders_use_the_published_order_of_options(tmp_path):
    tasks = imported(vstar(tmp_path / "vstar_bench"))
    assert [(task.answer, task.category, task.name) for task in tasks] == [
        ("D", "direct_attributes", "0"),
        ("D", "direct_attributes", "1"),
        ("B", "relative_position", "2"),
        ("B", "relative_position", "3"),
    ]
    first = tasks[0]
    assert (first.question, first.options) == (
        "What is the direct_attributes of glove 0?",
        ("leather", "kevlar", "cotton", "rubber"),
    )
    assert first.asked.endswith("0?\nA. leather\nB. kevlar\nC. cotton\nD. rubber")
    assert (first.source, first.size, first.seed) == ("vstar", (200, 100), None)
    assert first.targets[0].to_rect(Rect(0, 0, 200, 100)) == (
        20,
        10,
        60,
        40,
    )  # x, y, width, height in the file
    assert Path(first.picture) == (
        tmp_path / "vstar_bench/direct_attributes/sa_04.jpg"
    )  # where it lies, no copy


def test_vstar_without_its_order_is_shuffled_by_a_seed_that_is_kept(tmp_path):
    folder = vstar(tmp_path / "vstar", count=12, questions=False)
    tasks = imported(folder)
    for task in tasks:
        assert task.options["AB CD".replace(" ", "").index(task.answer)] in ("It is rubber.", "It is left.")
        assert task.seed == 0
    assert {task.answer for task in tasks} == {"A", "B", "C", "D"}  # not always A, as in the files
    assert json.loads((tmp_path / "vstar-tasks/config.json").read_text())["config"]["seed"] == 0
    import_tasks(folder, tmp_path / "again")
    assert read_tasks(tmp_path / "again") == tasks
    import_tasks(folder, tmp_path / "other", seed=1)
    assert shown(read_tasks(tmp_path / "other")) != shown(tasks)


def test_vstar_as_parquet_and_as_a_table(tmp_path):
    text = "What is it?\n(A) rubber\n(B) cotton" + SUFFIX
    row = {
        "image": {"bytes": picture(1), "path": "sa_1.jpg"},
        "text": text,
        "label": "B",
        "category": "direct_attributes",
        "question_id": "7",
    }
    parquet(tmp_path / "hub/data/test-00000-of-00001.parquet", [row])
    first = imported(tmp_path / "hub")[0]
    assert shown([first]) == [("What is it?", ("rubber", "cotton"), "B")]
    assert (first.source, first.name, first.category, first.size) == (
        "vstar",
        "7",
        "direct_attributes",
        (64, 48),
    )
    assert Path(first.picture).parent == tmp_path / "hub-tasks/pictures"
    assert Path(first.picture).read_bytes() == picture(1)

    columns = ["index", "image", "question", "A", "B", "C", "D", "answer", "category"]
    cells = {
        "index": 0,
        "image": b64(picture(2)),
        "question": "Which side?",
        "A": "left",
        "B": "right",
        "answer": "A",
        "category": "relative_position",
    }
    tabs(tmp_path / "kit/VStarBench.tsv", [cells], columns)
    table = imported(tmp_path / "kit")[0]
    assert (*shown([table])[0], table.source) == ("Which side?", ("left", "right"), "A", "vstar")


def test_vstar_in_the_layout_of_mini_o3(tmp_path):
    put(tmp_path / "Vstar_Bench/data/a.jpg", picture())
    row = {
        "images": ["Vstar_Bench/data/a.jpg"],
        "doc_id": "a",
        "problem": "<image>\nWhich?\n(A) x\n(B) y" + SUFFIX,
        "solution": "A",
    }
    array(tmp_path / "Vstar_Bench/val.json", [{**row, "data_source": "vstar_bench"}])
    task = imported(tmp_path / "Vstar_Bench")[0]
    assert (*shown([task])[0], task.source, task.category) == ("Which?", ("x", "y"), "A", "vstar_bench", "")


# --- HR-Bench ---


def check_hrbench(tasks, source):
    assert len(tasks) == 8
    assert [task.answer for task in tasks] == ["A", "B", "C", "D"] * 2
    assert tasks[1].options == ("72", "27", "37", "41")
    assert [len({task.group for task in tasks[i : i + 4]}) for i in (0, 4)] == [1, 1]
    assert tasks[0].group != tasks[4].group
    assert {task.source for task in tasks} == {source}
    assert {task.category for task in tasks} == {"single"}
    assert len({task.id for task in tasks}) == 8


@pytest.mark.parametrize("size", ["4k", "8k"])
def test_hrbench_table_groups_rotations_and_writes_each_picture_once(tmp_path, size):
    tabs(tmp_path / f"hub/hr_bench_{size}.tsv", hr_rows())
    tasks = imported(tmp_path / "hub")
    check_hrbench(tasks, f"hrbench_{size}")
    assert len(list((tmp_path / "hub-tasks/pictures").iterdir())) == 2
    assert [task.name for task in tasks] == [str(i) for i in range(8)]


def test_hrbench_parquet_has_its_pictures_as_text_too(tmp_path):
    parquet(tmp_path / "hub/hrbench_version_split/hrbench_4k-00000.parquet", hr_rows())
    check_hrbench(imported(tmp_path / "hub"), "hrbench_4k")


def test_a_question_that_two_pictures_share_is_two_groups(tmp_path):
    rows = hr_rows(2)
    for row in rows:
        row["question"] = "What number is it?"
    tabs(tmp_path / "hub/hr_bench_4k.tsv", rows)
    groups = [task.group for task in imported(tmp_path / "hub")]
    assert groups == [groups[0]] * 4 + [groups[4]] * 4
    assert groups[0] != groups[4]


def test_hrbench_as_insight_o3_and_zoomeye_have_it(tmp_path):
    for i, row in enumerate(hr_rows()):
        put(tmp_path / f"HR-Bench/images_4k/{row['index']}.jpg", picture(i // 4, (80, 60)))
    rows = [
        {
            "question_id": row["index"],
            "image": f"{row['index']}.jpg",
            "question": row["question"],
            "options": "\n".join(f"{letter}.{row[letter]}" for letter in "ABCD"),
            "answer": row["answer"],
            "category": "single",
        }
        for row in hr_rows()
    ]
    lines(tmp_path / "HR-Bench/hrbench_4k.jsonl", rows)
    check_hrbench(imported(tmp_path / "HR-Bench"), "hrbench_4k")

    folder = tmp_path / "zoom/hr-bench_4k"
    items = []
    for q in range(2):
        put(folder / f"images/{q}.jpg", picture(q, (80, 60)))
        turns = hr_rows()[4 * q : 4 * q + 4]
        blocks = ["".join(f"{letter}. {row[letter]}\n" for letter in "ABCD") for row in turns]
        items.append(
            {
                "input_image": f"images/{q}.jpg",
                "question": turns[0]["question"],
                "options": blocks,
                "answer": [row["answer"] for row in turns],
                "category": "single",
                "answer_type": "option_list",
            }
        )
    array(folder / "annotation_hr-bench_4k.json", items)
    check_hrbench(imported(folder), "hrbench_4k")


# --- MME-RealWorld ---


def test_mme_as_first_released(tmp_path):
    tasks = imported(mme_raw(tmp_path / "MME-RealWorld"))
    assert shown(tasks)[1] == (
        "How many ships at dock 1?",
        ("3", "4", "5", "6", "The image does not feature the content"),
        "B",
    )
    assert (tasks[1].category, tasks[1].source, tasks[1].size) == (
        "Perception/Remote_Sensing/count",
        "mme_realworld",
        (90, 70),
    )
    assert tasks[1].name == "perception/remote/1"


def test_mme_base64_folders_table_and_parquet_say_the_same(tmp_path):
    array(tmp_path / "b64/MME-RealWorld/part_0.json", [mme_row(0)])
    array(tmp_path / "b64/MME-RealWorld/part_1.json", [mme_row(1), mme_row(2)])
    wanted = ("Which way does car 2 go?", ("left", "right", "on", "back", "not featured"), "B")
    tasks = imported(tmp_path / "b64")
    assert shown(tasks)[2] == wanted
    assert {(task.source, task.category) for task in tasks} == {
        ("mme_realworld", "Reasoning/Autonomous_Driving/attribute/motion")
    }

    rows = [mme_row(i) for i in range(3)]
    for row in rows:
        row["multi-choice options"] = str(row["multi-choice options"])  # a Python list in a string
    tabs(tmp_path / "lite/mme_realworld_lite.tsv", rows)
    lite = imported(tmp_path / "lite")
    assert (shown(lite)[2], lite[2].source) == (wanted, "mme_realworld_lite")

    rows = [mme_row(i) for i in range(3)]
    for row in rows:
        row["bytes"] = row.pop("image")
    parquet(tmp_path / "MME-RealWorld-Lmms-eval/data/train-0.parquet", rows)
    assert shown(imported(tmp_path / "MME-RealWorld-Lmms-eval"))[2] == wanted


def test_mme_in_chinese_has_plain_brackets(tmp_path):
    choices = ["（A）左", "（B）右（红）", "（C）前", "（D）后", "（E）图中没有"]
    text = "车在哪一侧？\n选项如下所示:\n"
    text += "根据图像选择上述多项选择题的最佳答案。只需回答正确选项的字母（A, B, C, D 或 E）。最佳答案为："
    array(
        tmp_path / "x/MME-RealWorld-CN/0.json",
        [mme_row(question=text, answer="（B）", **{"multi-choice options": choices})],
    )
    task = imported(tmp_path / "x/MME-RealWorld-CN")[0]
    assert shown([task]) == [("车在哪一侧？", ("左", "右(红)", "前", "后", "图中没有"), "B")]
    assert task.source == "mme_realworld_cn"


# --- training sets ---


def test_visualprobe_with_and_without_its_folder_in_the_paths(tmp_path):
    base = visualprobe(tmp_path / "base")
    tasks = imported(base)
    assert shown(tasks)[0] == ("What is written on sign 1?", (), "YE OLDE.")
    assert (tasks[0].name, tasks[0].source, tasks[0].category) == (
        "visual_probe_hard_1",
        "visual_probe_hard",
        "hard",
    )
    path = base / "VisualProbe_Hard/val.json"
    rows = json.loads(path.read_text())
    for row in rows:
        row["images"] = [row["images"][0].removeprefix("VisualProbe_Hard/")]
    array(path, rows)
    assert imported(path) == tasks  # also by its file alone


def test_several_splits_come_together(tmp_path):
    base = visualprobe(visualprobe(visualprobe(tmp_path / "base", "Easy"), "Medium"), "train")
    assert [task.category for task in imported(base)] == ["easy"] * 3 + ["medium"] * 3 + ["train"] * 3


def test_deepeyes_question_answer_and_picture(tmp_path):
    rows = [deepeyes_row(0), deepeyes_row(1)]
    del rows[1]["extra_info"]["question"]
    parquet(tmp_path / "hub/data_0.1.2_visual_toolbox_v2.parquet", rows)
    tasks = imported(tmp_path / "hub")
    assert shown(tasks) == [("What colour is bin 0?", (), "Blue"), ("What colour is the bin?", (), "Blue")]
    assert TOOL_ORDER[:11] not in tasks[1].question
    assert (tasks[0].source, tasks[0].category, tasks[0].name) == (
        "vstar",
        "vl_search",
        "data_0.1.2_visual_toolbox_v2_0",
    )


def test_deepeyes_multiple_choice_is_one_if_the_answer_is_among_the_options(tmp_path):
    asked = "What colour is it?\nA. red\nB. blue"
    parquet(
        tmp_path / "hub/x.parquet",
        [deepeyes_row(0, question=asked), deepeyes_row(1, answer="teal", question=asked)],
    )
    assert shown(imported(tmp_path / "hub")) == [
        ("What colour is it?", ("red", "blue"), "B"),
        (asked, (), "teal"),
    ]


def test_insight_o3_has_boxes_and_names_its_pictures(tmp_path):
    file = put(tmp_path / "pictures/one.jpg", picture(1, (100, 50)))
    row = {**deepeyes_row(0, bboxes=[[10, 10, 60, 30]]), "images": [{"image": f"file://{file}"}]}
    parquet(tmp_path / "hub/train.parquet", [row])
    task = imported(tmp_path / "hub")[0]
    assert task.picture == str(file)
    assert task.targets[0].to_rect(Rect(0, 0, 100, 50)) == (10, 10, 60, 30)


def test_coldstart_conversations_become_one_task_per_sample(tmp_path):
    cut = CONVERSATION[:3]
    rows = [coldstart_row(0, 0, 0, cut), coldstart_row(1, 0, 1), coldstart_row(2, 0, 2), coldstart_row(3, 5)]
    parquet(tmp_path / "hub/data/train-00000-of-00005.parquet", rows)
    state = import_tasks(tmp_path / "hub", tmp_path / "out")
    tasks = read_tasks(tmp_path / "out")
    assert (state.tasks, state.silent, state.skipped) == (2, 2, 0)
    assert shown(tasks) == [("What colour is the kite?", (), "red")] * 2
    assert [task.name for task in tasks] == ["visual_probe_train_0", "visual_probe_train_5"]
    assert Path(tasks[0].picture).read_bytes() == picture(0, (100, 50))  # the first one, not an observation


# --- others ---


def test_treebench_has_boxes_in_a_string_and_may_have_no_options(tmp_path):
    row = {
        "index": 0,
        "image": b64(picture(1, (100, 50))),
        "question": "Which is it? \nAnswer with the correct option's letter directly. ",
        "answer": "F",
    }
    row |= {letter: f"thing {letter}" for letter in "ABCDEF"} | {
        "category": "attributes",
        "target_instances": "[[10, 5, 30, 25], [50, 0, 100, 50]]",
    }
    word = {
        **row,
        "index": 1,
        "question": "What does the sign say?",
        "answer": "STOP",
        **dict.fromkeys("ABCDEF", ""),
    }
    tabs(tmp_path / "hub/TreeBench.tsv", [row, word])
    first, second = imported(tmp_path / "hub")
    assert (first.question, len(first.options), first.answer) == ("Which is it?", 6, "F")
    assert [region.to_rect(Rect(0, 0, 100, 50)) for region in first.targets] == [
        (10, 5, 30, 25),
        (50, 0, 100, 50),
    ]
    assert shown([second]) == [("What does the sign say?", (), "STOP")]


def test_o3_bench_metadata(tmp_path):
    put(tmp_path / "hub/test/images/map.png", picture(3, format="PNG"))
    row = {
        "file_name": "images/map.png",
        "subset": "map",
        "question": "Which line?",
        "options": "A. red\nB. blue\nC. No right choice",
        "answer": "C",
    }
    lines(tmp_path / "hub/test/metadata.jsonl", [row])
    task = imported(tmp_path / "hub")[0]
    assert shown([task]) == [("Which line?", ("red", "blue", "No right choice"), "C")]
    assert (task.source, task.category) == ("o3_bench", "map")


def test_your_own_lines(tmp_path):
    put(tmp_path / "mine/a.jpg", picture(1, (100, 50)))
    put(tmp_path / "mine/images/b.jpg", picture(2, (100, 50)))
    rows = [
        {
            "image": "a.jpg",
            "question": "Where is the café?",
            "answer": "left",
            "bboxes": [[10, 10, 20, 20]],
            "id": 0,
        },
        {
            "file_name": "b.jpg",
            "question": "How many?",
            "answer": 3,
            "bboxes": [0.5, 0.5, 1, 1],
            "category": "count",
        },
        {"images": ["images/b.jpg"], "question": "Which?", "options": ["one", "two"], "answer": "two"},
        {"image": "a.jpg", "question": "Which?", "options": {"A": "one", "B": "two"}},
        {
            "image": "data:image/png;base64," + b64(picture(3, format="PNG")),
            "query": "What?",
            "response": "this",
        },
    ]
    lines(tmp_path / "mine/questions.jsonl", rows)
    tasks = imported(tmp_path / "mine")
    assert shown(tasks) == [
        ("Where is the café?", (), "left"),
        ("How many?", (), "3"),
        ("Which?", ("one", "two"), "B"),
        ("Which?", ("one", "two"), None),
        ("What?", (), "this"),
    ]
    assert (tasks[0].name, tasks[0].source, tasks[1].category) == ("0", "questions", "count")
    assert [tasks[i].targets[0].to_rect(Rect(0, 0, 100, 50)) for i in (0, 1)] == [
        (10, 10, 20, 20),
        (50, 25, 100, 50),
    ]
    assert tasks[4].picture.endswith(".png")


def test_any_other_table_in_the_form_of_vlmevalkit(tmp_path):
    rows = [
        {
            "index": 5,
            "image": b64(picture(1)),
            "question": 'Say "yes"\tor no?',
            "A": "yes",
            "B": "no",
            "answer": "B",
        },
        {"index": 6, "image": "5", "question": "And\nthis?", "A": "yes", "B": "no", "answer": "A"},
    ]
    tabs(tmp_path / "mine/custom.tsv", rows)
    first, second = imported(tmp_path / "mine")
    assert (first.question, first.source) == ('Say "yes"\tor no?', "custom")
    assert (second.question, second.picture) == (
        "And\nthis?",
        first.picture,
    )  # a short cell names the row with the picture


# --- pictures and boxes ---


def test_sizes_and_boxes_are_of_the_upright_picture(tmp_path):
    put(tmp_path / "mine/turned.jpg", turned(1, (100, 50)))
    lines(tmp_path / "mine/q.jsonl", [{"image": "turned.jpg", "question": "?", "bboxes": [[0, 0, 10, 90]]}])
    task = imported(tmp_path / "mine")[0]
    assert task.size == (50, 100)
    assert task.targets[0].to_rect(Rect(0, 0, 50, 100)) == (0, 0, 10, 90)


def test_files_of_one_name_and_one_question_are_two_tasks(tmp_path):
    for i, folder in enumerate("ab"):
        put(tmp_path / f"mine/{folder}/1.jpg", picture(i))
    rows = [
        {"image": f"{folder}/1.jpg", "question": "How many?", "answer": "2"} for folder in ("a", "b", "a")
    ]
    lines(tmp_path / "mine/q.jsonl", rows)
    state = import_tasks(tmp_path / "mine", tmp_path / "out")
    tasks = read_tasks(tmp_path / "out")
    assert (len({task.id for task in tasks}), state.repeated) == (2, 1)
    assert [Path(task.picture).read_bytes() for task in tasks] == [picture(0), picture(1), picture(0)]


def test_copies_are_written_once_and_inside_the_folder(tmp_path):
    folder = vstar(tmp_path / "vstar", count=1)
    put(folder / "relative_position/sa_02.jpg", (folder / "direct_attributes/sa_04.jpg").read_bytes())
    tasks = imported(folder, copy=True)
    assert len({task.picture for task in tasks}) == 1
    assert Path(tasks[0].picture).parent == tmp_path / "vstar-tasks/pictures"
    rows = [json.loads(line) for line in (tmp_path / "vstar-tasks/tasks.jsonl").read_text().splitlines()]
    assert rows[0]["picture"].startswith("pictures/")  # relative: the folder can be moved


def test_a_cache_full_of_links_keeps_its_names(tmp_path):
    """The hub's cache keeps files under hashes and links to them."""
    vstar(tmp_path / "plain", count=1)
    for number, path in enumerate(sorted(path for path in (tmp_path / "plain").rglob("*") if path.is_file())):
        link = tmp_path / "links" / path.relative_to(tmp_path / "plain")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(put(tmp_path / f"blobs/{number}", path.read_bytes()))
    tasks = imported(tmp_path / "links")
    assert [(Path(task.picture).name, len(task.targets)) for task in tasks] == [
        ("sa_04.jpg", 1),
        ("sa_02.jpg", 1),
    ]


# --- finding out what it is ---


def test_what_is_missing_is_said(tmp_path):
    vstar(tmp_path / "v", questions=False)
    for path in (tmp_path / "v/relative_position").iterdir():
        path.unlink()
    with pytest.raises(
        UserError,
        match=(
            r"not V\* Bench: missing test_questions\.jsonl; or relative_position/\*\.json\. Where to get it:"
            r" .*vstar"
        ),
    ):
        find_loader(tmp_path / "v", "vstar")
    for name, loader in LOADERS.items():
        with pytest.raises(UserError, match="missing") as error:
            find_loader(put(tmp_path / f"empty/{name}/readme.txt", "x").parent, name)
        assert loader.get in str(error.value)
        assert "\n" not in str(error.value)


def test_nothing_several_or_a_wrong_name_is_one_clear_line(tmp_path):
    folder = put(tmp_path / "x/readme.txt", "nothing").parent
    for path, name, why in (
        (folder, "auto", "no data set is recognised"),
        (folder, "nope", "unknown; choose auto or"),
        (tmp_path / "none", "auto", "no such file"),
    ):
        with pytest.raises(UserError, match=why):
            find_loader(path, name)
    vstar(folder)
    tabs(folder / "hr_bench_4k.tsv", hr_rows())
    with pytest.raises(UserError, match=r"several data sets \(vstar, hrbench\)"):
        find_loader(folder)
    assert find_loader(folder / "hr_bench_4k.tsv").loader.name == "hrbench"
    assert find_loader(folder, "vstar").loader.name == "vstar"


def test_pictures_are_named_where_they_lie_when_the_tasks_go_beside_them(tmp_path):
    put(tmp_path / "mine/a.jpg", picture(1))
    lines(tmp_path / "mine/q.jsonl", [{"image": "a.jpg", "question": "?", "answer": "x"}])
    import_tasks(tmp_path / "mine", tmp_path / "mine")
    assert json.loads((tmp_path / "mine/tasks.jsonl").read_text())["picture"] == "a.jpg"
    (tmp_path / "mine").rename(tmp_path / "moved")
    assert Image.open(read_tasks(tmp_path / "moved")[0].picture).size == (64, 48)
    assert skipped(tmp_path / "moved") == []
