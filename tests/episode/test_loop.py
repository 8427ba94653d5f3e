"""The episode loop with scripted policies: what is recorded, what is said back, how it ends."""

import asyncio
import json
from dataclasses import replace

import pytest
from PIL import Image, ImageChops

from mini_o3.episode import (
    Episode,
    EpisodeRun,
    Limits,
    PolicyError,
    Reply,
    SearchTask,
    StopReason,
    Turn,
    run_episode,
)
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl
from mini_o3.policies.replay import Replay
from mini_o3.protocol import Answer, Fault, Malformed, Zoom, format_action, load_profile
from mini_o3.vision import PixelBudget, Rect, Region

SIZE = (400, 300)
NATIVE = PixelBudget(min_pixels=0, multiple=1)  # views are the crops themselves
TASK = SearchTask("sky.png", "What colour is the sign?", answer="teal")


def picture():
    ramp = Image.linear_gradient("L")
    return Image.merge(
        "RGB", (ramp.rotate(90).resize(SIZE), ramp.resize(SIZE), Image.radial_gradient("L").resize(SIZE))
    )


def zoom(x0, y0, x1, y1, frame=0, thought=""):
    return format_action(Zoom(Region(x0, y0, x1, y1, frame), thought))


def answer(text, thought=""):
    return format_action(Answer(text, thought))


class Scripted:
    """Says its lines; an exception among them is raised. Notes everything that it is told."""

    name = "scripted"

    def __init__(self, *lines, budget=NATIVE, profile="search", context_tokens=None):
        self.lines, self.budget, self.context_tokens = list(lines), budget, context_tokens
        self.profile = load_profile(profile)
        self.heard, self.requests, self.closed = [], [], 0

    def open(self, request):
        self.requests.append(request)
        return self

    async def reply(self, messages):
        assert self.closed == 0
        self.heard.append(list(messages))
        line = self.lines.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line if isinstance(line, Reply) else Reply(line)

    def close(self):
        self.closed += 1


def run(policy, limits=None, task=TASK, **options):
    options.setdefault("picture", picture())
    return asyncio.run(run_episode(task, policy, limits or Limits(), **options))


def words(message):
    return "".join(part for part in message.parts if isinstance(part, str))


def views(message):
    return [part for part in message.parts if isinstance(part, Image.Image)]


def same(one, other):
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None


NESTED = (
    zoom(0.5, 0.5, 1, 1, 0, "there"),
    zoom(0.1, 0.2, 0.3, 0.6, 1),
    zoom(0.5, 0, 1, 1, 2),
    answer("teal", "seen"),
)
RECTS = (Rect(200, 150, 400, 300), Rect(220, 180, 260, 240), Rect(240, 180, 260, 240))


def test_nested_zooms_are_recorded_in_pixels_of_the_original():
    episode = run(Scripted(*NESTED))
    assert [turn.rect for turn in episode.turns] == [*RECTS, None]
    assert [turn.observation for turn in episode.turns] == [1, 2, 3, None]
    assert [turn.shown for turn in episode.turns] == [(200, 150), (40, 60), (20, 60), None]
    assert [turn.text for turn in episode.turns] == list(NESTED)
    assert [turn.thought for turn in episode.turns] == ["there", "", "", "seen"]
    assert [turn.action for turn in episode.turns] == [
        Zoom(Region(0.5, 0.5, 1.0, 1.0), "there"),
        Zoom(Region(0.1, 0.2, 0.3, 0.6, 1)),
        Zoom(Region(0.5, 0.0, 1.0, 1.0, 2)),
        Answer("teal", "seen"),
    ]
    assert (episode.num_turns, episode.num_zooms) == (4, 3)


def test_an_answered_episode_says_so():
    episode = run(Scripted(*NESTED), Limits(turns=4), seed=5)
    assert (episode.stop, episode.answer, episode.expected) == (StopReason.ANSWERED, "teal", "teal")
    assert (episode.is_over_turn, episode.error) == (False, None)
    assert (episode.task_id, episode.question, episode.picture) == (TASK.id, TASK.question, "sky.png")
    assert (episode.size, episode.shown, episode.policy) == (SIZE, SIZE, "scripted")
    assert (episode.limits, episode.seed) == (Limits(turns=4), 5)
    assert episode.profile == f"search@{load_profile('search').hash}"


