"""Options of endpoints in protocols, what an evaluation costs, and budgets that it goes on after."""

from __future__ import annotations

import json

import pytest
from fake_endpoint import Endpoint, completion, sends, status
from helpers import answer, mini_o3, zoom
from PIL import Image

from mini_o3.asking import ask
from mini_o3.episode import EPISODES_FILE, SearchTask, StopReason
from mini_o3.episode.store import EpisodeStore
from mini_o3.evaluate.evaluation import run_evaluation
from mini_o3.evaluate.report import headline, summary_lines
from mini_o3.judge import make_judge
from mini_o3.judge.folder import judge_folder
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, read_jsonl
from mini_o3.kit.metering import Budget, Meter
from mini_o3.kit.usage import Price
from mini_o3.policies.load import load_policy
from mini_o3.policies.spec import PolicySpec

USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}}
PRICES = {"m": Price(10.0, 100.0, 1.0)}
A_REQUEST = (60 * 10 + 40 * 1 + 10 * 100) / 1e6


def counted(text):
    return sends(completion(text, usage=USAGE))


def three_turns(request):
    """Two looks, then the answer; told by the request alone, as an endpoint that has no memory."""
    turns = sum(message["role"] == "assistant" for message in request.body["messages"])
    return counted([zoom(0, 0, 0.5, 0.5), zoom(0, 0, 0.25, 0.25), answer("x")][turns])


@pytest.fixture
def tasks(tmp_path):
    Image.new("RGB", (300, 200), "red").save(tmp_path / "a.png")
    for number in range(4):
        append_jsonl(
            tmp_path / "tasks.jsonl", SearchTask(str(tmp_path / "a.png"), f"What {number}?", "x").to_dict()
        )
    return tmp_path


def test_options_of_a_protocol_reach_the_request_and_its_record(tasks):
    (tasks / "mine.toml").write_text(
        'turn_tokens = 77\njudge = "exact+llm:URL#j"\n'
        '[endpoint]\ntop_p = 0.9\ntimeout = 30\nstop = ["</x>"]\n'
        'body.reasoning_effort = "low"\nheader.X-Org = "me"\n[judge_endpoint]\nmax_tokens = 900\n'
    )
    with Endpoint(
        answer=lambda request: counted(answer("y") if request.body["model"] == "m" else "CORRECT")
    ) as end:
        path = tasks / "mine.toml"
        path.write_text(path.read_text().replace("URL", end.url))
        run_evaluation(tasks, f"api:{end.url}#m", tasks / "out", protocol=str(path), limit=1)
    first, judged = end.requests[0], end.requests[1]
    wanted = {"max_tokens": 77, "top_p": 0.9, "stop": ["</x>"], "reasoning_effort": "low"}
    assert {name: first.body[name] for name in wanted} == wanted
    assert first.headers["x-org"] == "me"
    assert (judged.body["model"], judged.body["max_tokens"]) == ("j", 900)
    record = json.loads((tasks / "out" / "protocol.json").read_text())
    assert record["turn_tokens"] == 77
    assert record["judge_endpoint"] == {"max_tokens": 900}
    assert record["endpoint"] == {
        "body": {"reasoning_effort": "low"},
        "headers": ["X-Org"],
        "stop": ["</x>"],
        "top_p": 0.9,
    }


def test_the_length_of_turns_is_recorded_and_another_one_is_another_evaluation(tasks):
    with Endpoint(answer=three_turns) as end:
        policy = f"api:{end.url}#m"
        run_evaluation(tasks, policy, tasks / "out", limit=1)
        record = json.loads((tasks / "out" / "protocol.json").read_text())
        assert record["turn_tokens"] == 2048
        with pytest.raises(UserError, match=r"other settings .*turn_tokens"):
            run_evaluation(tasks, policy, tasks / "out", limit=1, turn_tokens=4096)
        run_evaluation(tasks, policy, tasks / "out", limit=1, endpoint={"timeout": 5})  # changes no number
        for name in ("turn_tokens", "endpoint", "judge_endpoint"):
            del record[name]
        (tasks / "out" / "protocol.json").write_text(json.dumps(record))
        run_evaluation(tasks, policy, tasks / "out", limit=1)  # a record from before they were recorded
        with pytest.raises(UserError, match="turn_tokens"):
            run_evaluation(tasks, policy, tasks / "out", limit=1, turn_tokens=4096)


