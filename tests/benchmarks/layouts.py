"""Tiny data sets in the exact layouts of the published ones, with pictures that can be told apart."""

from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SUFFIX = "\nAnswer with the option's letter from the given choices directly."
TOOL_ORDER = "Think first, call **image_zoom_in_tool** if needed, then answer. Format strictly as: <think>"
HR_OPTIONS = ("27", "37", "41", "72")
CONVERSATION = [
    {"from": "system", "value": "You search."},
    {"from": "human", "value": "<image>\nWhat colour is the kite?"},
    {
        "from": "gpt",
        "value": (
            '<think>There.</think><grounding>{"bbox_2d": [0, 0, 1, 1], "source":'
            ' "original_image"}</grounding>'
        ),
    },
    {
        "from": "human",
        "value": "After the above Action 0, here is the zoomed-in image (Observation 1):\n<image>.",
    },
    {"from": "gpt", "value": "<think>It's red.</think><answer> red </answer>"},
]


def picture(shade=0, size=(64, 48), format="JPEG", **more):
    """The file content of a picture of one colour; other shades make other contents."""
    buffer = io.BytesIO()
    if format == "JPEG":  # which blurs the difference of close shades
        more["comment"] = str(shade)
    Image.new("RGB", size, (shade % 256, 90, 200)).save(buffer, format, **more)
    return buffer.getvalue()


