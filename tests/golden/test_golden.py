"""Files recorded by commit e26451f are read with the same results by today's code.

The files in this folder were made once (see README.md) and are never made anew. Whoever renames a key, a
setting or a module changes the imports and the adapters at the top of this file, and nothing else here.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mini_o3.asking import elect
from mini_o3.cli import app
from mini_o3.coldstart.config import CollectConfig
from mini_o3.coldstart.exemplars import read_exemplars
from mini_o3.episode import Episode, Limits, SearchTask, read_tasks, run_episode
from mini_o3.evaluate.compare import compare
from mini_o3.evaluate.protocol import Protocol
from mini_o3.evaluate.report import read_judged
from mini_o3.grpo.config import GrpoConfig
from mini_o3.grpo.watch import alarm, starved
from mini_o3.interop.searches import Question, Searches
from mini_o3.judge import make_judge
from mini_o3.judge.folder import judge_folder
from mini_o3.judge.record import VerdictStore
from mini_o3.kit.config import read_config
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import to_json
from mini_o3.kit.run import cut_log, ensure_same_run
from mini_o3.models.vlm import load_vlm, steps_of
from mini_o3.policies.replay import Replay
from mini_o3.probes.scenes import ScenesConfig
from mini_o3.probes.scenes.build import read_rows, tasks_of
from mini_o3.protocol import format_action, load_profile
from mini_o3.reproduce.report import write_report as write_suite_report
from mini_o3.reproduce.suite import Suite
from mini_o3.sft.config import TrainConfig
from mini_o3.sft.recorded import RecordedEpisodes
from mini_o3.training.metrics import read_metrics
from mini_o3.training.run import TrainingRun

GOLDEN = Path(__file__).parent
PROBES = ("tasks/easy", "tasks/medium", "tasks/hard")
TASKS = (
    *PROBES,
    "tasks/all",
    "tasks/scenes/train",
    "tasks/scenes/test",
    "tasks/hrbench",
    "tasks/coco",
    "tasks/own",
)
IMPORTED = {
    "hrbench": "hrbench",
    "coco": "coco",
    "own": "own/own.jsonl",
}  # folder in tasks/: source in tasks/source/
CONTROLS = sorted(path.relative_to(GOLDEN).as_posix() for path in GOLDEN.glob("eval/*/controls/*"))
EVALUATIONS = (
    *(f"eval/{n}" for n in ("nano", "teacher", "shard_1", "shard_2", "merged", "retried", "judged")),
    *CONTROLS,
)
EPISODES = sorted(path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("episodes.jsonl"))
REPLAYABLE = ("nano", "votes", "over_turn", "teacher", "replay", "human", "malformed", "void")
TRAININGS = {"perception": TrainConfig, "sft": TrainConfig, "recorded": TrainConfig, "grpo": GrpoConfig}
SUITES = ("over_turn_masking", "patterns")
FAKE = "api:http://127.0.0.1:8765/v1#fake"  # the endpoint of some recordings; nobody listens there now

#: Settings and keys that have another name today: the name in the recording -> today's.
RENAMED: dict[str, str] = {
    "drills": "comparison_drills",
    "guesses": "lucky_guesses",
    "slips": "corrupted_turns",
    "skips": "observation_offset",
}
#: Defaults that were decided anew (docs/LOG.md says why): preset -> setting -> default of today.
DECIDED = {"presets/collect.toml": {"temperature": 1.0}}


# Adapters: how today's code is called.


def mini_o3(*args: object) -> str:
    """`mini-o3 ARGS` in this process; what the user did wrong is raised as a UserError."""
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def settings_kind(path: Path) -> type:
    """What a file of settings in presets/ is read as."""
    by_folder = {"protocols": Protocol, "reproduce": Suite}
    by_name = {"grpo": GrpoConfig, "collect": CollectConfig, "visual": ScenesConfig}
    return by_folder.get(path.parent.name) or by_name.get(path.stem.partition("_")[0], TrainConfig)


def claim_training(folder: Path, kind: type, **changes: object) -> None:
    """Claim a training's folder as `train` does before it goes on, by the settings it holds and `changes`."""
    settings = kind(**{**json.loads((folder / "config.json").read_text())["config"], **changes})
    TrainingRun(folder, settings, say=print, save_minutes=1.0).claim()


