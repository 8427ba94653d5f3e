"""Exports are what other programs read, and our own import reads the official layout back."""

from __future__ import annotations

import ast
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import answer, mini_o3, play, zoom
from PIL import Image

from mini_o3.coldstart.export import export
from mini_o3.episode import Episode, SearchTask
from mini_o3.interop.coldstart import import_conversations
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, read_jsonl
from mini_o3.policies.replay import Replay
from mini_o3.protocol import load_profile
from mini_o3.vision import PixelBudget, Region

TEXTS = [zoom(0.5, 0.5, 1.0, 1.0), zoom(0.0, 0.0, 0.5, 0.5, "observation_1"), answer("red <image> flag")]


@pytest.fixture
def folder(tmp_path):
    """Two good episodes (one with a malformed turn) and one that never ended."""
    picture = Image.effect_noise((800, 600), 90).convert("RGB")
    picture.save(tmp_path / "a.png")
    task = SearchTask("a.png", "What is <image> there?", "red")
    out = tmp_path / "run" / "kept"
    out.mkdir(parents=True)
    picture.save(out / "a.png")
    for seed, texts in enumerate((TEXTS, ["hm", *TEXTS], TEXTS[:1])):
        append_jsonl(out / "episodes.jsonl", play(Replay({"*": texts}), picture, task, seed=seed).to_dict())
    return tmp_path / "run"


def test_sharegpt_is_what_llama_factory_reads(folder, tmp_path):
    said = export(folder, tmp_path / "out", "sharegpt")
    assert "1 episodes, 1 left out" in said
    (row,) = json.loads((tmp_path / "out" / "data.json").read_text())
    turns = row["conversations"]
    assert [turn["from"] for turn in turns] == ["system", "human", "gpt", "human", "gpt", "human", "gpt"]
    assert [turn["value"] for turn in turns if turn["from"] == "gpt"][:2] == TEXTS[:2]
    assert sum(turn["value"].count("<image>") for turn in turns) == len(row["images"]) == 3
    assert turns[1]["value"] == "<image>\nWhat is < image> there?"
    sizes = [Image.open(tmp_path / "out" / name).size for name in row["images"]]
    assert sizes == [PixelBudget().fit(*size) for size in ((800, 600), (400, 300), (200, 150))]
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())["mini_o3_coldstart"]
    assert info["columns"] == {"messages": "conversations", "images": "images"}
    assert info["file_name"] == "data.json"


def test_trl_messages_have_a_place_for_every_image(folder, tmp_path):
    export(folder, tmp_path / "out", "trl")
    (row,) = read_jsonl(tmp_path / "out" / "data.jsonl")
    parts = [part for message in row["messages"] for part in message["content"]]
    assert sum(part["type"] == "image" for part in parts) == len(row["images"]) == 3
    assert row["messages"][0] == {
        "role": "system",
        "content": [{"type": "text", "text": load_profile("search").system}],
    }
    assert row["messages"][2] == {"role": "assistant", "content": [{"type": "text", "text": TEXTS[0]}]}


def test_our_parquet_says_what_is_not_to_be_learnt(folder, tmp_path):
    said = export(folder, tmp_path / "out", "parquet")
    assert "2 episodes" in said
    rows = pq.read_table(tmp_path / "out" / "episodes.parquet").to_pylist()
    assert [row["learn"] for row in rows] == [[True] * 3, [False, True, True, True]]
    assert [len(row["images"]) for row in rows] == [3, 3]
    episodes = [Episode.from_dict(row) for row in read_jsonl(folder / "kept" / "episodes.jsonl")][:2]
    assert [Episode.from_dict(json.loads(row["episode"])) for row in rows] == episodes
    assert Image.open(io.BytesIO(rows[0]["images"][0]["bytes"])).size == PixelBudget().fit(800, 600)