def test_the_evidence_is_the_region_of_the_last_view():
    assert run(Scripted(*NESTED)).evidence == Region(240 / 400, 180 / 300, 260 / 400, 240 / 300)


def test_the_evidence_without_a_zoom_is_the_whole_picture():
    assert run(Scripted(answer("teal"))).evidence == Region(0, 0, 1, 1)


def test_the_evidence_is_the_last_view_also_after_an_error():
    policy = Scripted(zoom(0, 0, 0.5, 0.5), "hm", zoom(0.5, 0.5, 1, 1, 9), answer("teal"))
    assert run(policy).evidence == Region(0, 0, 0.5, 0.5)


@pytest.mark.parametrize("profile", ["search", "nano"])
def test_the_policy_is_shown_the_native_pixels_of_what_it_asked_for(profile):
    policy, original = Scripted(*NESTED, profile=profile), picture()
    run(policy, picture=original)
    assert [len(messages) for messages in policy.heard] == [2, 1, 1, 1]
    assert [message.role for messages in policy.heard for message in messages] == [
        "system",
        "user",
        "user",
        "user",
        "user",
    ]
    shown = [view for messages in policy.heard for message in messages for view in views(message)]
    assert len(shown) == 4
    for view, rect in zip(shown, (Rect(0, 0, *SIZE), *RECTS), strict=True):
        assert same(view, original.crop(rect))


def test_the_policy_is_told_the_number_it_can_use():
    policy = Scripted(
        zoom(0, 0, 0.5, 0.5), "no action", zoom(0.5, 0.5, 1, 1), zoom(0, 0, 0.5, 0.5, 2), answer("teal")
    )
    episode = run(policy)
    said = [words(messages[-1]) for messages in policy.heard]
    assert TASK.question in said[0]
    assert "This is observation_1," in said[1]
    assert "This is observation_2," in said[3]
    assert "This is observation_3," in said[4]
    assert episode.turns[3].rect == Rect(200, 150, 300, 225)


def test_a_view_has_the_size_that_the_policy_wants():
    policy = Scripted(*NESTED, budget=PixelBudget(max_pixels=28224, min_pixels=0, square=True))
    episode = run(policy)
    assert episode.shown == (168, 168)
    assert [turn.shown for turn in episode.turns] == [(168, 168)] * 3 + [None]
    assert {view.size for messages in policy.heard for message in messages for view in views(message)} == {
        (168, 168)
    }


@pytest.mark.parametrize(
    ("line", "kind", "detail"),
    [
        ("I wonder.", "no_action", "There is no <grounding> and no <answer> in your turn"),
        (
            '<grounding>{"bbox_2d": [1, 2, 3, 4], "source": "original_image"}</grounding>',
            "outside",
            "not pixels",
        ),
        (
            zoom(0, 0, 1, 1, 4),
            "unknown_source",
            "There is no observation_4; the last sources are original_image.",
        ),
        (zoom(0.5, 0, 0.501, 1), "too_thin", "The box is 1 x 300 pixels"),
        (Reply("<think>on and on and", finished=False), "unfinished", "Your turn was too long"),
        (Reply('<grounding>{"bbox_2d": [0.1,', finished=False), "unfinished", "Your turn was too long"),
    ],
)
def test_a_malformed_turn_is_corrected_with_the_reason(line, kind, detail):
    policy = Scripted(line, answer("teal"))
    episode = run(policy)
    (message,) = policy.heard[1]
    assert message.role == "user"
    assert detail in words(message)
    assert views(message) == []
    wrong = episode.turns[0]
    assert wrong.malformed is wrong.action
    assert wrong.action.kind == kind
    assert detail in wrong.action.detail
    assert (wrong.observation, wrong.rect, wrong.shown) == (None, None, None)
    assert (episode.stop, episode.turns[1].malformed) == (StopReason.ANSWERED, None)


def test_a_whole_action_counts_also_when_the_turn_was_cut_off_after_it():
    episode = run(Scripted(Reply(answer("teal"), finished=False)))
    assert (episode.stop, episode.answer) == (StopReason.ANSWERED, "teal")