def write_suite(name: str) -> None:
    """Write the report of a suite again, from the reports of its measurements and its training logs."""
    suite = read_config(Path(f"presets/reproduce/{name}.toml"), Suite)
    folder = Path("suites") / name
    found = {
        run: {
            level: json.loads(path.read_text())
            for level in suite.measure.levels
            if (path := folder / run / level / "report.json").exists()
        }
        for run in suite.runs
    }
    write_suite_report(suite, found, folder)


def replayed(row: dict, folder: Path) -> Episode:
    """The episode that comes of what was said in a recorded one."""
    task = SearchTask(picture=row["picture"], question=row["question"])
    policy = Replay.read(str(folder / "episodes.jsonl"))
    return asyncio.run(run_episode(task, policy, Limits(**row["limits"]), seed=row["seed"]))


# What is compared.


@pytest.fixture
def here(monkeypatch):
    """The test runs in this folder, to which recorded paths are relative, and writes nothing."""
    monkeypatch.chdir(GOLDEN)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The test runs in a folder like this one, and may change the parts it has copied."""

    def copy(*parts: str) -> None:
        for path in GOLDEN.iterdir():
            if path.name in parts:
                shutil.copytree(path, tmp_path / path.name, copy_function=shutil.copyfile)
            elif path.is_dir():
                (tmp_path / path.name).symlink_to(path)

    monkeypatch.chdir(tmp_path)
    return copy


def lines(path: str | Path) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def rows(path: str | Path) -> list[dict]:
    return [json.loads(line) for line in lines(path)]


def content(folder: str | Path) -> dict[str, bytes]:
    """All files of a folder, but for which revision of the code was at work, and times."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and path.name not in (".lock", "timing.json") and path.suffix != ".svg":
            data = re.sub(rb'^ "revision": ".*"', b' "revision": ""', path.read_bytes(), flags=re.M)
            data = re.sub(rb"tokens\. Code .*\.$", b"tokens. Code.", data, flags=re.M)
            found[path.relative_to(folder).as_posix()] = data
    return found


def unchanged(folder: str | Path) -> None:
    """A folder still holds, byte for byte, what was recorded."""
    assert content(folder) == content(GOLDEN / folder)


def as_recorded(today: dict, recorded: dict) -> dict:
    """Today's settings under the names of the recording; those that are newer than it are left out."""
    found = {}
    for key, value in recorded.items():
        mine = today[key if key in today else RENAMED.get(key, key)]
        found[key] = as_recorded(mine, value) if isinstance(value, dict) and isinstance(mine, dict) else mine
    return found


# Tasks.


@pytest.mark.parametrize("folder", TASKS)
def test_tasks_are_read_and_written_alike(here, folder):
    tasks = read_tasks(folder)
    bare = [replace(task, picture=str(Path(task.picture).relative_to(folder))) for task in tasks]
    assert [to_json(task.to_dict()) for task in bare] == lines(f"{folder}/tasks.jsonl")
    assert [task.id for task in tasks] == [row["id"] for row in rows(f"{folder}/tasks.jsonl")]


@pytest.mark.parametrize("split", ["train", "test"])
def test_scenes_give_the_same_questions(here, split):
    tasks = [task for row in read_rows(Path("tasks/scenes"), split) for task in tasks_of(row)]
    assert [to_json(task.to_dict()) for task in tasks] == lines(f"tasks/scenes/{split}/tasks.jsonl")


@pytest.mark.parametrize("folder", PROBES)
def test_a_folder_of_probes_is_gone_on_with(copied, folder):
    copied("tasks")
    level = Path(folder).name
    seed = rows(f"{folder}/tasks.jsonl")[0]["seed"]
    mini_o3("probe", "make", "--level", level, "--count", 1, "--seed", seed, "--out", folder)
    unchanged(folder)
    other = "easy" if level == "hard" else "hard"
    with pytest.raises(UserError, match="other"):
        mini_o3("probe", "make", "--level", other, "--count", 1, "--seed", seed, "--out", folder)


@pytest.mark.parametrize("name", IMPORTED)
def test_an_import_is_gone_on_with(copied, name):
    copied("tasks")
    command = (
        "tasks",
        "import",
        f"tasks/source/{IMPORTED[name]}",
        "--on-error",
        "skip",
        "--out",
        f"tasks/{name}",
    )
    copied = () if name == "hrbench" else ("--copy",)
    mini_o3(*command, *copied)
    assert content(f"tasks/{name}").keys() == content(GOLDEN / "tasks" / name).keys()
    for file in ("tasks.jsonl", "import.json", "skipped.jsonl"):
        assert Path(f"tasks/{name}/{file}").read_bytes() == (GOLDEN / "tasks" / name / file).read_bytes()
    with pytest.raises(UserError, match="seed"):
        mini_o3(*command, *copied, "--seed", 1)
    assert lines(f"tasks/{name}/tasks.jsonl") == lines(GOLDEN / f"tasks/{name}/tasks.jsonl")


