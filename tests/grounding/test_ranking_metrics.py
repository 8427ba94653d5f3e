"""mAP equals pycocotools on the raw files, ranking equals hand-worked lists and a plain loop."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from mini_o3.grounding.data.samples import GroundingSample, GroundingSet
from mini_o3.grounding.evaluate import alarms, rank
from mini_o3.grounding.metrics.coco_map import Detections, coco_map
from mini_o3.grounding.metrics.ranking import hits, iou_of, ndcg_at, recall_at


def sample(number, boxes, labels, crowd=None, hidden=None):
    n = len(labels)
    return GroundingSample(
        number,
        Path(f"{number}.png"),
        (640, 480),
        np.array(boxes, dtype=float).reshape(-1, 4),
        np.array(labels, dtype=int),
        np.array(crowd or [False] * n, dtype=bool),
        np.array(hidden or [0.0] * n),
    )


def found_of(boxes, scores, labels):
    return Detections(
        np.array(boxes, dtype=float).reshape(-1, 4),
        np.array(scores, dtype=float),
        np.array(labels, dtype=int),
    )


def awkward(seed, *, crowds=False, ties=False, many=False, pictures=6):
    rng = np.random.default_rng(seed)
    samples, found = [], []
    for number in range(1, pictures + 1):
        n = 0 if number % 3 == 0 else int(rng.integers(1, 6))
        corner, size = rng.uniform(0, 300, (n, 2)), rng.uniform(5, 150, (n, 2))
        boxes = np.concatenate([corner, corner + size], axis=1)
        labels = rng.integers(0, 3, n)
        crowd = (rng.random(n) < 0.3).tolist() if crowds else None
        samples.append(sample(number, boxes, labels, crowd))
        near = np.repeat(boxes, 2, axis=0) + rng.normal(0, 6, (2 * n, 4))
        extra = 130 if many and number == 1 else int(rng.integers(0, 4)) if number != 5 else 0
        far = rng.uniform(0, 300, (extra, 2))
        near = np.concatenate([near, np.concatenate([far, far + 40], axis=1)])
        seen = np.concatenate([np.repeat(labels, 2), rng.integers(0, 1 if many else 3, extra)])
        scores = rng.choice([0.2, 0.5, 0.9], len(near)) if ties else rng.random(len(near))
        found.append(found_of(near, scores, seen))
    return GroundingSet(["a", "b", "c"], samples), found


@pytest.mark.parametrize(
    "kind",
    [{}, {"crowds": True}, {"ties": True}, {"many": True}, {"crowds": True, "many": True, "ties": True}],
)
def test_map_equals_pycocotools_on_files(kind, tmp_path):
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    data, found = awkward(len(kind), **kind)
    annotations = [
        {
            "id": 100 * s.id + i,
            "image_id": s.id,
            "category_id": int(label) + 1,
            "iscrowd": int(crowd),
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": (x1 - x0) * (y1 - y0),
        }
        for s in data.samples
        for i, ((x0, y0, x1, y1), label, crowd) in enumerate(
            zip(s.boxes.tolist(), s.labels, s.crowd, strict=True)
        )
    ]
    images = [{"id": s.id, "file_name": "x", "width": 640, "height": 480} for s in data.samples]
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(data.names)]
    (tmp_path / "truth.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    results = [
        {"image_id": s.id, "category_id": int(label) + 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score}
        for s, d in zip(data.samples, found, strict=True)
        for (x0, y0, x1, y1), score, label in zip(d.boxes.tolist(), d.scores.tolist(), d.labels, strict=True)
    ]
    (tmp_path / "found.json").write_text(json.dumps(results))
    truth = COCO(str(tmp_path / "truth.json"))
    scorer = COCOeval(truth, truth.loadRes(str(tmp_path / "found.json")), "bbox")
    scorer.evaluate()
    scorer.accumulate()
    scorer.summarize()
    mine = coco_map(data, found)
    assert 0 < mine["mAP"] < 1
    for name, value in zip(
        ("mAP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"), scorer.stats, strict=False
    ):
        assert mine[name] == pytest.approx(value, abs=1e-6), name
    assert np.mean(list(mine["per_category"].values())) == pytest.approx(mine["mAP"], abs=1e-6)


def test_map_without_detections_or_without_things():
    pytest.importorskip("pycocotools")
    nothing = found_of([], [], [])
    assert coco_map(GroundingSet(["a"], [sample(1, [[0, 0, 9, 9]], [0])]), [nothing])["mAP"] == 0
    assert coco_map(GroundingSet(["a"], [sample(1, [], [])]), [nothing])["mAP"] == -1


def test_ranking_of_hand_worked_lists():
    things = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    boxes = np.array([[50.0, 50, 60, 60], [0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 31]])
    hit = hits(boxes, things)
    assert hit.tolist() == [-1, 0, -1, 1]  # the third finds what the second has found already
    assert [recall_at(hit, 2, k) for k in (1, 2, 3, 4, 20)] == [0, 0.5, 0.5, 1, 1]
    ideal = 1 + 1 / math.log2(3)
    assert ndcg_at(hit, 2, 5) == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)
    assert ndcg_at(hit, 2, 1) == 0
    assert ndcg_at(np.array([0, 1]), 2, 5) == pytest.approx(1)
    assert ndcg_at(np.array([0]), 9, 5) == pytest.approx(1 / sum(1 / math.log2(i + 2) for i in range(5)))
    assert hits(boxes, np.zeros((0, 4))).tolist() == [-1] * 4
    assert iou_of(things, boxes[1:2])[0, 0] == pytest.approx(0.9)


@pytest.mark.parametrize("seed", range(5))
def test_ranking_equals_a_plain_loop(seed):
    data, found = awkward(seed, crowds=True, pictures=9)
    figures = rank(data, found)
    means = []
    for s, seen in zip(data.samples, found, strict=True):
        values = []
        for label in range(3):
            things = [
                b for b, k, c in zip(s.boxes.tolist(), s.labels, s.crowd, strict=True) if k == label and not c
            ]
            if not things:
                continue
            left, gains = list(things), []
            for box in [b for b, k in zip(seen.boxes.tolist(), seen.labels, strict=True) if k == label][:10]:
                best = max(left, key=lambda t, box=box: plain_iou(box, t), default=None)
                right = best is not None and plain_iou(box, best) >= 0.5
                gains.append(right)
                if right:
                    left.remove(best)
            dcg = sum(g / math.log2(i + 2) for i, g in enumerate(gains))
            values.append(dcg / sum(1 / math.log2(i + 2) for i in range(min(len(things), 10))))
        if values:
            means.append(sum(values) / len(values))
    assert figures["ndcg@10"] == pytest.approx(sum(means) / len(means))
    assert figures["ndcg@10_stderr"] == pytest.approx(np.std(means, ddof=1) / math.sqrt(len(means)))


def plain_iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inner = max(w, 0) * max(h, 0)
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)


def test_slices_by_size_and_by_what_is_hidden():
    data = GroundingSet(["a"], [sample(1, [[0, 0, 10, 10], [0, 0, 200, 200]], [0, 0], hidden=[0.5, 0.0])])
    figures = rank(data, [found_of([[0, 0, 200, 200]], [0.9], [0])])
    assert figures["slices"] == {
        "small": {"n": 1, "recall@10": 0.0},
        "large": {"n": 1, "recall@10": 1.0},
        "mostly hidden": {"n": 1, "recall@10": 0.0},
        "in the open": {"n": 1, "recall@10": 1.0},
    }


def test_the_threshold_lets_one_absent_category_in_twenty_through():
    samples = [sample(i, [[0, 0, 9, 9]], [0]) for i in range(1, 101)]
    found = [found_of([[0, 0, 9, 9]] * 2, [0.9, i / 200], [0, 1]) for i in range(100)]
    figures = alarms(GroundingSet(["a", "b"], samples), found)
    assert figures["false_alarms"] == pytest.approx(0.05)
    assert figures["reported"] == 1.0
    assert 0.46 < figures["threshold"] < 0.48