def test_an_episode_that_runs_out_of_turns_has_no_answer():
    policy = Scripted(zoom(0, 0, 0.5, 0.5), zoom(0.5, 0.5, 1, 1), answer("late"))
    episode = run(policy, Limits(turns=2))
    assert (episode.stop, episode.is_over_turn) == (StopReason.TURN_LIMIT, True)
    assert (episode.answer, episode.evidence, episode.error) == (None, None, None)
    assert [turn.observation for turn in episode.turns] == [1, None]
    assert episode.turns[1].action == Zoom(Region(0.5, 0.5, 1.0, 1.0))
    assert (len(policy.heard), policy.lines, policy.closed) == (2, [answer("late")], 1)


@pytest.mark.parametrize(
    ("lines", "limits", "stop", "over"),
    [
        (["hm"], Limits(void_retries=0), StopReason.VOID, False),
        (["hm", "hm", "hm"], Limits(void_retries=2), StopReason.VOID, False),
        (["hm"], Limits(turns=1), StopReason.TURN_LIMIT, True),
        ([zoom(0, 0, 1, 1)], Limits(images=1), StopReason.IMAGE_LIMIT, True),
        ([zoom(0, 0, 1, 1)], Limits(context_tokens=1), StopReason.CONTEXT_LIMIT, True),
        ([answer("x")], Limits(turns=1, images=1, context_tokens=1), StopReason.ANSWERED, False),
        ([PolicyError("gone")], Limits(), StopReason.POLICY_ERROR, False),
    ],
)
def test_every_end_closes_the_conversation_once(lines, limits, stop, over):
    policy = Scripted(*lines)
    episode = run(policy, limits)
    assert (episode.stop, episode.is_over_turn, policy.closed, policy.lines) == (stop, over, 1, [])


@pytest.mark.parametrize(
    "error", [RuntimeError("a defect"), KeyError("x"), asyncio.CancelledError(), KeyboardInterrupt()]
)
def test_an_unexpected_exception_comes_through_and_closes_the_conversation_once(error):
    policy = Scripted(zoom(0, 0, 0.5, 0.5), error)
    with pytest.raises(type(error)):
        run(policy)
    assert policy.closed == 1


def test_a_policy_that_fails_ends_its_episode_and_keeps_the_turns():
    error = "endpoint down: <b>503</b> {detail}\nretry"
    episode = run(Scripted(*NESTED[:2], PolicyError(error)))
    assert (episode.stop, episode.error) == (StopReason.POLICY_ERROR, error)
    assert [turn.rect for turn in episode.turns] == list(RECTS[:2])
    assert (episode.answer, episode.evidence, episode.is_over_turn) == (None, None, False)
    assert Episode.from_dict(json.loads(json.dumps(episode.to_dict()))).error == error


def test_a_policy_that_fails_at_once_leaves_an_empty_episode():
    episode = run(Scripted(PolicyError("no key")))
    assert (episode.turns, episode.stop, episode.error) == ((), StopReason.POLICY_ERROR, "no key")


# A view of 200 x 150 costs 8 x 6 = 48 tokens in the default budget.
@pytest.mark.parametrize(
    ("limit", "of_policy", "used", "stop"),
    [
        (1000, None, 953, StopReason.CONTEXT_LIMIT),
        (1000, None, 952, StopReason.ANSWERED),
        (None, 1000, 953, StopReason.CONTEXT_LIMIT),
        (None, 1000, 952, StopReason.ANSWERED),
        (1000, 5000, 953, StopReason.CONTEXT_LIMIT),
        (5000, 1000, 953, StopReason.CONTEXT_LIMIT),
        (None, None, 1_000_000, StopReason.ANSWERED),
    ],
)
def test_the_smaller_of_both_context_limits_counts(limit, of_policy, used, stop):
    lines = Reply(zoom(0.5, 0.5, 1, 1), context_tokens=used), answer("teal")
    policy = Scripted(*lines, budget=PixelBudget(), context_tokens=of_policy)
    episode = run(policy, Limits(context_tokens=limit))
    assert episode.stop is stop
    assert episode.limits == Limits(context_tokens=limit)  # what was asked for, not what the policy can take
    assert episode.num_zooms == (stop is StopReason.ANSWERED)
    assert len(policy.heard) == (2 if stop is StopReason.ANSWERED else 1)


