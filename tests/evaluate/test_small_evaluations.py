"""Evaluations of a few questions, called from Python: what is shown, how long, what is compared, merged,
checked."""

from __future__ import annotations

import asyncio
import json
import math

import pytest
from helpers import answer, mini_o3, play, recording, zoom
from PIL import Image

from mini_o3.episode import SearchTask, read_tasks
from mini_o3.evaluate.checks import check_curve
from mini_o3.evaluate.compare import compare, to_lines
from mini_o3.evaluate.evaluation import run_evaluation
from mini_o3.evaluate.lenses import lens_of
from mini_o3.evaluate.metrics import Judged
from mini_o3.evaluate.protocol import Protocol
from mini_o3.evaluate.run import evaluate
from mini_o3.evaluate.shards import merge, shard
from mini_o3.judge import CORRECT, make_judge
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, write_json
from mini_o3.policies.replay import Replay, ReplayConversation
from mini_o3.policies.teacher import Teacher
from mini_o3.probes.shapes.build import make_probes
from mini_o3.vision import InMemory, PixelBudget, Rect

RED, BLUE, GREEN, BLACK = (255, 0, 0), (0, 0, 255), (0, 255, 0), (0, 0, 0)
LOOK = zoom(0, 0, 0.5, 0.5)


def asked(folder, **pictures):
    """Tasks with the answer `x` in a folder: so many questions on a picture of that colour."""
    tasks = []
    for name, (colour, count) in pictures.items():
        Image.new("RGB", (300, 200), colour).save(folder / f"{name}.png")
        tasks += [SearchTask(str(folder / f"{name}.png"), f"What {n}?", "x") for n in range(count)]
    for task in tasks:
        append_jsonl(folder / "tasks.jsonl", task.to_dict())
    return tasks


def measured(folder, name, tasks, policy, among=(), **changes):
    protocol = Protocol(turns=4, judge="exact", **changes)
    made = {"tasks": str(folder), **protocol.model_dump(mode="json")}
    return evaluate(tasks, policy, protocol, make_judge("exact"), folder / name, manifest=made, among=among)