@pytest.mark.parametrize("name", IMPORTED)
def test_an_import_made_anew_gives_the_same_tasks(copied, name):
    copied()
    mini_o3(
        "tasks", "import", f"tasks/source/{IMPORTED[name]}", "--on-error", "skip", "--copy", "--out", "new"
    )
    assert lines("new/tasks.jsonl") == lines(f"tasks/{name}/tasks.jsonl")


def test_tasks_are_exported_alike(copied):
    copied()
    mini_o3("tasks", "export", "tasks/hard", "--split", "hard", "--out", "new")
    name = "VisualProbe_Hard/val.json"
    assert Path("new", name).read_bytes() == Path("tasks/exported", name).read_bytes()


# Episodes.


@pytest.mark.parametrize("path", EPISODES)
def test_episodes_are_read_and_written_alike(path):
    for line in lines(GOLDEN / path):
        episode = Episode.from_dict(json.loads(line))
        assert to_json(episode.to_dict()) == line
        assert len(episode.token_ids) == len(episode.token_mask) == len(episode.token_log_probs)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("ask/*/episode.json")), ids=lambda path: path.parent.name)
def test_the_record_of_a_question_is_read_and_written_alike(path):
    text = path.read_text(encoding="utf-8")
    assert to_json(Episode.from_dict(json.loads(text)).to_dict(), indent=1) + "\n" == text


def test_what_a_policy_wrote_is_told_from_what_it_was_shown():
    (row,) = rows(GOLDEN / "ask/nano/episodes.jsonl")
    episode = Episode.from_dict(row)
    assert sum(episode.token_mask) == sum(len(turn["token_ids"]) for turn in row["turns"]) == 101
    assert [i for i, wrote in zip(episode.token_ids, episode.token_mask, strict=True) if wrote] == [
        i for turn in row["turns"] for i in turn["token_ids"]
    ]


def test_votes_elect_the_same_search():
    searches = [Episode.from_dict(row) for row in rows(GOLDEN / "ask/votes/episodes.jsonl")]
    assert (
        to_json(elect(searches).to_dict(), indent=1) + "\n" == (GOLDEN / "ask/votes/episode.json").read_text()
    )


@pytest.mark.parametrize("name", REPLAYABLE)
def test_a_recorded_search_played_again_ends_alike(here, name):
    def told(row: dict) -> list:
        turns = [
            (turn["text"], turn["action"], turn.get("observation"), turn.get("rect")) for turn in row["turns"]
        ]
        return [row["stop"], row.get("answer"), row.get("evidence"), row["size"], turns]

    for row in rows(f"ask/{name}/episodes.jsonl"):
        assert told(replayed(row, Path("ask", name)).to_dict()) == told(row)


# Evaluations.


def without_published(report: str) -> str:
    """A report without what others have published, of which more may be known today."""
    if not report.startswith("{"):
        return re.sub(r"What others report.*?\n\n(\|.*\n)+", "", report)
    data = json.loads(report)
    return to_json({key: value for key, value in data.items() if key != "published"}, indent=1)


@pytest.mark.parametrize("folder", EVALUATIONS)
def test_a_report_is_written_again_byte_for_byte(copied, folder):
    copied("eval")
    for name in ("report.json", "report.md"):
        Path(folder, name).unlink()
    mini_o3("eval", "report", folder)
    if folder == "eval/judged":
        for name in ("report.json", "report.md"):
            text = [(place / folder / name).read_text() for place in (Path(), GOLDEN)]
            assert without_published(text[0]) == without_published(text[1])
        known = json.loads(Path(folder, "report.json").read_text())["published"]
        assert all(
            one in known for one in json.loads((GOLDEN / folder / "report.json").read_text())["published"]
        )
    else:
        unchanged(folder)