def stepped(*lines, steps, **options):
    """A run of these lines after so many steps, and what each returned."""
    options.setdefault("picture", picture())
    run = EpisodeRun(TASK, Scripted(*lines), Limits(), **options)

    async def go():
        return [await run.step() for _ in range(steps)]

    return run, asyncio.run(go())


def test_a_run_can_be_followed_step_by_step():
    run, turns = stepped(NESTED[0], "hm", NESTED[3], steps=3)
    assert turns == run.turns == list(run.finish().turns)
    assert [turn.rect for turn in turns] == [RECTS[0], None, None]
    assert [view.size for view in run.views] == [SIZE, (200, 150)]
    assert [(frame.rect, frame.shown) for frame in run.frames] == [
        (Rect(0, 0, *SIZE), SIZE),
        (RECTS[0], (200, 150)),
    ]
    assert (run.session.stop, run.policy.closed) == (StopReason.ANSWERED, 1)


def test_a_run_holds_the_whole_conversation():
    run, _ = stepped(NESTED[0], "hm", NESTED[3], steps=3)
    assert [message.role for message in run.messages] == ["system", *["user", "assistant"] * 3]
    assert [words(m) for m in run.messages if m.role == "assistant"] == [NESTED[0], "hm", NESTED[3]]
    told = [message for messages in run.policy.heard for message in messages]
    assert [message for message in run.messages if message.role != "assistant"] == told
    assert [view for message in run.messages for view in views(message)] == run.views


def test_a_run_that_is_over_takes_no_further_step():
    run, _ = stepped(answer("teal"), "more", steps=1)
    with pytest.raises(RuntimeError, match="over"):
        asyncio.run(run.step())
    with pytest.raises(RuntimeError, match="over"):
        run.finish(StopReason.INTERRUPTED)
    assert (run.policy.lines, run.finish().answer) == (["more"], "teal")


def test_a_run_that_is_left_says_why_and_keeps_its_turns():
    run, _ = stepped(*NESTED, steps=2, seed=3)
    with pytest.raises(RuntimeError, match="not over"):
        run.finish()
    episode = run.finish(StopReason.INTERRUPTED, "the window was closed")
    assert (episode.stop, episode.error) == (StopReason.INTERRUPTED, "the window was closed")
    assert ([turn.rect for turn in episode.turns], episode.seed) == (list(RECTS[:2]), 3)
    assert (episode.answer, episode.evidence, run.policy.closed) == (None, None, 1)


def test_a_cancelled_run_can_be_finished_with_the_turns_so_far():
    class Slow(Scripted):
        async def reply(self, messages):
            if len(self.lines) == 2:
                await asyncio.Event().wait()
            return await super().reply(messages)

    run = EpisodeRun(TASK, Slow(*NESTED), Limits(), picture=picture())
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(run.play(), 0.2))
    assert run.policy.closed == 1
    episode = run.finish(StopReason.INTERRUPTED)
    assert ([turn.rect for turn in episode.turns], episode.stop) == (list(RECTS[:2]), StopReason.INTERRUPTED)
    assert run.policy.closed == 1


def test_a_run_of_a_policy_that_fails_returns_no_turn():
    run, turns = stepped(NESTED[0], PolicyError("gone"), steps=2)
    assert (turns[1], run.session.stop, run.finish().error) == (None, StopReason.POLICY_ERROR, "gone")


def test_an_unknown_dialect_is_a_user_error_before_the_policy_is_asked():
    policy = Scripted(answer("x"))
    policy.profile = replace(policy.profile, dialect="klingon")
    with pytest.raises(UserError, match="no such dialect"):
        run(policy)
    assert policy.requests == []


def test_the_policy_is_never_told_the_answer():
    policy = Scripted(answer("blue"))
    episode = run(policy, seed=11)
    (request,) = policy.requests
    assert (request.task_id, request.question, request.size, request.seed) == (
        TASK.id,
        TASK.question,
        SIZE,
        11,
    )
    assert "teal" not in repr(request)
    assert "teal" not in "".join(words(message) for messages in policy.heard for message in messages)
    assert (episode.answer, episode.expected) == ("blue", "teal")