def test_the_official_layout_comes_back_as_the_same_search(folder, tmp_path):
    export(folder, tmp_path / "out", "coldstart")
    (path,) = (tmp_path / "out").glob("*.parquet")
    table = pq.read_table(path)
    assert set(table.column_names) == {
        "conversations",
        "images",
        "image_names",
        "data_source",
        "sample_index",
        "rollout_index",
    }
    row = table.to_pylist()[0]
    assert [turn["from"] for turn in ast.literal_eval(row["conversations"])][:3] == ["system", "human", "gpt"]
    said = import_conversations([path], tmp_path / "in")
    assert "1 episodes, 0 rows skipped" in said
    (back,) = [Episode.from_dict(r) for r in read_jsonl(tmp_path / "in" / "episodes.jsonl")]
    first = Episode.from_dict(read_jsonl(folder / "kept" / "episodes.jsonl")[0])
    assert back.size == PixelBudget().fit(*first.size)  # the first view is all there is of the picture
    for one, other in zip(back.turns[:2], first.turns, strict=False):
        assert np.allclose(
            Region.of_rect(one.rect, back.size).xyxy, Region.of_rect(other.rect, first.size).xyxy, atol=2e-3
        )
    assert [turn.text for turn in back.turns][:2] == TEXTS[:2]
    assert (tmp_path / "in" / back.picture).is_file()
    assert "0 rows skipped" in import_conversations([path], tmp_path / "in")  # again: nothing is added
    assert len(read_jsonl(tmp_path / "in" / "episodes.jsonl")) == 1


def image():
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200)).save(buffer, "JPEG")
    return {"bytes": buffer.getvalue(), "path": "a.jpg"}


def talk(*replies, question="<image>\nWhat?"):
    turns = [{"from": "system", "value": "s"}, {"from": "human", "value": question}]
    for reply in replies:
        turns += [{"from": "gpt", "value": reply}, {"from": "human", "value": "<image>"}]
    return str(turns[:-1])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"conversations": "not a list", "images": [image()]}, "neither JSON nor a Python list"),
        ({"conversations": "[1]", "images": [image()]}, "not a list of {from, value}"),
        ({"conversations": talk(TEXTS[0]), "images": [image()]}, "does not end with an answer"),
        ({"conversations": talk(TEXTS[2]), "images": []}, "not a picture"),
        ({"conversations": talk(TEXTS[2]), "images": [{"bytes": b"no", "path": "a"}]}, "not a picture"),
        ({"conversations": "[]", "images": [image()]}, "lacks a question or a reply"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_the_rest_goes_on(tmp_path, row, reason):
    good = {"conversations": talk(TEXTS[0], answer("red")), "images": [image()]}
    pq.write_table(pa.Table.from_pylist([good, row, good]), tmp_path / "rows.parquet")
    assert "2 episodes, 1 rows skipped" in import_conversations([tmp_path / "rows.parquet"], tmp_path / "in")
    (skipped,) = read_jsonl(tmp_path / "in" / "skipped.jsonl")
    assert (skipped["file"], skipped["row"]) == ("rows.parquet", 1)
    assert reason in skipped["reason"]


def test_what_is_not_such_a_file_is_one_line(tmp_path):
    (tmp_path / "a.parquet").write_text("no")
    pq.write_table(pa.Table.from_pylist([{"x": 1}]), tmp_path / "b.parquet")
    with pytest.raises(UserError, match=r"a\.parquet: cannot be read"):
        import_conversations([tmp_path / "a.parquet"], tmp_path / "in")
    with pytest.raises(UserError, match=r"b\.parquet: lacks the column conversations, images"):
        import_conversations([tmp_path / "b.parquet"], tmp_path / "in")
    done = mini_o3("collect", "export", tmp_path / "nothing", "--out", "o", cwd=tmp_path)
    assert (done.returncode, "no answered episodes there" in done.stderr) == (2, True)
    done = mini_o3("collect", "export", tmp_path / "nothing", "--out", "o", "--format", "xml", cwd=tmp_path)
    assert (done.returncode, "--format xml: unknown" in done.stderr) == (2, True)


def test_an_import_does_not_go_into_somebody_elses_folder(folder, tmp_path):
    export(folder, tmp_path / "out", "coldstart")
    (path,) = (tmp_path / "out").glob("*.parquet")
    with pytest.raises(UserError, match="holds episodes that were not imported"):
        import_conversations([path], folder / "kept")