@pytest.mark.parametrize("folder", EVALUATIONS)
def test_what_was_measured_is_read_alike(here, folder):
    judged = read_judged(Path(folder))
    verdicts = {(row["task_id"], row["seed"]): row for row in rows(f"{folder}/verdicts.jsonl")}
    assert {key: verdict.to_dict() for key, verdict in VerdictStore(Path(folder)).verdicts.items()} == {
        key: {name: row[name] for name in ("kind", "reason") if name in row} for key, row in verdicts.items()
    }
    assert [row.verdict.kind for row in judged] == [
        verdicts[row.task.id, row.episode.seed]["kind"] for row in judged
    ]
    last = {}
    for row in rows(f"{folder}/episodes.jsonl"):
        key = row["task_id"], row["seed"]
        if key not in last or row["stop"] != "policy_error":
            last[key] = row
    assert {(row.task.id, row.episode.seed): row.episode.to_dict() for row in judged} == last


def test_a_policy_that_failed_was_asked_again():
    failed = [row["stop"] for row in rows(GOLDEN / "eval/retried/episodes.jsonl")]
    assert failed.count("policy_error") == 7
    assert json.loads((GOLDEN / "eval/retried/report.json").read_text())["unjudged"] == 0


def test_a_failure_of_the_policy_never_replaces_what_was_answered(copied):
    copied("eval")
    path = Path("eval/retried/episodes.jsonl")
    failed = [line for line in lines(path) if json.loads(line)["stop"] == "policy_error"]
    path.write_text("\n".join([*lines(path), *failed]) + "\n", encoding="utf-8")
    mini_o3("eval", "report", "eval/retried")
    mini_o3("judge", "run", "eval/retried")
    for name in ("report.json", "report.md", "verdicts.jsonl"):
        assert Path("eval/retried", name).read_bytes() == (GOLDEN / "eval/retried" / name).read_bytes()


@pytest.mark.parametrize(
    ("folder", "options"),
    [
        ("eval/teacher", ("--policy", "teacher", "--protocol", "presets/protocols/greedy.toml")),
        ("eval/shard_1", ("--policy", "teacher", "--turns", 4, "--shard", "1/2")),
        ("eval/retried", ("--policy", FAKE, "--samples", 2, "--turns", 12)),
    ],
)
def test_an_evaluation_is_gone_on_with_by_the_same_settings_only(copied, folder, options):
    copied("eval")
    mini_o3("eval", "--tasks", "tasks/all", *options, "--out", folder)
    unchanged(folder)
    with pytest.raises(UserError, match="turns"):
        mini_o3("eval", "--tasks", "tasks/all", *options, "--turns", 5, "--out", folder)
    unchanged(folder)


def test_shards_are_merged_alike(copied):
    copied()
    mini_o3("eval", "merge", "eval/shard_1", "eval/shard_2", "--out", "new")
    assert content("new") == content("eval/merged")


def test_two_evaluations_are_compared_alike(here):
    found = compare(Path("eval/teacher"), Path("eval/merged"))
    newer = {"paired_p", "interval"}  # what is said besides since then
    assert {key: value for key, value in found.items() if key not in newer} == json.loads(
        Path("expected/compare.json").read_text()
    )


@pytest.mark.parametrize(("folder", "judge"), [("eval/nano", "auto"), ("eval/retried", "auto")])
def test_verdicts_are_made_and_kept_alike(copied, folder, judge):
    copied("eval")
    mini_o3("judge", "run", folder, "--judge", judge)
    unchanged(folder)
    Path(folder, "verdicts.jsonl").unlink()
    mini_o3("judge", "run", folder, "--judge", judge)
    unchanged(folder)


def test_what_a_model_has_judged_is_not_asked_again(copied):
    copied("eval")
    cache = Path("eval/judged/judge_cache.jsonl")
    judge = make_judge(
        "auto+llm:http://127.0.0.1:8766/v1#judge,attempts=1", cache=cache
    )  # where nobody answers
    judge_folder(Path("eval/judged"), judge, out=Path("new.jsonl"))
    found, recorded = rows("new.jsonl"), rows("eval/judged/verdicts.jsonl")
    assert [row for row in found if row["kind"] != "unjudged"] == [
        row for row in recorded if row["kind"] != "unjudged"
    ]
    assert [row["kind"] for row in found] == [row["kind"] for row in recorded]
    assert lines(cache) == lines(GOLDEN / cache)


def test_rules_judge_alike(copied):
    copied()
    mini_o3("judge", "run", "eval/judged", "--judge", "exact", "--out", "new.jsonl")
    assert lines("new.jsonl") == lines("eval/judged/exact.jsonl")


