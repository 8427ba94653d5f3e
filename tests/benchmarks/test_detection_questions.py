"""Detection labels become questions only where one answer is left, and the boxes are those of the things
asked about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import OPEN_HEADER, coco, open_images, picture, put, skipped

from mini_o3.benchmarks.importer import import_tasks
from mini_o3.benchmarks.scenes import Labelled, Scene, plural, questions
from mini_o3.episode import read_tasks
from mini_o3.kit.errors import UserError

SIZE = (400, 300)


def scene(*things, unsure=()):
    """A scene of 400 x 300 pixels; things are (name, x, y, width, height[, vague]) in pixels."""
    labelled = tuple(
        Labelled(name, (x / 400, y / 300, (x + w) / 400, (y + h) / 300), bool(vague))
        for name, x, y, w, h, *vague in things
    )
    return Scene(Path("x.jpg"), "1", "coco", SIZE, labelled, frozenset(unsure))


def asked(*things, kind=None, unsure=()):
    """Everything that may be asked about a scene, over many seeds."""
    drafts = [draft for seed in range(40) for draft in questions(scene(*things, unsure=unsure), seed)]
    return {(draft.question, draft.answer) for draft in drafts if kind in (None, draft.category)}


DOG, CAT = ("dog", 200, 100, 60, 60), ("cat", 50, 110, 60, 50)


def test_a_dog_and_a_cat():
    assert asked(DOG, CAT) == {
        ("How many dogs are there in the picture?", "1"),
        ("How many cats are there in the picture?", "1"),
        ("What is directly to the left of the dog?", "cat"),
        ("What is directly to the right of the cat?", "dog"),
        ("Is the dog to the left or to the right of the cat?", "right"),
        ("Is the cat to the left or to the right of the dog?", "left"),
    }


def test_above_and_below():
    assert asked(DOG, ("cat", 205, 20, 50, 50), kind="beside") == {
        ("What is directly above the dog?", "cat"),
        ("What is directly below the cat?", "dog"),
    }


@pytest.mark.parametrize(
    "third",
    [
        ("bus", 120, 90, 40, 100),  # a second thing on the left
        ("bus", 180, 140, 60, 60),  # one that reaches into the left strip from below
        ("bus", 0, 150, 30, 100),  # one far on the left that touches the strip with its top
        ("cat", 0, 100, 30, 60),  # another cat
        ("person", 10, 100, 300, 100, True),  # a crowd there
    ],
)
def test_nothing_is_asked_about_a_side_with_more_than_one_thing(third):
    assert "What is directly to the left of the dog?" not in {
        question for question, _ in asked(DOG, CAT, third)
    }


def test_what_is_not_quite_beside_is_not_asked_about():
    low = ("cat", 50, 150, 60, 140)  # only ten pixels of it face the dog
    overlapping = ("cat", 150, 100, 60, 60)
    for other in (low, overlapping):
        assert not {
            q for q, _ in asked(DOG, other, kind="beside") if q == "What is directly to the left of the dog?"
        }


def test_two_dogs_are_counted_but_there_is_no_the_dog():
    found = asked(DOG, ("dog", 300, 20, 40, 40), CAT)
    assert ("How many dogs are there in the picture?", "2") in found
    assert not [question for question, _ in found if "the dog" in question]


@pytest.mark.parametrize(
    ("things", "unsure"),
    [
        ([DOG, ("dog", 300, 20, 40, 40, True)], ()),  # a crowd of dogs
        ([DOG, ("dog", 300, 20, 7, 40)], ()),  # one too small to be sure of
        ([DOG, ("wolf", 205, 105, 55, 55)], ()),  # perhaps one animal with two names
        ([DOG], ("dog",)),  # a label that says nothing
        ([("dog", 5 * i, 0, 20, 20) for i in range(0, 80, 8)], ()),  # ten of them
        ([("scissors", 200, 100, 60, 60)], ()),
    ],
)
def test_what_cannot_be_counted_is_not_asked(things, unsure):
    counted = {question for question, _ in asked(*things, kind="count", unsure=unsure)}
    assert not counted & {
        "How many dogs are there in the picture?",
        "How many scissorses are there in the picture?",
    }


def test_people_under_several_names_are_left_alone():
    man, person = ("man", 200, 100, 60, 100), ("person", 20, 100, 60, 100)
    assert asked(man, person) == set()
    assert ("How many men are there in the picture?", "1") in asked(man)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), *[st.integers(0, 20)] * 2, *[st.integers(1, 20)] * 2, st.booleans()
        ),
        max_size=7,
    ),
    st.integers(0, 5),
)
def test_an_answer_holds_whatever_is_labelled(boxes, seed):
    """Checked anew from the labels, pixel by pixel instead of side by side."""
    things = [
        (name, 10 * x, 10 * y, min(10 * w, 400 - 10 * x), min(10 * h, 300 - 10 * y), vague)
        for name, x, y, w, h, vague in boxes
    ]
    made = scene(*things)
    for draft in questions(made, seed):
        targets = {tuple(box) for box in draft.boxes.values}
        if draft.category == "count":
            named = [thing for thing in made.things if f"How many {plural(thing.name)} " in draft.question]
            assert (draft.answer, {thing.box for thing in named}) == (str(len(named)), targets)
            assert not any(thing.vague for thing in named)
        elif draft.category == "beside":
            anchor, other = ([t for t in made.things if t.box == box] for box in draft.boxes.values)
            assert f"the {anchor[0].name}?" in draft.question
            assert draft.answer == other[0].name
            if "left" in draft.question:
                rows = range(int(anchor[0].box[1] * 300 + 0.5), int(anchor[0].box[3] * 300 + 0.5))
                columns = range(int(anchor[0].box[0] * 400 + 0.5))
                there = {t.name for t in made.things if t is not anchor[0] if _covers(t.box, columns, rows)}
                assert there == {draft.answer}
        else:
            first, second = draft.boxes.values
            assert draft.answer == ("left" if first[2] < second[0] else "right")


def _pixels(region):
    return tuple(round(value * SIZE[i % 2]) for i, value in enumerate(region.xyxy))


def _covers(box, columns, rows):
    wide = range(max(columns.start, int(box[0] * 400 + 0.5)), min(columns.stop, int(box[2] * 400 + 0.5)))
    high = range(max(rows.start, int(box[1] * 300 + 0.5)), min(rows.stop, int(box[3] * 300 + 0.5)))
    return len(wide) > 0 and len(high) > 0


def test_the_same_seed_asks_the_same_and_another_something_else():
    things = [("dog", 200, 100, 60, 60), ("cat", 50, 110, 60, 50), ("bus", 300, 10, 50, 50)]
    first, again = (questions(scene(*things), 3) for _ in range(2))
    assert first == again
    assert len({tuple(draft.question for draft in questions(scene(*things), seed)) for seed in range(20)}) > 5


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("dog", "dogs"),
        ("bus", "buses"),
        ("person", "people"),
        ("wine glass", "wine glasses"),
        ("knife", "knives"),
        ("teddy bear", "teddy bears"),
        ("couch", "couches"),
        ("toy", "toys"),
        ("cherry", "cherries"),
        ("sheep", "sheep"),
    ],
)
def test_plurals(one, many):
    assert plural(one) == many


# --- COCO ---


def test_coco_instances(tmp_path):
    root = coco(
        tmp_path / "coco",
        [(1, 400, 300), (2, 400, 300), (3, 200, 200)],
        [
            (1, "dog", [200.0, 100.0, 60.25, 60], 0),
            (1, "cat", [50, 110, 60, 50], 0),
            (2, "person", [0, 0, 300, 200], 1),
            (3, "bus", [10, 10, 0, 50], 0),
        ],
    )
    (root / "val2017/000003.jpg").unlink()
    state = import_tasks(root, tmp_path / "out")
    tasks = read_tasks(tmp_path / "out")
    assert [task.category for task in tasks] == ["count", "beside", "side"]
    assert (state.tasks, state.silent, state.skipped, state.format) == (3, 2, 0, "coco")
    assert {task.source for task in tasks} == {"coco_val2017"}
    assert tasks[0].size == SIZE
    assert tasks[0].seed == 0
    assert {_pixels(region) for task in tasks for region in task.targets} == {
        (200, 100, 260, 160),
        (50, 110, 110, 160),
    }
    import_tasks(root, tmp_path / "again")
    assert read_tasks(tmp_path / "again") == tasks


def test_coco_boxes_of_another_size_and_unknown_categories_are_bad_rows(tmp_path):
    root = coco(
        tmp_path / "coco",
        [(1, 400, 300), (2, 400, 300), (3, 400, 300)],
        [(i, "dog", [20, 10, 60, 60], 0) for i in (1, 2, 3)],
    )
    put(root / "val2017/000001.jpg", picture(0, (200, 150)))
    path = root / "annotations/instances_val2017.json"
    data = json.loads(path.read_text())
    data["annotations"][1]["category_id"] = 77
    put(path, json.dumps(data))
    assert import_tasks(root, tmp_path / "out", on_error="skip").tasks == 1
    assert [(row, reason) for _, row, reason in skipped(tmp_path / "out")] == [
        (1, "its boxes are of a picture of 400 x 300, its picture has 200 x 150"),
        (2, "a label has a category that is not in the file"),
    ]


def test_coco_annotations_whose_pictures_were_not_downloaded(tmp_path):
    root = coco(tmp_path / "coco", [(1, 400, 300)], [(1, "dog", [0, 0, 60, 60], 0)])
    (root / "val2017/000001.jpg").unlink()
    with pytest.raises(UserError, match="none of its 1 rows holds a question about a picture that is there"):
        import_tasks(root, tmp_path / "out")


# --- Open Images ---


def test_open_images(tmp_path):
    rows = [
        ("aa", "/m/01", [0.5, 0.4, 0.7, 0.6], False),
        ("aa", "/m/02", [0.1, 0.4, 0.3, 0.6], False),
        ("bb", "/m/01", [0.5, 0.4, 0.7, 0.6], True),  # a group
        ("cc", "/m/01", [0.5, 0.4, 0.7, 0.6], False),  # not downloaded
        ("dd", "/m/03", [0.5, 0.4, 0.7, 0.6], False),
    ]
    root = open_images(tmp_path / "oi", rows, ["aa", "bb", "dd"])
    state = import_tasks(root, tmp_path / "out")
    tasks = read_tasks(tmp_path / "out")
    assert (state.tasks, state.silent) == (4, 1)
    assert {task.source for task in tasks} == {"open_images_validation"}
    assert ("How many men are there in the picture?", "1") in {(task.question, task.answer) for task in tasks}
    beside = next(task for task in tasks if task.category == "beside")
    assert {_pixels(region) for region in beside.targets} == {(200, 120, 280, 180), (40, 120, 120, 180)}


def test_open_images_that_are_not_sorted_are_refused_and_unknown_labels_are_bad_rows(tmp_path):
    box = [0.5, 0.4, 0.7, 0.6]
    root = open_images(
        tmp_path / "oi", [("aa", "/m/01", box, False), ("bb", "/m/99", box, False)], ["aa", "bb"]
    )
    import_tasks(root, tmp_path / "out", on_error="skip")
    assert skipped(tmp_path / "out") == [
        ("validation-annotations-bbox.csv", 2, "label /m/99 is not in the class descriptions")
    ]
    mixed = [("aa", "/m/01", box, False), ("bb", "/m/01", box, False), ("aa", "/m/02", box, False)]
    open_images(tmp_path / "mixed", mixed, ["aa", "bb"])
    with pytest.raises(UserError, match="row 3: rows of aa are not together; sort them by ImageID"):
        import_tasks(tmp_path / "mixed", tmp_path / "mixed-out")
    (tmp_path / "oi/class-descriptions-boxable.csv").unlink()
    with pytest.raises(UserError, match=r"missing \*class-descriptions\*\.csv"):
        import_tasks(tmp_path / "oi", tmp_path / "x", format="openimages")
    assert OPEN_HEADER.index("XMax") < OPEN_HEADER.index("YMin")  # the pairs are X, then Y