def test_a_question_cannot_conjure_up_a_view():
    for profile in ("search", "nano"):
        policy = Scripted(answer("teal"), profile=profile)
        run(policy, task=SearchTask("sky.png", "<image>"))
        _, user = policy.heard[0]
        assert len(views(user)) == 1
        assert "<image>" in words(user)


def test_the_picture_is_opened_upright_when_none_is_given(tmp_path):
    tags = Image.Exif()
    tags[0x0112] = 6
    picture().save(tmp_path / "turned.png", exif=tags)
    episode = run(
        Scripted(zoom(0, 0, 1, 0.5), answer("x")),
        task=SearchTask(str(tmp_path / "turned.png"), "?"),
        picture=None,
    )
    assert episode.size == (300, 400)
    assert episode.turns[0].rect == Rect(0, 0, 300, 200)


def test_a_picture_that_cannot_be_opened_is_a_user_error_before_the_policy_is_asked(tmp_path):
    policy = Scripted(answer("x"))
    with pytest.raises(UserError, match="no such file"):
        run(policy, task=SearchTask(str(tmp_path / "missing.png"), "?"), picture=None)
    assert (policy.requests, policy.closed) == ([], 0)


def test_tokens_are_kept_turn_by_turn():
    lines = (
        Reply(NESTED[0], prompt_ids=(1, 2, 3), token_ids=(4, 5), log_probs=(-0.5, -0.25), context_tokens=5),
        Reply("hm", prompt_ids=(6,), token_ids=(7,), log_probs=(-1.0,), context_tokens=7, learn=False),
        Reply(NESTED[3], prompt_ids=(8, 9), token_ids=(10,), log_probs=(0.0,), context_tokens=10),
    )
    episode = run(Scripted(*lines))
    assert episode.token_ids == (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    assert episode.token_mask == (0, 0, 0, 1, 1, 0, 1, 0, 0, 1)
    assert episode.token_log_probs == (0.0, 0.0, 0.0, -0.5, -0.25, 0.0, -1.0, 0.0, 0.0, 0.0)
    assert [turn.learn for turn in episode.turns] == [True, False, True]


FULL = Episode(
    task_id="0123456789ab",
    picture="bilder/写真.png",
    question='What does "<image>" say?\u2028',
    size=SIZE,
    policy="nano",
    profile="nano@0123456789ab",
    limits=Limits(turns=6, images=12, context_tokens=4096, void_retries=0),
    seed=7,
    shown=(168, 168),
    turns=(
        Turn(
            NESTED[0],
            Zoom(Region(0.5, 0.5, 1.0, 1.0), "there"),
            1,
            RECTS[0],
            (168, 168),
            (1, 2),
            (3, 4),
            (-0.5, -0.125),
            True,
            0.25,
        ),
        Turn("hm", Malformed(Fault.NO_ACTION, "Act."), learn=False),
        Turn(zoom(0, 0, 1, 1, 7, "far"), Malformed(Fault.UNKNOWN_SOURCE, "None.", thought="far")),
        Turn(answer("grün"), Answer("grün"), seconds=1.5),
    ),
    stop=StopReason.ANSWERED,
    answer="grün",
    expected="green",
    meta={"attempt": 3},
)


def through_json(episode):
    return Episode.from_dict(json.loads(json.dumps(episode.to_dict())))


def test_a_record_is_read_back_equal():
    assert through_json(FULL) == FULL
    assert FULL.to_dict()["evidence"] == [0.5, 0.5, 1.0, 1.0]
    assert (FULL.to_dict()["num_turns"], FULL.to_dict()["is_over_turn"]) == (4, False)


def test_an_action_is_recorded_as_words_and_numbers():
    rows = FULL.to_dict()["turns"]
    assert [row["action"] for row in rows] == [
        {"zoom": [0.5, 0.5, 1.0, 1.0], "source": "original_image"},
        {"malformed": "no_action", "detail": "Act."},
        {"malformed": "unknown_source", "detail": "None."},
        {"answer": "grün"},
    ]
    assert [row.get("thought") for row in rows] == ["there", None, "far", None]


def test_a_record_of_a_later_version_is_refused_with_the_remedy():
    assert Episode.from_dict({**FULL.to_dict(), "version": 1}) == FULL
    with pytest.raises(UserError, match=r"version 2: .* reads up to version 1; update"):
        Episode.from_dict({**FULL.to_dict(), "version": 2})


@pytest.mark.parametrize(
    ("lines", "limits"),
    [
        (NESTED, Limits()),
        (["hm", zoom(0, 0, 1, 1), zoom(0, 0, 1, 1)], Limits(turns=3)),
        (["hm"], Limits(void_retries=0)),
        ([PolicyError("gone")], Limits(images=3, context_tokens=99)),
        ([Reply(NESTED[3], prompt_ids=(1,), token_ids=(2, 3), log_probs=(-0.1, -0.2))], Limits()),
    ],
)
def test_what_was_run_is_read_back_as_it_was_written(lines, limits):
    written = run(Scripted(*lines), limits).to_dict()
    again = Episode.from_dict(json.loads(json.dumps(written)))
    assert again.to_dict() == written
    assert Episode.from_dict(again.to_dict()) == again


@pytest.mark.parametrize(
    "break_it",
    [
        lambda data: data.pop("turns"),
        lambda data: data.update(stop="bored"),
        lambda data: data.update(size=[400]),
        lambda data: data.update(limits={"rounds": 3}),
        lambda data: data.update(turns=[{"text": "hm"}]),
        lambda data: data["turns"][0]["action"].update(source="observation_01"),
        lambda data: data["turns"][0]["action"].update(source="elsewhere"),
        lambda data: data["turns"][0]["action"].update(zoom=[0, 0, 2, 2]),
        lambda data: data["turns"][1]["action"].update(malformed="tired"),
    ],
)
def test_what_is_no_record_is_refused(break_it):
    data = FULL.to_dict()
    break_it(data)
    with pytest.raises((KeyError, TypeError, ValueError)):
        Episode.from_dict(data)


def without_clock(episode):
    data = episode.to_dict()
    return {**data, "turns": [{**turn, "seconds": 0} for turn in data["turns"]]}


def test_a_replay_gives_the_same_episode_again():
    first = run(Replay({TASK.id: list(NESTED)}, budget=NATIVE))
    second = run(Replay({"*": [turn.text for turn in first.turns]}, budget=NATIVE))
    assert first.stop is StopReason.ANSWERED
    assert without_clock(second) == without_clock(first)


def test_a_replay_that_ends_early_is_a_policy_error():
    episode = run(Replay({TASK.id: [NESTED[0]]}, budget=NATIVE))
    assert (episode.stop, episode.error) == (StopReason.POLICY_ERROR, "the recording ends here")
    assert [turn.rect for turn in episode.turns] == [RECTS[0]]


def test_a_replay_without_a_script_for_the_task_is_a_policy_error():
    assert run(Replay({"another": list(NESTED)}, budget=NATIVE)).stop is StopReason.POLICY_ERROR


@pytest.mark.parametrize("text", ["teal", "two\nlines", "grün 写真", "a\u2028b\u2029c\x85d"])
def test_a_written_episode_can_be_replayed(tmp_path, text):
    path = tmp_path / "episodes.jsonl"
    first = run(Scripted(NESTED[0], answer(text)))
    append_jsonl(path, first.to_dict())
    again = run(Replay.read(str(path), budget=NATIVE))
    assert (again.stop, again.answer) == (StopReason.ANSWERED, text)


def test_many_episodes_run_at_the_same_time_and_do_not_mix():
    async def all_of_them():
        runs = [
            run_episode(TASK, Scripted(zoom(0, 0, n / 10, 1), answer(str(n))), Limits(), picture=picture())
            for n in range(1, 9)
        ]
        return await asyncio.gather(*runs)

    episodes = asyncio.run(all_of_them())
    assert [episode.answer for episode in episodes] == [str(n) for n in range(1, 9)]
    assert [episode.turns[0].rect for episode in episodes] == [Rect(0, 0, 40 * n, 300) for n in range(1, 9)]