# Collections and what is made of them.


@pytest.mark.parametrize(
    ("folder", "options"),
    [
        ("collect/teacher", ("--tasks", "tasks/all", "--policy", "teacher", "--samples", 2, "--rounds", 1)),
        (
            "collect/api",
            (
                "--config",
                "collect/collect.toml",
                "--policy",
                FAKE,
                "--samples",
                3,
                "--rounds",
                2,
                "--turns",
                16,
            ),
        ),
    ],
)
def test_a_collection_is_selected_and_reported_alike(copied, folder, options):
    copied("collect")
    for name in ("outcomes.jsonl", "tasks_outcomes.jsonl", "report.json", "report.md", "kept/episodes.jsonl"):
        Path(folder, name).unlink()
    mini_o3("collect", *options, "--out", folder)
    unchanged(folder)
    with pytest.raises(UserError, match="turns"):
        mini_o3("collect", *options, "--turns", 5, "--out", folder)
    unchanged(folder)


@pytest.mark.parametrize("form", ["sharegpt", "trl"])
def test_kept_searches_are_exported_byte_for_byte(copied, form):
    copied()
    mini_o3("collect", "export", "collect/api", "--format", form, "--out", "new")
    assert content("new") == content(f"export/{form}")


@pytest.mark.parametrize("form", ["parquet", "coldstart"])
def test_kept_searches_are_exported_row_for_row(copied, form):
    copied()
    mini_o3("collect", "export", "collect/api", "--format", form, "--out", "new")
    (recorded,) = Path("export", form).glob("*.parquet")
    mine, theirs = (pq.read_table(path) for path in (Path("new", recorded.name), recorded))
    assert mine.schema == theirs.schema
    assert mine.to_pylist() == theirs.to_pylist()


def test_conversations_are_imported_alike(copied):
    copied("collect")
    command = ("collect", "import", "export/coldstart/train-00000-of-00001.parquet", "--out")
    mini_o3(*command, "collect/imported")  # nothing is left to do
    unchanged("collect/imported")
    mini_o3(*command, "new")

    def timeless(folder: str) -> list:
        episodes = [Episode.from_dict(row) for row in rows(f"{folder}/episodes.jsonl")]
        return [replace(e, turns=tuple(replace(turn, seconds=0.0) for turn in e.turns)) for e in episodes]

    assert timeless("new") == timeless("collect/imported")
    assert content("new").keys() == content("collect/imported").keys()


def test_prompts_and_exemplars_are_read_alike(here):
    profile = load_profile("prompts/official")
    assert {"name": profile.name, "hash": profile.hash, "dialect": profile.dialect} == json.loads(
        Path("expected/profile.json").read_text()
    )
    exemplars = [
        [one.name, one.title, one.question, [[step.sees, format_action(step.action)] for step in one.steps]]
        for one in read_exemplars("presets/exemplars/*.md")
    ]
    assert exemplars == json.loads(Path("expected/exemplars.json").read_text())


# Training and suites.


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_is_gone_on_with_by_the_same_settings_only(copied, name):
    copied("train")
    folder, kind = Path("train", name), TRAININGS[name]
    record = json.loads((folder / "config.json").read_text())
    claim_training(folder, kind)
    assert (
        as_recorded(json.loads((folder / "config.json").read_text())["config"], record["config"])
        == record["config"]
    )
    claim_training(folder, kind, threads=2, save_minutes=9.0)
    with pytest.raises(UserError, match="seed"):
        claim_training(folder, kind, seed=77)


@pytest.mark.parametrize(("name", "setting"), [("sft", "skips"), ("grpo", "void_masking")])
def test_a_record_that_lacks_a_setting_has_its_default(copied, name, setting):
    copied("train")
    path = Path("train", name, "config.json")
    record = json.loads(path.read_text())
    del record["config"][setting]
    path.write_text(json.dumps(record))
    claim_training(path.parent, TRAININGS[name])


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_log_is_cut_and_read_alike(copied, name):
    copied("train")
    folder = Path("train", name)
    recorded = lines(folder / "metrics.jsonl")
    assert steps_of(folder / "model") == 2
    assert cut_log(folder / "metrics.jsonl", 2) == [json.loads(line) for line in recorded]
    assert lines(folder / "metrics.jsonl") == recorded
    cut_log(folder / "metrics.jsonl", 1)
    assert lines(folder / "metrics.jsonl") == [line for line in recorded if json.loads(line)["step"] <= 1]