def test_a_new_key_in_an_address_goes_on_with_the_same_evaluation(tasks):
    with Endpoint(answer=three_turns) as end:
        host = end.url.removeprefix("http://")
        for secret in ("first-password", "second-password"):
            policy = f"api:http://me:{secret}@{host}?api_key={secret}#m"
            run_evaluation(tasks, policy, tasks / "out", limit=2)
    assert len(end.requests) == 6  # three turns of two tasks, once
    written = "".join(path.read_text() for path in (tasks / "out").glob("*") if path.is_file())
    assert "password" not in written


def test_what_an_evaluation_costs_is_in_its_report(tasks):
    def reply(request):
        return three_turns(request) if request.body["model"] == "m" else counted("CORRECT")

    with Endpoint(answer=reply) as end:
        judge = f"llm:{end.url}#j"
        report = run_evaluation(tasks, f"api:{end.url}#m", tasks / "out", judge=judge, prices=PRICES)
    assert report["spending"] == {
        "policy": {
            "requests": 12,
            "prompt": 1200,
            "cached": 480,
            "completion": 120,
            "total": 1320,
            "cost": pytest.approx(12 * A_REQUEST),
            "per_episode": {"requests": 3, "total": 330, "cost": pytest.approx(3 * A_REQUEST)},
        },
        "judge": {"requests": 4, "prompt": 400, "cached": 160, "completion": 40, "total": 440},
    }
    words = "policy: 12 requests, 1,200 tokens read (480 of them cached), 120 written, cost 0.0197"
    assert words in summary_lines(report)
    assert "| policy | 12 requests, 1,200 tokens read" in (tasks / "out" / "report.md").read_text()


def test_a_budget_stops_an_evaluation_which_goes_on_with_the_next_turn(tasks):
    whole, out = tasks / "whole", tasks / "out"
    with Endpoint(answer=three_turns) as end:
        run_evaluation(tasks, f"api:{end.url}#m", whole)
        end.requests.clear()
        for most in (5, 7, 100):
            policy = f"api:{end.url}#m"
            report = run_evaluation(tasks, policy, out, concurrent=1, budget=Budget(max_requests=most))
            assert len(end.requests) == min(most, 12)  # nothing is asked twice, over all starts
            told = report.get("budget_spent")
            assert told == (
                None
                if most > 12
                else f"the budget is spent ({most} requests of {most}); raise `max_requests` to go on"
            )
    assert report["spending"]["policy"]["requests"] == 12
    assert report["spending"]["policy"]["total"] == 12 * 110
    for one, other in zip(*(EpisodeStore(folder).episodes.values() for folder in (whole, out)), strict=True):
        assert [turn.text for turn in one.turns] == [turn.text for turn in other.turns]
        assert (one.answer, one.usage) == (other.answer, other.usage)


@pytest.mark.parametrize(
    ("budget", "requests"), [(Budget(max_tokens=300), 3), (Budget(max_cost=4.5 * A_REQUEST), 5)]
)
def test_tokens_and_money_are_budgets_too(tasks, budget, requests):
    with Endpoint(answer=three_turns) as end:
        report = run_evaluation(
            tasks, f"api:{end.url}#m", tasks / "out", concurrent=1, budget=budget, prices=PRICES
        )
    assert len(end.requests) == requests
    assert report["budget_spent"]


def test_a_budget_in_money_needs_a_price(tasks):
    with pytest.raises(UserError, match=r"max_cost: there is no price of m; put a table \['m'\]"):
        run_evaluation(tasks, "api:http://127.0.0.1:9/v1#m", tasks / "out", budget=Budget(max_cost=1.0))


def test_nothing_is_reported_where_nothing_could_be_asked(tasks):
    budget = Budget(max_cost=0.0)
    with pytest.raises(UserError, match="nothing could be asked, the budget is spent"):
        run_evaluation(tasks, "api:http://h/v1#m", tasks / "out", budget=budget, prices=PRICES)