class Watching(Replay):
    """Plays its script and notes the colour in the middle of every view it is shown."""

    def open(self, request):
        self.seen = []
        seen, script = self.seen, super().open(request)

        class Conversation(ReplayConversation):
            async def reply(self, messages):
                views = [
                    part for message in messages for part in message.parts if isinstance(part, Image.Image)
                ]
                seen.extend(view.getpixel((view.width // 2, view.height // 2)) for view in views)
                return await script.reply(messages)

        return Conversation([])


# --- what is shown ---


def test_an_evaluation_shows_what_its_protocol_says(tmp_path):
    tasks = asked(tmp_path, p=(RED, 1), q=(BLUE, 1))
    shown = {}
    for views in ("honest", "black", "blind", "swapped"):
        policy = Watching({"*": [LOOK, answer("x")]})
        measured(tmp_path, views, tasks, policy, views=views)
        shown[views] = policy.seen  # of the second task
    assert shown == {
        "honest": [BLUE, BLUE],
        "black": [BLUE, BLACK],
        "blind": [BLACK, BLACK],
        "swapped": [BLUE, RED],
    }


def test_each_control_is_the_experiment_that_it_is_named_after(tmp_path):
    asked(tmp_path, p=(RED, 1), q=(BLUE, 1))
    recording(tmp_path / "r.jsonl", LOOK, answer("x"))
    words = (
        "eval",
        "--tasks",
        ".",
        "--policy",
        "replay:r.jsonl",
        "--turns",
        3,
        "--faithfulness",
        "--out",
        "out",
    )
    done = mini_o3(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = {
        path.parent.name: json.loads(path.read_text()) for path in (tmp_path / "out").rglob("protocol.json")
    }
    assert {name: (one["views"], one["turns"]) for name, one in made.items()} == {
        "out": ("honest", 3),
        "observations_black": ("black", 3),
        "observations_swapped": ("swapped", 3),
        "nothing_seen": ("blind", 3),
        "no_tool": ("honest", 1),
    }


def test_a_swapped_observation_is_the_same_part_of_a_picture_of_another_size(tmp_path):
    other = Image.new("RGB", (800, 400))
    other.paste(GREEN, (400, 200, 800, 400))
    other.save(tmp_path / "b.png")
    Image.new("RGB", (300, 200)).save(tmp_path / "a.png")
    tasks = [SearchTask(str(tmp_path / name), "What?") for name in ("a.png", "b.png")]
    view = lens_of("swapped", tasks)(tasks[0])(
        InMemory(Image.new("RGB", (300, 200))), Rect(150, 100, 300, 200), PixelBudget(), 1
    )
    assert view.getcolors() == [(view.width * view.height, GREEN)]


def test_what_is_swapped_with_does_not_hang_on_the_shard(tmp_path):
    tasks = asked(tmp_path, a=(RED, 1), b=(GREEN, 1), c=(BLUE, 1))
    policy = Watching({"*": [LOOK, answer("x")]})
    measured(tmp_path, "second", shard(tasks, "2/3"), policy, among=tasks, views="swapped")
    assert policy.seen == [GREEN, BLUE]


def test_one_picture_cannot_be_swapped_and_is_never_called_a_control(tmp_path):
    tasks = asked(tmp_path, p=(RED, 2))
    with pytest.raises(UserError, match="all tasks are on one picture"):
        measured(tmp_path, "swapped", tasks, Replay({"*": [answer("x")]}), views="swapped")
    assert not (tmp_path / "swapped").exists()
    recording(tmp_path / "r.jsonl", LOOK, answer("x"))
    done = mini_o3(
        "eval", "--tasks", ".", "--policy", "replay:r.jsonl", "--faithfulness", "--out", "out", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "control: observations swapped: left out, all tasks are on one picture" in done.stdout
    rows = json.loads((tmp_path / "out" / "report.json").read_text())["faithfulness"]
    assert set(rows) == {"as_it_is", "no_tool", "nothing_seen", "observations_black"}


# --- what is compared, checked and put together ---


def test_a_difference_has_the_error_of_pictures_and_a_two_sided_p_and_leaves_out_what_was_not_judged(
    tmp_path,
):
    """Two questions on each of two pictures, both better on one and neither on the other: half a point +-
    half a point."""
    tasks = asked(tmp_path, p=(RED, 2), q=(BLUE, 2), r=(GREEN, 1))
    said = {task.id: [answer("x" if n < 2 else "y")] for n, task in enumerate(tasks[:4])}
    measured(tmp_path, "one", tasks, Replay({"*": [answer("y")]}))
    measured(tmp_path, "two", tasks, Replay(said))  # it fails at the fifth
    found = compare(tmp_path / "one", tmp_path / "two")
    assert (found["tasks"], found["only_first"], found["only_second"]) == (4, 1, 0)
    assert (found["difference"], found["difference_stderr"], found["p"]) == (
        0.5,
        0.5,
        round(math.erfc(1 / math.sqrt(2)), 4),
    )
    assert (found["accuracy"], found["better"], found["worse"]) == ([0.0, 0.5], 2, 0)
    assert (found["paired_p"], found["interval"]) == (1.0, [-1.0, 1.0])  # one picture of two may be chance
    line = "  difference +50.0 points +- 50.0 (-100.0 to +100.0), p = 1.0; better on 2 tasks, worse on 0"
    assert to_lines(found, tmp_path / "one", tmp_path / "two")[-1] == line
    assert to_lines({**found, "paired_p": 0.0}, tmp_path / "one", tmp_path / "two")[-1] == line.replace(
        "= 1.0", "< 0.0001"
    )


def test_the_check_of_the_curve_plays_at_its_limit_and_names_what_ends_otherwise(tmp_path):
    [task] = asked(tmp_path, p=(RED, 1))
    rows = [
        Judged(
            task,
            play(Replay({"*": [LOOK, LOOK, answer("red")]}), Image.new("RGB", (400, 300)), task),
            CORRECT,
        )
    ]
    same = check_curve(
        rows, Replay({"*": [LOOK, LOOK]}), Protocol(), 2, 1
    )  # at 2 turns no third is asked for
    assert same == {"limit": 2, "episodes": 1, "differing": []}
    [found] = check_curve(rows, Replay({"*": [LOOK, answer("blue")]}), Protocol(), 2, 1)["differing"]
    assert (found["task"], found["long"], found["short"]) == (
        task.id,
        ["turn_limit", 2, None],
        ["answered", 2, "blue"],
    )


def test_the_check_of_the_curve_swaps_with_what_was_swapped_with(tmp_path):
    tasks = asked(tmp_path, a=(RED, 1), b=(GREEN, 1), c=(BLUE, 1))
    policy = Watching({"*": [LOOK, answer("x")]})
    rows = [Judged(tasks[1], play(policy, Image.open(tasks[1].picture), tasks[1]), CORRECT)]
    check_curve(rows, policy, Protocol(views="swapped"), 2, 1, among=tasks)
    assert policy.seen == [GREEN, BLUE]


def test_shards_of_different_evaluations_and_a_folder_in_use_are_refused(tmp_path, monkeypatch):
    (tmp_path / "tasks.jsonl").write_text("")
    for number, turns, place, code in (
        ("1/2", 3, tmp_path, "a"),
        ("2/2", 4, tmp_path, "a"),
        ("2/2", 3, ".", "b"),
    ):
        made = {"tasks": str(place), "turns": turns, "revision": code, "shard": number}
        write_json(tmp_path / f"{number[0]}of{turns}" / "protocol.json", made)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"2of4: is not of the same evaluation as .*1of3 \(other turns\)"):
        merge([tmp_path / "1of3", tmp_path / "2of4"], tmp_path / "out")
    write_json(tmp_path / "used" / "protocol.json", {"turns": 9})
    with pytest.raises(UserError, match="used: holds an evaluation already"):
        merge([tmp_path / "1of3", tmp_path / "2of3"], tmp_path / "used")
    merge([tmp_path / "1of3", tmp_path / "2of3"], tmp_path / "out")
    made = json.loads((tmp_path / "out" / "protocol.json").read_text())
    assert made == {"tasks": str(tmp_path), "turns": 3, "revision": "a, b"}


def test_other_code_may_go_on_with_an_evaluation_other_settings_may_not(tmp_path):
    tasks, policy = asked(tmp_path, p=(RED, 1)), Replay({"*": [answer("x")]})
    measured(tmp_path, "out", tasks, policy)
    path = tmp_path / "out" / "protocol.json"
    write_json(path, {**json.loads(path.read_text()), "revision": "of before"})
    measured(tmp_path, "out", tasks, policy)
    with pytest.raises(UserError, match=r"holds an evaluation with other settings \(void_retries\)"):
        measured(tmp_path, "out", tasks, policy, void_retries=0)


def test_two_pictures_of_one_name_are_not_taken_for_one(tmp_path):
    """Which would leave a question out and say nothing."""
    for folder in ("left", "right"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (300, 200)).save(tmp_path / folder / "photo.png")
        append_jsonl(tmp_path / "tasks.jsonl", SearchTask(f"{folder}/photo.png", "What?", "x").to_dict())
    with pytest.raises(
        UserError, match=r"tasks.jsonl, line 2: asks the same of .*right/photo.png .* rename one"
    ):
        read_tasks(tmp_path)


def test_tokens_and_requests_of_an_episode_are_counted(tmp_path):
    tasks = asked(tmp_path, p=(RED, 1))

    class Counting(ReplayConversation):
        async def reply(self, messages):
            found = await super().reply(messages)
            return type(found)(found.text, context_tokens=100 + 50 * len(messages))

    policy = Replay({"*": [LOOK, answer("x")]})
    policy.open = lambda request: Counting([LOOK, answer("x")])
    found = measured(tmp_path, "out", tasks, policy)
    row = json.loads((tmp_path / "out" / "episodes.jsonl").read_text())
    assert row["meta"]["requests"] == 2
    assert row["meta"]["tokens"] == found["tokens_mean"] > 200


def test_a_policy_that_is_built_already_is_measured_under_its_name(tmp_path):
    make_probes("easy", 2, 500_000_000, tmp_path / "easy")
    tasks = read_tasks(tmp_path / "easy")
    policy = Teacher(tasks)
    report = run_evaluation(tmp_path / "easy", policy, tmp_path / "out", judge="exact")
    assert (report["accuracy"], report["protocol"]["policy"]) == (1.0, "teacher")
    with pytest.raises(UserError, match="max_pixels: a policy that is built already has its own"):
        run_evaluation(tmp_path / "easy", policy, tmp_path / "other", max_pixels=100_000)
    assert not (tmp_path / "other").exists()


def test_an_evaluation_runs_where_a_loop_is_running(tmp_path):
    make_probes("easy", 1, 500_000_000, tmp_path / "easy")

    async def notebook():
        return run_evaluation(tmp_path / "easy", "teacher", tmp_path / "out", judge="exact")

    assert asyncio.run(notebook())["accuracy"] == 1.0