def test_alarms_are_rung_by_recorded_logs_as_before():
    config = GrpoConfig(**json.loads((GOLDEN / "train/grpo/config.json").read_text())["config"])
    log = [row for row in read_metrics(GOLDEN / "train/grpo") if row["step"]]
    assert alarm(log, config) is None
    assert starved(log, config) is None
    lost = [{**log[-1], "step": step, "zooms": 0.0} for step in range(1, 12)]
    assert alarm(lost, config) is not None


def test_a_model_folder_says_the_same(copied):
    copied("train")
    from transformers import AutoConfig, Qwen2_5_VLForConditionalGeneration

    folder = Path("train/sft/model")  # its weights were not recorded: any will do
    model = Qwen2_5_VLForConditionalGeneration(AutoConfig.from_pretrained(folder))
    model.save_pretrained("weights")
    shutil.copy("weights/model.safetensors", folder)
    vlm = load_vlm(folder, "cpu")
    recorded = json.loads((folder / "mini_o3.json").read_text())
    assert [vlm.profile, vlm.turn_tokens, vlm.budget.to_dict()] == [
        recorded[key] for key in ("profile", "turn_tokens", "budget")
    ]
    kept = Path("collect/teacher/kept")
    data = RecordedEpisodes.read(vlm.renderer, vlm.budget, load_profile("nano"), 0, kept)
    written = set()
    for index in range(len(data)):
        (sample,) = data(index)
        written.add(
            vlm.renderer.decode([i for i, wrote in zip(sample.ids, sample.learn, strict=True) if wrote])
        )
    assert written == {
        "".join(
            turn["text"]
            for turn in row["turns"]
            if turn.get("learn", True) and "malformed" not in turn["action"]
        )
        for row in rows(kept / "episodes.jsonl")
    }


@pytest.mark.parametrize("name", SUITES)
def test_the_report_of_a_suite_is_written_again_byte_for_byte(copied, name):
    copied("suites")
    for file in ("report.json", "report.md"):
        Path("suites", name, file).unlink()
    write_suite(name)
    unchanged(f"suites/{name}")


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_is_gone_on_with_by_the_same_measurement_only(copied, name):
    copied("suites")
    suite = read_config(Path(f"presets/reproduce/{name}.toml"), Suite)
    settings = {"measure": suite.measure.model_dump(mode="json")}
    ensure_same_run(Path("suites", name), settings)
    with pytest.raises(UserError, match="measure"):
        ensure_same_run(Path("suites", name), {"measure": {**settings["measure"], "probes": 3}})


@pytest.mark.parametrize("path", sorted(json.loads((GOLDEN / "expected/presets.json").read_text())))
def test_presets_load_to_the_same_values(path):
    recorded = json.loads((GOLDEN / "expected/presets.json").read_text())[path]
    today = read_config(GOLDEN / path, settings_kind(Path(path))).model_dump(mode="json")
    assert as_recorded(today, recorded) == recorded | DECIDED.get(path, {})


# Other programs' files.


def test_tables_of_vlmevalkit_are_written_byte_for_byte(copied):
    copied()
    mini_o3("interop", "vlmevalkit-tasks", "tasks/hrbench", "--out", "new/hr.tsv")
    mini_o3("interop", "vlmevalkit-predictions", "eval/judged", "--out", "new/us_hr.tsv")
    for name in ("hr.tsv", "us_hr.tsv"):
        assert Path("new", name).read_bytes() == Path("interop", name).read_bytes()


def test_answers_that_another_program_was_given_are_kept(copied):
    copied("interop")
    (picture,) = Path("tasks/own/pictures").glob("*.png")
    silent = Replay({"*": []})  # would fail at every question
    questions = [
        lambda: Question(picture, "Which way?\nA. left\nB. right", "q2"),
        lambda: Question(picture, "What is it?", "q3", 1),
    ]
    folder = Path("interop/searches")
    searches = Searches(silent, Limits(turns=4), folder, settings={"policy": "replay", "turns": 4})
    assert [episode.answer for episode in searches.answer(questions)] == ["B", "B"]
    unchanged(folder)
    with pytest.raises(UserError, match="turns"):
        Searches(silent, Limits(turns=5), folder, settings={"policy": "replay", "turns": 5})
