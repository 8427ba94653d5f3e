"""Files of results: what spreadsheets must not compute, what terminals must not obey, and the order."""

import csv
import io
import json

from mini_o3.finding.outputs import table_lines, to_coco, to_csv, write_results
from mini_o3.finding.result import Result, ranked
from mini_o3.vision import Region


def hit(picture="a.png", **fields):
    found = {"status": "found", "answer": "red", "evidence": Region(0.1, 0.2, 0.5, 0.6), "confidence": 0.9}
    return Result(picture, size=(200, 100), **{**found, **fields})


def test_the_order_of_results():
    results = [
        hit("failed", status="failed"),
        hit("surely not", status="not_found", confidence=0.9),
        hit("perhaps not", status="not_found", confidence=0.4),
        hit("unsure", confidence=0.5),
        hit("silent", confidence=None),
        hit("sure", confidence=0.99),
        hit("given up", status="gave_up"),
        hit("like it", confidence=0.5, similarity=0.8),
    ]
    order = "sure, like it, unsure, silent, given up, perhaps not, surely not, failed".split(", ")
    assert [one.picture for one in ranked(results)] == order
    assert [one.rank for one in ranked(results)] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_table_survives_commas_quotes_and_formulas():
    rows = [hit("=1+1.png", answer='say "hi", now\nor'), hit("b.png", answer="-1"), hit("c.png", answer="+x")]
    table = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert [row["picture"] for row in table] == ["'=1+1.png", "b.png", "c.png"]
    assert [row["answer"] for row in table] == ['say "hi", now\\nor', "'-1", "'+x"]
    assert [table[0][side] for side in ("left", "top", "right", "bottom")] == ["20", "20", "100", "60"]


def test_names_that_are_no_text_are_written_all_the_same(tmp_path):
    write_results(tmp_path, "q", [hit("a\udcff.png")])
    (row,) = map(json.loads, (tmp_path / "hits.jsonl").read_text().splitlines())
    assert row["picture"] == "a\udcff.png"
    assert "a\\udcff.png" in (tmp_path / "hits.csv").read_text()


def test_boxes_of_hits_only():
    unread = Result("c.png", "failed", (0, 0), error="no picture")
    coco = to_coco("red", [hit(), hit("b.png", status="not_found"), unread])
    assert [image["file_name"] for image in coco["images"]] == ["a.png", "b.png"]
    (box,) = coco["annotations"]
    assert (box["bbox"], box["area"], box["score"]) == ([20, 20, 80, 40], 3200, 0.9)


def test_a_terminal_obeys_no_answer():
    (head, line) = table_lines([hit("x" * 200 + "\x1b[2J.png", answer="\x1b[31mred\n")], width=100)
    assert head.split() == ["status", "sure", "answer", "box", "picture"]
    assert "\x1b" not in line
    assert "\\u001b[31mred\\n" in line
    assert len(line) <= 110