def turned(shade=0, size=(64, 48)):
    """A picture stored lying on its side: upright it is `size[1]` wide."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(shade, size, exif=exif.tobytes())


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else str(content).encode())
    return path


def b64(content):
    return base64.b64encode(content).decode()


def lines(path, rows):
    return put(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def array(path, rows):
    return put(path, json.dumps(rows, ensure_ascii=False))


def tabs(path, rows, columns=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns or list(rows[0]), delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    return path


def parquet(path, rows, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, **more)
    return path


def vstar(root, count=2, questions=True):
    """Layout A: JSON beside each picture, the truth first; `test_questions.jsonl` if asked for."""
    rows = []
    for folder, words in (
        ("direct_attributes", ("rubber", "cotton", "kevlar", "leather")),
        ("relative_position", ("left", "right")),
    ):
        for i in range(count):
            stem = f"sa_{i}{len(words)}"
            put(root / folder / f"{stem}.jpg", picture(i * 10 + len(words), (200, 100)))
            question = f"What is the {folder} of glove {i}?"
            truth = {"target_object": ["glove"], "bbox": [[20, 10, 40, 30]], "question": question}
            put(
                root / folder / f"{stem}.json",
                json.dumps({**truth, "options": [f"It is {word}." for word in words]}),
            )
            text = (
                question
                + "".join(f"\n({letter}) {word}" for letter, word in zip("ABCD", words[::-1], strict=False))
                + SUFFIX
            )
            label = "ABCD"[len(words) - 1]
            rows.append(
                {
                    "question_id": len(rows),
                    "image": f"{folder}/{stem}.jpg",
                    "text": text,
                    "label": label,
                    "category": folder,
                }
            )
    if questions:
        lines(root / "test_questions.jsonl", rows)
    return root


def hr_rows(questions=2, size=(80, 60), category="single"):
    """Four rotations of each question, every row with its own copy of the picture."""
    rows = []
    for q in range(questions):
        image = b64(picture(q, size))
        for turn in range(4):
            order = HR_OPTIONS[-turn:] + HR_OPTIONS[:-turn] if turn else HR_OPTIONS
            rows.append(
                {
                    "index": 4 * q + turn,
                    "question": f"What number is on sign {q}?",
                    **dict(zip("ABCD", order, strict=True)),
                    "answer": "ABCD"[order.index("27")],
                    "category": category,
                    "cycle_category": turn,
                    "image": image,
                }
            )
    return rows


def mme_raw(root, count=2):
    choices = ["(A) 3", "(B) 4", "(C) 5", "(D) 6", "(E) The image does not feature the content"]
    rows = []
    for i in range(count):
        put(root / "remote_sensing" / f"{i}.png", picture(i, (90, 70), "PNG"))
        rows.append(
            {
                "Question_id": f"perception/remote/{i}",
                "Image": f"remote_sensing/{i}.png",
                "Text": f"How many ships at dock {i}?",
                "Question Type": "Multiple Choice",
                "Answer choices": choices,
                "Ground truth": "ABCDE"[i % 5],
                "Task": "Perception",
                "Subtask": "Remote Sensing",
                "Category": "count",
                "Dataset": "x",
            }
        )
    array(root / "MME_RealWorld.json", rows)
    return root


def mme_row(index=0, **more):
    return {
        "index": index,
        "image": b64(picture(index, (90, 70))),
        "question": f"Which way does car {index} go?",
        "multi-choice options": ["(A) left", "(B) right", "(C) on", "(D) back", "(E) not featured"],
        "answer": "B",
        "category": "Reasoning/Autonomous_Driving",
        "l2-category": "attribute/motion",
        **more,
    }


def visualprobe(base, split="Hard", count=3):
    """The released layout; returns the base folder."""
    name = f"VisualProbe_{split}"
    rows = []
    for i in range(1, count + 1):
        doc = f"visual_probe_{split.lower()}_{i}"
        put(base / name / "data" / f"{doc}.jpg", picture(i, (120, 90)))
        rows.append(
            {
                "images": [f"{name}/data/{doc}.jpg"],
                "doc_id": doc,
                "problem": f"<image>\nWhat is written on sign {i}?",
                "solution": ("White.", "YE OLDE.", "3")[i % 3],
                "data_source": f"visual_probe_{split.lower()}",
            }
        )
    array(base / name / ("train.json" if split == "train" else "val.json"), rows)
    return base


def deepeyes_row(index=0, answer="Blue", **extra):
    return {
        "data_source": "vstar",
        "prompt": [
            {"role": "system", "content": "You have a tool."},
            {"role": "user", "content": f"<image>\nWhat colour is the bin?\n{TOOL_ORDER}"},
        ],
        "images": [{"bytes": picture(index, (100, 50)), "path": None}],
        "ability": "vl_search",
        "env_name": "visual_toolbox_v2",
        "reward_model": {"ground_truth": answer, "style": "model"},
        "extra_info": {
            "index": str(index),
            "split": "train",
            **({"question": f"What colour is bin {index}?"} | extra),
        },
    }


def coldstart_row(index=0, sample=0, rollout=0, conversation=CONVERSATION):
    return {
        "images": [{"bytes": picture(sample, (100, 50)), "path": None}, {"bytes": picture(99), "path": None}],
        "image_names": ["original.jpg", "observation_1.jpg"],
        "conversations": str(conversation),
        "data_source": "visual_probe_train",
        "sample_index": sample,
        "rollout_index": rollout,
    }


def coco(root, images, annotations, categories=("dog", "cat", "person", "bus")):
    """`images` are (id, width, height); `annotations` (image, name, [x, y, w, h], crowd)."""
    data = {
        "info": {"year": 2017},
        "licenses": [],
        "images": [
            {"id": i, "file_name": f"{i:06}.jpg", "width": w, "height": h, "coco_url": "x"}
            for i, w, h in images
        ],
        "annotations": [
            {
                "id": n,
                "image_id": image,
                "category_id": categories.index(name) + 1,
                "bbox": box,
                "iscrowd": int(crowd),
                "area": 1.0,
                "segmentation": [[0, 0, 1, 1]],
            }
            for n, (image, name, box, crowd) in enumerate(annotations)
        ],
        "categories": [
            {"id": i, "name": name, "supercategory": "x"} for i, name in enumerate(categories, start=1)
        ],
    }
    put(root / "annotations" / "instances_val2017.json", json.dumps(data))
    for i, w, h in images:
        put(root / "val2017" / f"{i:06}.jpg", picture(i, (w, h)))
    return root


OPEN_HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
    "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
)


def open_images(root, rows, pictures):
    """`rows` are (image, label, [x0, y0, x1, y1], group)."""
    text = [OPEN_HEADER]
    for image, label, (x0, y0, x1, y1), group in rows:
        text.append(f"{image},xclick,{label},1,{x0},{x1},{y0},{y1},0,0,{int(group)},0,0")
    put(root / "validation-annotations-bbox.csv", "\n".join(text) + "\n")
    put(root / "class-descriptions-boxable.csv", "/m/01,Dog\n/m/02,Cat\n/m/03,Man\n/m/04,Person\n")
    for number, image in enumerate(pictures):
        put(root / "validation" / f"{image}.jpg", picture(number, (400, 300)))
    return root


def skipped(out: Path):
    """(file name, row, reason) of every row that an import left out."""
    path = out / "skipped.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(Path(row["file"]).name, row["row"], row["reason"]) for row in rows]
