"""The published numbers: those of the Mini-o3 paper to the digit, and none without a source."""

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mini_o3.cli.published
from mini_o3.benchmarks.published import TITLES, benchmark_of, published, to_markdown
from mini_o3.cli.base import app
from mini_o3.kit.errors import UserError

PAPER = "Mini-o3, arXiv 2509.07969, main table"
# The main table as the fact sheet has it (section 5.1): hard, medium, easy, V*, HR-4K, HR-8K, MME-RealWorld.
MAIN_TABLE = """
GPT-4o                  11.2 15.4 47.5 65.2 62.0 58.3 45.2
LLaVA-OneVision 7B      13.4 12.5 36.2 70.9 61.2 54.0 57.4
Qwen2.5-VL-7B-Instruct  23.9 26.0 39.1 75.5 68.2 62.7 57.3
SEAL 7B                 - - - 75.4 - - -
DyFo 7B                 - - - 81.2 - - -
Chain-of-Focus 7B       - - - 88.0 - - -
Pixel Reasoner 7B       28.8 29.6 58.4 86.3 74.0 66.9 64.4
DeepEyes 7B             35.1 29.8 60.1 83.3 73.2 69.5 64.0
Mini-o3 7B              48.0 50.4 67.0 88.2 77.5 73.3 65.5
"""
COLUMNS = (
    "visual_probe_hard",
    "visual_probe_medium",
    "visual_probe_easy",
    "vstar",
    "hrbench_4k",
    "hrbench_8k",
    "mme_realworld",
)


def test_the_main_table_of_the_paper_is_there_to_the_digit():
    wanted = {}
    for line in MAIN_TABLE.strip().splitlines():
        *name, hard, medium, easy, vstar, hr4k, hr8k, mme = line.split()
        cells = zip(COLUMNS, (hard, medium, easy, vstar, hr4k, hr8k, mme), strict=True)
        wanted |= {(" ".join(name), column): float(cell) for column, cell in cells if cell != "-"}
    found = {
        (number.system, number.benchmark): number.value for number in published() if number.source == PAPER
    }
    assert found == wanted


def test_how_often_the_paper_asked_each_question_is_said():
    asked = {
        (number.system, number.benchmark): number.samples for number in published() if number.source == PAPER
    }
    assert [asked["Mini-o3 7B", column] for column in COLUMNS] == ["Avg@32"] * 4 + ["Avg@8"] * 2 + ["Avg@1"]
    assert {asked[system, "vstar"] for system in ("SEAL 7B", "DyFo 7B", "Chain-of-Focus 7B")} == {"Avg@1"}


def test_every_number_says_where_it_stands_and_whose_it_is():
    numbers = published()
    for number in numbers:
        assert number.source
        assert number.measured_by
        assert "arXiv" in number.source or "github.com/" in number.source
        assert 0 < number.value < 100
        assert number.benchmark in TITLES
    assert len({(n.system, n.benchmark, n.source, n.measured_by) for n in numbers}) == len(numbers)


@pytest.mark.parametrize(
    "system",
    [
        "Mini-o3",
        "DeepEyes",
        "Pixel Reasoner",
        "Qwen2.5-VL",
        "GPT-4o",
        "LLaVA-OneVision",
        "SEAL",
        "DyFo",
        "Chain-of-Focus",
        "Qwen3-VL",
        "InSight-o3",
        "Thyme",
        "SenseNova-MARS",
    ],
)
def test_every_system_that_is_spoken_of_has_a_line(system):
    assert [number for number in published() if number.system.startswith(system)]


def test_other_systems_have_the_numbers_they_were_published_with():
    found = {(n.system, n.benchmark, n.source.split(",")[0].split(" (")[0]): n.value for n in published()}
    assert (
        found["DeepEyes 7B", "vstar", "DeepEyes"] == 90.1
    )  # by its own paper; 83.3 when Mini-o3's authors ran it
    assert found["Pixel Reasoner 7B", "vstar", "Pixel Reasoner"] == 84.0
    assert found["InSight-o3 with GPT-5-mini", "o3_bench", "InSight-o3"] == 61.5
    assert found["SenseNova-MARS-32B", "hrbench_8k", "SenseNova-MARS"] == 86.6
    assert found["Thyme", "mme_realworld", "SenseNova-MARS"] == 64.8


def test_numbers_are_found_by_what_tasks_call_their_source():
    assert {number.benchmark for number in published(["vstar_bench", "hrbench_8k"])} == {
        "vstar",
        "hrbench_8k",
    }
    assert published(["my_own_table"]) == []
    assert (benchmark_of("vstar_bench"), benchmark_of("vstar"), benchmark_of("my_own_table")) == (
        "vstar",
        "vstar",
        None,
    )


def test_the_table_in_markdown():
    lines = to_markdown(published(["visual_probe_hard", "o3_bench"])).splitlines()
    assert lines[:3] == [
        "| system | VisualProbe hard | O3-Bench | measured by |",
        "| --- | ---: | ---: | --- |",
        "| Mini-o3 7B | 48.0 (Avg@32) | - | its authors [1] |",
    ]
    assert "| OpenAI o3 | - | 40.8 | the authors of InSight-o3 [2] |" in lines
    assert lines[-2:] == [f"[1] {PAPER}  ", "[2] InSight-o3, ICLR 2026 (github.com/m-Just/InSight-o3)  "]
    assert to_markdown([]) == "Nothing is published on these benchmarks that we know of.\n"
    cited = to_markdown(published(["vstar"]))
    assert (
        "| Chain-of-Focus 7B | 88.0 (Avg@1) | tabled by the authors of Mini-o3 (its weights are not available"
        in cited
    )
    assert "| PixelEyes-8B | 94.24 | its authors" in cited


def test_the_data_file_holds_nothing_that_is_not_shown():
    data = tomllib.loads(
        (Path(mini_o3.benchmarks.published.__file__).parent / "table.toml").read_text(encoding="utf-8")
    )
    assert sum(len(row["scores"]) for row in data["rows"]) == len(published())
    assert set(data["sources"]) == {row["source"] for row in data["rows"]}


def test_the_verb_prints_the_table_and_refuses_what_it_does_not_know():
    said = CliRunner().invoke(app, ["published", "vstar"])
    assert said.exit_code == 0
    assert said.output.splitlines()[2] == "| Mini-o3 7B | 88.2 (Avg@32) | its authors [1] |"
    refused = CliRunner().invoke(app, ["published", "imagenet"])
    assert isinstance(refused.exception, UserError)
    assert str(refused.exception).startswith("imagenet: no published numbers; choose from visual_probe_hard,")
