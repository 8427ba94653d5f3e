"""`mini-o3 judge run` and `judge agree` on folders of episodes: what is filled in, what is kept, what is
printed."""

import json
import subprocess
import time

import pytest
from fake_endpoint import Endpoint, says, status
from helpers import answer, command, environment, mini_o3, play, zoom
from PIL import Image

from mini_o3.episode import Limits, SearchTask, StopReason
from mini_o3.judge import CORRECT, INCORRECT, Kind, Verdict, make_judge, unjudged
from mini_o3.judge.folder import judge_folder, read_attempts
from mini_o3.judge.record import VerdictStore
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, read_jsonl
from mini_o3.policies.replay import Replay

PICTURE = Image.new("RGB", (400, 300))
YES, NO = says("Score: 1"), says("Score: 0")
OPEN = [SearchTask(f"open{n}.png", "What colour?", "red") for n in range(3)]
CHOICE = [
    SearchTask(f"choice{n}.png", "What colour?", "B", options=("green", "red"), group="g") for n in range(3)
]
SAID = {
    OPEN[0]: ["Red."],
    OPEN[1]: ["crimson", "blue"],
    OPEN[2]: [zoom(0, 0, 0.5, 0.5)],
    CHOICE[0]: ["(B)"],
    CHOICE[1]: ["A"],
    CHOICE[2]: ["the second one"],
}


def write_row(folder, task, said, seed=0, **changes):
    text = said if said.startswith("<") else answer(said)
    episode = play(Replay({"*": [text] * 2}), PICTURE, task, limits=Limits(turns=2), seed=seed)
    append_jsonl(folder / "episodes.jsonl", {**episode.to_dict(), **changes})


@pytest.fixture
def folder(tmp_path):
    """An evaluation of six tasks: seven answers and a search that ran over, then a policy that failed."""
    (tmp_path / "tasks").mkdir()
    for task in SAID:
        append_jsonl(tmp_path / "tasks" / "tasks.jsonl", task.to_dict())
    out = tmp_path / "out"
    out.mkdir()
    (out / "protocol.json").write_text(json.dumps({"tasks": str(tmp_path / "tasks"), "policy": "replay"}))
    for task, texts in SAID.items():
        for seed, text in enumerate(texts):
            write_row(out, task, text, seed)
    write_row(out, OPEN[0], "x", 1, stop="policy_error", answer=None, error="http://h: status 500, 4 times")
    return out


def verdicts(folder):
    return {
        (task, seed): VerdictStore(folder).verdicts.get((task.id, seed)) for task in SAID for seed in (0, 1)
    }


FAILED = unjudged("policy failed: http://h: status 500, 4 times")
BY_RULES = {
    (OPEN[0], 0): CORRECT,
    (OPEN[0], 1): FAILED,
    (OPEN[1], 0): INCORRECT,
    (OPEN[1], 1): INCORRECT,
    (OPEN[2], 0): Verdict(Kind.INCORRECT, "no answer: turn_limit"),
    (OPEN[2], 1): None,
    (CHOICE[0], 0): CORRECT,
    (CHOICE[0], 1): None,
    (CHOICE[1], 0): INCORRECT,
    (CHOICE[1], 1): None,
    (CHOICE[2], 0): Verdict(Kind.INCORRECT, "unparsed"),
    (CHOICE[2], 1): None,
}


