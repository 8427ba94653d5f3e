"""Readers name what is wrong by file and id, boxes follow pictures, the made set is the same each time."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from mini_o3.grounding.data.coco import read_coco, to_coco
from mini_o3.grounding.data.cutouts import CutoutConfig, find_cutouts, make_cutouts, split_files
from mini_o3.grounding.data.open_images import read_open_images
from mini_o3.grounding.data.transforms import Augmentation, augment, crop_boxes, normalised, to_array
from mini_o3.kit.errors import UserError

GOOD = {
    "images": [
        {"id": 7, "file_name": "a.png", "width": 60, "height": 40},
        {"id": 9, "file_name": "b.png", "width": 60, "height": 40},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 5, "bbox": [10, 5, 20, 10], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [0, 0, 60.5, 40], "iscrowd": 1},
    ],
    "categories": [{"id": 5, "name": "dog"}, {"id": 3, "name": "cat"}],
}


def written(folder, data):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (60, 40)).save(folder / name)
    path = folder / "instances_val.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def changed(key, place, **values):
    data = json.loads(json.dumps(GOOD))
    data[key][place].update(values)
    return data


def test_coco_is_read_and_written_back(tmp_path):
    data = read_coco(written(tmp_path, GOOD))
    assert data.names == ["cat", "dog"]
    assert [s.id for s in data.samples] == [7, 9]
    first, empty = data.samples
    assert first.boxes.tolist() == [[10, 5, 30, 15], [0, 0, 60, 40]]
    assert first.labels.tolist() == [1, 0]
    assert first.crowd.tolist() == [False, True]
    assert empty.boxes.shape == (0, 4)
    again = read_coco(written(tmp_path, to_coco(data)))
    assert again.names == data.names
    assert again.samples[0].boxes.tolist() == first.boxes.tolist()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "a list, not a JSON object"),
        ({"images": []}, "has no list of categories"),
        (
            changed("annotations", 0, bbox=[50, 5, 20, 10]),
            "annotation 1: the box 50, 5, 70, 15 reaches outside",
        ),
        (changed("annotations", 0, bbox=[10, 5, 0, 10]), "annotation 1: the box has no area"),
        (changed("annotations", 0, bbox=[10, 5, float("nan"), 10]), "annotation 1: the box [10, 5, nan"),
        (changed("annotations", 0, bbox=None), "annotation 1: the box None"),
        (changed("annotations", 1, category_id=4), "annotation 2: there is no category 4"),
        (changed("annotations", 1, image_id=8), "annotation 2: there is no picture 8"),
        (changed("annotations", 1, id=1), "two of the annotations have the id 1"),
        (changed("images", 1, file_name="c.png"), "picture 9: c.png is not in"),
        (changed("images", 1, width="60"), "picture 9: is not a picture (width should be a whole number"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_id(tmp_path, data, said):
    path = written(tmp_path, data)
    with pytest.raises(UserError) as error:
        read_coco(path)
    assert str(error.value).startswith(str(path))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


CSV = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,"
    "IsInside"
)


def open_images(folder, *rows, **options):
    Image.new("RGB", (200, 100)).save(folder / "0a.jpg")
    (folder / "classes.csv").write_text("/m/1,Cat\n/m/2,Dog\n")
    (folder / "boxes.csv").write_text("\n".join([CSV, *rows]) + "\n")
    return read_open_images(folder / "boxes.csv", folder / "classes.csv", folder, **options)


def test_open_images_has_x_before_y_and_flags(tmp_path):
    rows = ("0a,x,/m/2,1,0.1,0.5,0.2,0.9,0,0,1,0,0", "0a,x,/m/1,1,0.0,1.0,0.0,1.0,0,0,0,1,0")
    (sample,) = open_images(tmp_path, *rows).samples
    assert np.allclose(sample.boxes, [[20, 20, 100, 90], [0, 0, 200, 100]])
    assert sample.labels.tolist() == [1, 0]
    assert sample.crowd.tolist() == [True, False]
    fewer = open_images(tmp_path, *rows, depictions=False)
    assert fewer.samples[0].labels.tolist() == [1]
    assert fewer.notes == ["1 boxes of depictions left out"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0a,x,/m/3,1,0.1,0.5,0.2,0.9,0,0,1,0,0", "line 2: /m/3 is not in"),
        ("0b,x,/m/1,1,0.1,0.5,0.2,0.9,0,0,1,0,0", "the picture 0b is not in"),
        ("0a,x,/m/1,1,0.5,0.1,0.2,0.9,0,0,1,0,0", "line 2: the box has no area"),
        ("0a,x,/m/1,1,0.1,1.5,0.2,0.9,0,0,1,0,0", "line 2: the box 20, 20, 300, 90 reaches outside"),
        ("0a,x,/m/1,1,x,1.5,0.2,0.9,0,0,1,0,0", "line 2: a coordinate is not a number"),
    ],
)
def test_bad_rows_of_open_images_are_named(tmp_path, row, said):
    with pytest.raises(UserError) as error:
        open_images(tmp_path, row)
    assert said in str(error.value)


boxes_of = st.lists(
    st.tuples(st.integers(0, 79), st.integers(0, 59), st.integers(1, 80), st.integers(1, 60)).map(
        lambda b: [b[0], b[1], min(b[0] + b[2], 80), min(b[1] + b[3], 60)]
    ),
    max_size=4,
)


@given(boxes_of, st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_boxes_of_a_changed_picture_lie_in_it_and_keep_their_share(boxes, seed):
    array = np.array(boxes, dtype=float).reshape(-1, 4)
    rule = Augmentation()
    picture, changed_boxes, kept = augment(
        Image.new("RGB", (80, 60)), array, rule, np.random.default_rng(seed)
    )
    left = changed_boxes[kept]
    assert (left >= 0).all()
    assert (left[:, [0, 2]] <= picture.width).all()
    assert (left[:, [1, 3]] <= picture.height).all()
    area = (left[:, 2] - left[:, 0]) * (left[:, 3] - left[:, 1])
    whole = ((array[:, 2] - array[:, 0]) * (array[:, 3] - array[:, 1]))[kept]
    assert (area >= rule.visible * whole - 1e-9).all()
    assert (area <= whole + 1e-9).all()


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_a_box_still_holds_its_thing_after_any_change(seed):
    picture = Image.new("RGB", (80, 60), "black")
    ImageDraw.Draw(picture).rectangle((30, 20, 49, 39), fill="white")  # 20 x 20, both ends inside
    rule = Augmentation(jitter=0.0, visible=0.01)
    boxes = np.array([[30.0, 20.0, 50.0, 40.0]])
    seen, boxes, kept = augment(picture, boxes, rule, np.random.default_rng(seed))
    bright = np.asarray(seen)[..., 0] > 127
    assert bool(kept[0]) == bool(bright.any()) or bright.sum() <= 4
    if kept[0]:
        rows, columns = np.nonzero(bright.any(1))[0], np.nonzero(bright.any(0))[0]
        assert boxes[0].tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_crop_and_normalise_by_hand():
    boxes, kept = crop_boxes(
        np.array([[0.0, 0, 10, 10], [8, 8, 20, 20], [30, 30, 40, 40]]), (5, 5, 25, 25), 0.5
    )
    assert kept.tolist() == [False, True, False]
    assert boxes[1].tolist() == [3, 3, 15, 15]
    assert np.allclose(normalised(np.array([[10.0, 20, 30, 40]]), (100, 200)), [[0.2, 0.15, 0.2, 0.1]])


def test_a_picture_becomes_an_array_with_the_statistics_of_imagenet():
    array = to_array(Image.new("RGB", (50, 80), (124, 116, 104)), 32)
    assert array.shape == (3, 32, 32)
    assert np.abs(array).max() < 0.02


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for kind, count in (("ball", 8), ("red_cup", 9), ("rare", 7)):
        (folder / "things" / kind).mkdir(parents=True)
        for i in range(count):
            cut = Image.new("RGBA", (40, 40))
            draw = ImageDraw.Draw(cut)
            shape = draw.ellipse if kind == "ball" else draw.rectangle
            shape((5, 5, 30, 34), fill=(10 * i, 200, 99 if kind == "ball" else 7, 255))
            cut.save(folder / "things" / kind / f"{i}.png")
    Image.new("RGBA", (40, 40), "red").save(
        folder / "things" / "ball" / "full.png"
    )  # no cut-out: all is seen
    (folder / "things" / "copies").mkdir()
    for i in range(8):
        source = folder / "things" / "ball" / f"{i}.png"
        (folder / "things" / "copies" / f"{i}.png").write_bytes(source.read_bytes())
    for i in range(6):
        noise = np.random.default_rng(i).integers(0, 255, (96, 128, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"ground{i}.png")
    return folder


CONFIG = CutoutConfig(counts=(12, 5, 4), side=96)


def made(sources, out):
    make_cutouts(find_cutouts([sources / "things"]), sorted(sources.glob("*.png")), out, CONFIG, ["pack 1.0"])
    return {
        str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.rglob("*.*"))
    }


def test_only_folders_with_eight_different_cutouts_are_categories(sources):
    found = find_cutouts([sources / "things"])
    assert {name: len(files) for name, files in found.items()} == {"ball": 8, "red cup": 9}
    assert set(find_cutouts([sources / "things"], skip=("ball",))) == {"copies", "red cup"}


def test_the_made_set_is_the_same_each_time_and_its_splits_share_no_file(sources, tmp_path):
    first, second = made(sources, tmp_path / "one"), made(sources, tmp_path / "two")
    assert first == second
    assert len([name for name in first if name.endswith(".png")]) == 21
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert manifest["sources"] == ["pack 1.0"]
    for parts in (manifest["backgrounds"], *manifest["cutouts"].values()):
        files = [digest for part in parts.values() for digest in part.values()]
        assert len(files) == len(set(files))
        assert all(parts[split] for split in ("train", "val", "test"))


def test_boxes_of_the_made_set_are_what_coco_readers_take(sources, tmp_path):
    made(sources, tmp_path)
    data = read_coco(tmp_path / "instances_train.json")
    assert data.names == ["ball", "red cup"]
    assert len(data.samples) == 12
    assert sum(len(s.labels) for s in data.samples) > 20
    for sample in data.samples:
        assert ((sample.hidden >= 0) & (sample.hidden <= CONFIG.most_hidden)).all()
        share = np.prod(sample.boxes[:, 2:] - sample.boxes[:, :2], axis=1) / 96**2
        assert (share < 0.65).all()


def test_files_are_split_by_what_is_in_them(sources, tmp_path):
    files = sorted((sources / "things" / "red_cup").glob("*.png"))
    parts = split_files(files, 42)
    moved = []
    for i, path in enumerate(reversed(files)):
        copy = tmp_path / f"{i}.png"
        copy.write_bytes(path.read_bytes())
        moved.append(copy)
    assert [[p.read_bytes() for p in part] for part in split_files(moved, 42)] == [
        [p.read_bytes() for p in part] for part in parts
    ]
    assert [len(part) for part in parts] == [4, 2, 3]


def test_too_few_pictures_are_refused(sources, tmp_path):
    found = find_cutouts([sources / "things"])
    with pytest.raises(UserError, match="three are needed"):
        make_cutouts(found, [sources / "ground0.png"], tmp_path, CONFIG)
    with pytest.raises(UserError, match="no folder has 8"):
        make_cutouts({}, sorted(sources.glob("*.png")), tmp_path, CONFIG)


def test_a_fixed_split_shares_no_picture(tmp_path):
    data = read_coco(written(tmp_path, GOOD))
    one, other = data.split(0.5)
    assert {s.id for s in one.samples} | {s.id for s in other.samples} == {7, 9}
    assert not {s.id for s in one.samples} & {s.id for s in other.samples}
    assert data.split(1.0)[1].samples == []