def test_a_judge_is_on_the_same_budget_and_goes_on(tasks):
    def reply(request):
        return counted(answer("y")) if request.body["model"] == "m" else counted("INCORRECT")

    with Endpoint(answer=reply) as end:
        run_evaluation(tasks, f"api:{end.url}#m", tasks / "out", judge="exact")
        end.requests.clear()
        cache = tasks / "cache.jsonl"
        for task_answers, most in ((2, 2), (4, 100)):
            meter = Meter(Budget(max_requests=most))
            judge = make_judge(f"llm:{end.url}#j", cache=cache, meter=meter)
            tally = judge_folder(tasks / "out", judge, out=tasks / "v.jsonl", concurrent=1)
            assert len(tally.verdicts) - tally.failed == task_answers
    assert len(end.requests) == 4
    assert sum(row["usage"]["total"] for row in read_jsonl(cache)) == 440


def test_failures_that_come_again_are_named_with_the_number_that_they_would_make(tasks):
    def reply(request):
        asked = json.dumps(request.body["messages"])
        return counted(answer("x")) if "What 0?" in asked else status(400, "no such picture, please")

    with Endpoint(answer=reply) as end:
        report = run_evaluation(tasks, f"api:{end.url}#m", tasks / "out")
    assert (report["accuracy"], report["worst_case"]["accuracy"], report["lasting"]) == (1.0, 0.25, 3)
    told = headline(report)
    assert "3 OF 4 EPISODES UNJUDGED (3 policy failed), 25.0%" in told
    assert "IF THEY COUNTED AS WRONG; 3 FAILED IN A WAY THAT COMES AGAIN" in told
    assert told in (tasks / "out" / "report.md").read_text()
    done = mini_o3("report", "out", cwd=tasks)
    page = (tasks / "out" / "report.html").read_text()
    assert done.returncode == 0, done.stderr
    assert "<b>25.0%" in page
    assert "if those were wrong" in page
    assert "would fail again" in page


def test_a_question_that_its_budget_stopped_goes_on_where_it_was(tasks):
    with Endpoint(answer=three_turns) as end:
        policy = PolicySpec(f"api:{end.url}#m", endpoint={"body": {"x": [1]}})
        say = []
        first = ask(
            tasks / "a.png", "What?", policy, out=tasks / "one", meter=Meter(Budget(max_requests=2), PRICES)
        )
        assert (first.episode.stop, first.episode.num_turns) == (StopReason.POLICY_ERROR, 2)
        second = ask(tasks / "a.png", "What?", policy, out=tasks / "one", say=say.append)
        other = ask(tasks / "a.png", "What else?", policy, out=tasks / "one")
    assert (second.answer, second.episode.num_turns) == ("x", 3)
    assert len(end.requests) == 3 + 3
    assert end.requests[0].body["x"] == [1]
    assert len(end.requests[2].body["messages"]) == 6
    assert other.episode.num_turns == 3
    assert second.episode.usage.total == 330
    assert (tasks / "one" / EPISODES_FILE).exists()


def test_ask_says_what_its_budget_stopped_with_a_status_of_its_own(tasks):
    (tasks / "prices.toml").write_text("[m]\nprompt = 10\ncompletion = 100\ncached = 1\n")
    with Endpoint(answer=three_turns) as end:
        asked = (
            "ask",
            "a.png",
            "What?",
            "--policy",
            f"api:{end.url}#m",
            "--prices",
            "prices.toml",
            "--out",
            "o",
        )
        poor = mini_o3(*asked, "--max-requests", 2, cwd=tasks)
        rich = mini_o3(*asked, "--max-requests", 2, cwd=tasks)
    assert (poor.returncode, rich.returncode) == (6, 0), poor.stderr
    assert "raise --max-requests to go on; o goes on with the same --out" in poor.stderr
    assert "answer    x" in rich.stdout
    assert "cost      0.0016" in rich.stdout  # of this start


def test_endpoints_are_what_options_are_for():
    with pytest.raises(UserError, match="nano is no endpoint"):
        load_policy(PolicySpec("nano", endpoint={"timeout": 3}))
    with pytest.raises(UserError, match="endpoint temperature: is a setting of its own"):
        PolicySpec("api:http://h/v1#m", endpoint={"temperature": 1})
    with pytest.raises(UserError, match="judge_endpoint: auto asks no endpoint"):
        make_judge("auto", endpoint={"timeout": 3})