def test_rules_judge_a_folder_and_twice_gives_the_same_file(folder, tmp_path):
    tally = judge_folder(folder, make_judge("auto"))
    assert verdicts(folder) == BY_RULES
    assert (
        tally.headline() == "2 correct, 5 incorrect (1 of them unparsed), 1 unjudged of 8 episodes, by auto"
    )
    assert tally.reasons() == [
        "1 incorrect: no answer (1 turn_limit)",
        "1 incorrect: unparsed",
        "1 unjudged: policy failed (1 http://h: status 500, 4 times)",
    ]
    content = (folder / "verdicts.jsonl").read_bytes()
    assert judge_folder(folder, make_judge("auto")) == tally
    judge_folder(folder, make_judge("auto"), out=tmp_path / "elsewhere" / "v.jsonl", concurrent=1)
    assert (
        (folder / "verdicts.jsonl").read_bytes()
        == (tmp_path / "elsewhere" / "v.jsonl").read_bytes()
        == content
    )
    rows = read_jsonl(folder / "verdicts.jsonl")
    assert [(row["task_id"], row["seed"]) for row in rows] == [row.key for row in read_attempts(folder)]
    assert {key: rows[0][key] for key in ("task_id", "seed", "kind", "judge")} == {
        "task_id": OPEN[0].id,
        "seed": 0,
        "kind": "correct",
        "judge": "auto",
    }


def test_only_what_is_missing_unjudged_or_about_another_answer_is_judged(folder):
    with Endpoint(YES, NO, YES) as endpoint:
        judge = make_judge(f"auto+llm:{endpoint.url}#m", concurrent=1)
        judge_folder(folder, judge, concurrent=1)
        assert verdicts(folder) == {**BY_RULES, (OPEN[1], 0): CORRECT, (CHOICE[2], 0): CORRECT}
        assert len(endpoint.requests) == 3
        write_row(folder, OPEN[0], "scarlet", 1)  # the policy was asked again
        write_row(folder, OPEN[1], "green", 0)  # somebody replaced an episode
        endpoint.behaviours[:] = [NO, YES]  # in the order of the file
        judge_folder(folder, make_judge(f"auto+llm:{endpoint.url}#m", concurrent=1), concurrent=1)
        assert verdicts(folder) == {**BY_RULES, (OPEN[0], 1): CORRECT, (CHOICE[2], 0): CORRECT}
        shown = [request.body["messages"][1]["content"].splitlines()[-1] for request in endpoint.requests[3:]]
        assert shown == ['Answer under test: "green"', 'Answer under test: "scarlet"']


def test_a_judge_that_was_down_is_asked_later_and_the_policy_is_not(folder, tmp_path):
    with Endpoint(status(401), status(401), status(401)) as endpoint:
        words = ("judge", "run", folder, "--judge", f"auto+llm:{endpoint.url}#m,attempts=1")
        down = mini_o3(*words, cwd=tmp_path)
        assert down.returncode == 1
        headline, *reasons = down.stdout.splitlines()
        assert headline.startswith("2 correct, 2 incorrect, 4 unjudged of 8 episodes, by auto+llm:m@")
        assert headline.endswith("; THE JUDGE FAILED at 3: run this again to fill them in")
        assert reasons[0].startswith(
            f"  3 unjudged: judge failed (3 {endpoint.url}/chat/completions: status 401"
        )
        assert [one.kind for one in verdicts(folder).values() if one].count(Kind.UNJUDGED) == 4
        episodes = (folder / "episodes.jsonl").read_bytes()
        endpoint.behaviours[:] = [NO, NO, NO]
        up = mini_o3(*words, cwd=tmp_path)
        assert (up.returncode, len(endpoint.requests)) == (0, 6)
        assert up.stdout.startswith("2 correct, 5 incorrect, 1 unjudged of 8 episodes, by auto+llm:m@")
        assert (folder / "episodes.jsonl").read_bytes() == episodes
        content = (folder / "verdicts.jsonl").read_bytes()
        judge_folder(folder, make_judge(f"auto+llm:{endpoint.url}#m,attempts=1"))
        assert ((folder / "verdicts.jsonl").read_bytes(), len(endpoint.requests)) == (content, 6)


def test_a_run_that_was_killed_goes_on_to_the_file_of_an_unbroken_one(tmp_path):
    tasks, out = tmp_path / "tasks", tmp_path / "out"
    tasks.mkdir()
    out.mkdir()
    episode = play(Replay({"*": [answer("x")]}), PICTURE, OPEN[0]).to_dict()
    with (tasks / "tasks.jsonl").open("w") as rows, (out / "episodes.jsonl").open("w") as episodes:
        for number in range(400):
            task = SearchTask(f"{number}.png", "What?", "red")
            rows.write(json.dumps(task.to_dict()) + "\n")
            episodes.write(json.dumps({**episode, "task_id": task.id, "answer": str(number)}) + "\n")

    def by_last_digit(request):
        return NO if '7"' in request.body["messages"][1]["content"] else YES

    with Endpoint(answer=by_last_digit) as endpoint:
        words = ("judge", "run", out, "--judge", f"llm:{endpoint.url}#m", "--tasks", tasks, "--concurrent", 2)
        process = subprocess.Popen(command(*words), env=environment(), stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while (
            not (out / "verdicts.jsonl").exists() or (out / "verdicts.jsonl").read_bytes().count(b"\n") < 10
        ):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
        process.kill()
        process.wait()
    kept = len(VerdictStore(out).rows)
    assert 10 <= kept < 400
    (out / "judge_cache.jsonl").unlink()  # the verdicts alone must do
    with Endpoint(
        answer=by_last_digit
    ) as endpoint:  # another: requests of the killed process may still reach the first
        resumed = judge_folder(out, make_judge(f"llm:{endpoint.url}#m"), tasks=tasks)
        assert len(endpoint.requests) == 400 - kept
        unbroken = judge_folder(
            out, make_judge(f"llm:{endpoint.url}#m"), tasks=tasks, out=tmp_path / "unbroken.jsonl"
        )
    assert resumed == unbroken
    assert resumed.count(Kind.INCORRECT) == 40
    assert (out / "verdicts.jsonl").read_bytes() == (tmp_path / "unbroken.jsonl").read_bytes()


def test_verdicts_of_another_judge_are_not_mixed_in(folder, tmp_path):
    judge_folder(folder, make_judge("auto"))
    content = (folder / "verdicts.jsonl").read_bytes()
    with pytest.raises(UserError, match=r"verdicts.jsonl: holds verdicts of auto, not of exact; .* `out`"):
        judge_folder(folder, make_judge("exact"))
    assert (folder / "verdicts.jsonl").read_bytes() == content
    judge_folder(folder, make_judge("exact"), out=tmp_path / "exact.jsonl")
    assert VerdictStore(tmp_path / "exact.jsonl").verdicts[CHOICE[2].id, 0] == INCORRECT


def test_a_row_without_a_digest_is_trusted(folder):
    """As collections used to write it, whose episodes never change."""
    judge = make_judge("auto")
    append_jsonl(
        folder / "verdicts.jsonl", {"task_id": OPEN[1].id, "seed": 0, "kind": "correct", "judge": "auto"}
    )
    assert judge_folder(folder, judge).count(Kind.CORRECT) == 3


def test_of_several_episodes_the_last_counts_but_for_a_policy_that_failed(folder):
    assert [row.episode.stop for row in read_attempts(folder) if row.key == (OPEN[0].id, 1)] == [
        StopReason.POLICY_ERROR
    ]
    write_row(folder, OPEN[0], "first", 1)
    write_row(folder, OPEN[0], "second", 1)
    write_row(folder, OPEN[0], "x", 1, stop="policy_error", answer=None)
    assert [row.episode.answer for row in read_attempts(folder) if row.key == (OPEN[0].id, 1)] == ["second"]


def broken(folder, what):
    """Spoil a folder of episodes; the name of what the error must speak of."""
    if what == "no episodes":
        (folder / "episodes.jsonl").unlink()
        return "episodes.jsonl: no such file"
    if what == "no settings":
        (folder / "protocol.json").unlink()
        return "protocol.json: does not say where the tasks are; give their folder with `tasks`"
    if what == "settings of something else":
        (folder / "protocol.json").write_text("[1]")
        return "protocol.json: does not say where the tasks are"
    if what == "tasks moved":
        (folder / "protocol.json").write_text('{"tasks": "gone"}')
        return "tasks.jsonl: no such file"
    if what == "another task":
        write_row(folder, SearchTask("new.png", "What?", "x"), "x")
        return "give the right folder with `tasks`"
    if what == "not an episode":
        append_jsonl(folder / "episodes.jsonl", {"task_id": "x"})
        return "episodes.jsonl, line 9: is not an episode"
    append_jsonl(folder / "verdicts.jsonl", {"task_id": "x", "seed": 0, "kind": "perhaps"})
    return "verdicts.jsonl, line 1: is not a verdict"


@pytest.mark.parametrize(
    "what",
    [
        "no episodes",
        "no settings",
        "settings of something else",
        "tasks moved",
        "another task",
        "not an episode",
        "not a verdict",
    ],
)
def test_a_folder_that_cannot_be_judged_is_refused_in_one_line(folder, what):
    problem = broken(folder, what)
    with pytest.raises(UserError) as refused:
        judge_folder(folder, make_judge("auto"))
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_cut_line_of_verdicts_is_judged_again(folder):
    judge_folder(folder, make_judge("auto"))
    content = (folder / "verdicts.jsonl").read_bytes()
    (folder / "verdicts.jsonl").write_bytes(content[:-15])
    judge_folder(folder, make_judge("auto"))
    assert (folder / "verdicts.jsonl").read_bytes() == content


def test_two_judges_are_compared_with_their_disagreements(folder, tmp_path):
    def fair(request):
        return YES if "crimson" in request.body["messages"][1]["content"] else NO

    with Endpoint(answer=fair) as endpoint:
        spec = f"auto+llm:{endpoint.url}#m"
        done = mini_o3("judge", "agree", folder, "--judge", "auto", "--judge", spec, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert lines[0] == "rows: auto"
        assert lines[1].startswith("columns: auto+llm:m@")
        assert [line.split() for line in lines[4:7]] == [
            ["correct", "2", "0", "0"],
            ["incorrect", "1", "4", "0"],
            ["unjudged", "0", "0", "1"],
        ]
        # 6 of 7 agree; by chance 2/7 * 3/7 + 5/7 * 4/7 = 26/49, so kappa is 16/23
        assert lines[8].startswith("agreement 0.857 on 7 answers judged by both, Cohen's kappa 0.696 +- 0.")
        assert lines[10:] == [
            f"{OPEN[1].id} seed 0: incorrect / correct",
            "  question: What colour?",
            "  expected: red",
            '  answer:   "crimson"',
        ]
        assert not (folder / "verdicts.jsonl").exists()
        judge_folder(folder, make_judge("auto"))
        judge_folder(folder, make_judge(spec, cache=folder / "judge_cache.jsonl"), out=tmp_path / "llm.jsonl")
        assert len(endpoint.requests) == 3  # the comparison has paid for these
    against = mini_o3("judge", "agree", folder, "--against", tmp_path / "llm.jsonl", cwd=tmp_path)
    assert [line.split() for line in against.stdout.splitlines()[4:7]] == [
        line.split() for line in lines[4:7]
    ]
    assert against.stdout.splitlines()[8:] == lines[8:]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["judge", "agree", "out"], "give two judges"),
        (
            ["judge", "agree", "out", "--judge", "auto"],
            "verdicts.jsonl: no such file; make it with: mini-o3 judge run",
        ),
        (["judge", "run", "nowhere"], "nowhere: no such folder"),
        (
            ["judge", "run", "out", "--judge", "gpt-4o"],
            "--judge gpt-4o: 'gpt-4o' is no judge; choose auto, exact, choice",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, tmp_path, words, problem):
    done = mini_o3(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert problem in line
