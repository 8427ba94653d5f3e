"""The environment: numbers, rectangles and the order in which limits are checked."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_o3.episode import Corrected, Limits, Observed, Session, Stopped, StopReason
from mini_o3.protocol import VOID_FAULTS, Answer, Fault, Malformed, Zoom
from mini_o3.vision import Rect, Region

SIZE = (400, 300)
ANSWER, VOID, BAD = Answer("red"), Malformed(Fault.NO_ACTION, "Act."), Malformed(Fault.BAD_JSON, "Mend it.")


def zoom(x0=0.5, y0=0.5, x1=1.0, y1=1.0, frame=0):
    return Zoom(Region(x0, y0, x1, y1, frame))


NOWHERE = zoom(frame=7)


def play(session, *actions, context=0):
    return [session.apply(action, context) for action in actions]


def reasons(limits, *actions, context=0, tokens=0):
    session = Session(SIZE, limits, lambda rect: tokens)
    play(session, *actions, context=context)
    return session.stop


boxes = st.one_of(
    st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(1, 100), st.integers(1, 100)).map(
        lambda t: (t[0] / 100, t[1] / 100, min(t[0] + t[2], 100) / 100, min(t[1] + t[3], 100) / 100)
    ),
    st.sampled_from(
        [(0, 0, 1, 1), (0, 0, 1e-9, 1e-9), (0.999999, 0.5, 1, 1), (0, 0, 1, 0.001), (0.5, 0, 0.5000001, 1)]
    ),
)
zooms = st.builds(
    lambda box, frame: zoom(*box, frame), boxes, st.one_of(st.integers(0, 12), st.sampled_from([99, 9999]))
)
faults = st.sampled_from([*Fault]).map(lambda kind: Malformed(kind, "No."))
actions = st.one_of(zooms, zooms, zooms, faults, st.just(ANSWER))
limits = st.builds(
    Limits,
    turns=st.integers(1, 12),
    images=st.none() | st.integers(1, 6),
    context_tokens=st.none() | st.integers(1, 4000),
    void_retries=st.integers(0, 3),
)
sizes = st.tuples(st.integers(28, 8000), st.integers(28, 8000))


@settings(max_examples=150)
@given(sizes, limits, st.lists(st.tuples(actions, st.integers(0, 4000)), min_size=12, max_size=14))
def test_any_sequence_of_actions_keeps_the_books(size, limits, sequence):
    session = Session(size, limits, lambda rect: rect.width * rect.height // 784)
    outcomes = []
    for action, context in sequence:
        if session.stop is not None:
            before = (session.turns, list(session.rects), session.stop, session.answer)
            with pytest.raises(RuntimeError):
                session.apply(action, context)
            assert (session.turns, session.rects, session.stop, session.answer) == before
            continue
        known = len(session.rects)
        outcome = session.apply(action, context)
        outcomes.append(outcome)
        if isinstance(outcome, Observed):
            assert isinstance(action, Zoom)
            assert (outcome.number, session.rects[outcome.number]) == (known, outcome.rect)
            parent, rect = session.rects[outcome.source], outcome.rect
            assert outcome.source == action.region.frame < outcome.number
            assert parent.left <= rect.left < rect.right <= parent.right <= size[0]
            assert parent.top <= rect.top < rect.bottom <= parent.bottom <= size[1]
        assert len(session.rects) == known + isinstance(outcome, Observed)
        assert (session.stop is not None) == isinstance(outcome, Stopped)
        assert session.turns == len(outcomes) <= limits.turns
        assert limits.images is None or len(session.rects) <= limits.images
    stops = [outcome for outcome in outcomes if isinstance(outcome, Stopped)]
    assert [outcome.reason for outcome in stops] == [
        session.stop
    ]  # twelve turns or more: everything has ended
    assert outcomes[-1] is stops[0]
    assert session.rects[0] == (0, 0, *size)
    assert (session.answer is not None) == (session.stop is StopReason.ANSWERED)


@pytest.mark.parametrize(
    ("limits", "action", "reason"),
    [
        (Limits(turns=1), ANSWER, StopReason.ANSWERED),
        (Limits(turns=1, images=1, context_tokens=1, void_retries=0), ANSWER, StopReason.ANSWERED),
        (Limits(turns=1, void_retries=0), VOID, StopReason.VOID),
        (Limits(turns=1, void_retries=1), VOID, StopReason.TURN_LIMIT),
        (Limits(turns=1, void_retries=0), BAD, StopReason.TURN_LIMIT),
        (Limits(turns=1, void_retries=0), NOWHERE, StopReason.TURN_LIMIT),
        (Limits(turns=1), zoom(), StopReason.TURN_LIMIT),
        (Limits(turns=1, images=1, context_tokens=1), zoom(), StopReason.TURN_LIMIT),
        (Limits(turns=2, images=1, context_tokens=1), zoom(), StopReason.IMAGE_LIMIT),
        (Limits(turns=2, images=2, context_tokens=1), zoom(), StopReason.CONTEXT_LIMIT),
        (Limits(turns=2, images=2, context_tokens=100), zoom(), None),
        (Limits(turns=2, images=1, context_tokens=51), NOWHERE, None),  # nothing wanted that could be shown
        (Limits(turns=2, images=1, context_tokens=51), BAD, None),
        (Limits(turns=2, images=1, context_tokens=51, void_retries=1), VOID, None),
        (Limits(turns=2, images=1, context_tokens=50), NOWHERE, StopReason.CONTEXT_LIMIT),  # full
        (Limits(turns=2, images=1, context_tokens=50), BAD, StopReason.CONTEXT_LIMIT),
        (Limits(turns=2, images=1, context_tokens=50, void_retries=1), VOID, StopReason.CONTEXT_LIMIT),
        (Limits(turns=2, images=1, context_tokens=50, void_retries=0), VOID, StopReason.VOID),
    ],
)
def test_limits_are_checked_in_the_written_order(limits, action, reason):
    assert reasons(limits, action, context=50, tokens=10) is reason


def test_an_answer_in_the_last_turn_wins():
    session = Session(SIZE, Limits(turns=3))
    outcomes = play(session, zoom(), BAD, Answer("blue"))
    assert outcomes[-1] == Stopped(StopReason.ANSWERED)
    assert (session.answer, session.turns) == ("blue", 3)


@pytest.mark.parametrize("turns", [1, 2, 6])
def test_with_t_turns_one_zoom_less_is_shown(turns):
    session = Session(SIZE, Limits(turns=turns))
    outcomes = play(session, *[zoom()] * turns)
    assert [type(outcome) for outcome in outcomes] == [Observed] * (turns - 1) + [Stopped]
    assert outcomes[-1] == Stopped(StopReason.TURN_LIMIT)
    assert len(session.rects) == turns


@pytest.mark.parametrize("images", [1, 2, 5])
def test_the_first_view_counts_as_an_image(images):
    session = Session(SIZE, Limits(images=images))
    outcomes = play(session, *[zoom()] * images)
    assert [type(outcome) for outcome in outcomes] == [Observed] * (images - 1) + [Stopped]
    assert outcomes[-1] == Stopped(StopReason.IMAGE_LIMIT)


@pytest.mark.parametrize(("context", "reason"), [(0, None), (952, None), (953, StopReason.CONTEXT_LIMIT)])
def test_a_view_has_to_fit_into_the_context(context, reason):
    asked = []
    session = Session(SIZE, Limits(context_tokens=1000), lambda rect: asked.append(rect) or 48)
    session.apply(zoom(), context)
    assert session.stop is reason
    assert asked == [Rect(200, 150, 400, 300)]


@pytest.mark.parametrize("kind", [*Fault])
def test_only_a_turn_without_any_action_is_void(kind):
    assert (reasons(Limits(void_retries=0), Malformed(kind, "No.")) is StopReason.VOID) == (
        kind in VOID_FAULTS
    )
    assert {fault.value for fault in VOID_FAULTS} == {"no_action", "unfinished"}


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_void_turns_are_corrected_so_often_and_then_end_it(retries):
    session = Session(SIZE, Limits(void_retries=retries))
    outcomes = play(session, *[VOID] * retries, zoom(), BAD, NOWHERE, VOID)
    assert outcomes[:retries] == [Corrected(VOID)] * retries
    assert outcomes[-1] == Stopped(StopReason.VOID, VOID)


def test_a_turn_limit_keeps_what_was_wrong_with_the_last_turn():
    assert Session(SIZE, Limits(turns=1)).apply(BAD) == Stopped(StopReason.TURN_LIMIT, BAD)
    assert Session(SIZE, Limits(turns=1)).apply(zoom()) == Stopped(StopReason.TURN_LIMIT, None)


def test_numbers_count_observations_and_not_turns():
    session = Session(SIZE, Limits())
    first, error, second = play(session, zoom(0.5, 0.5, 1, 1), BAD, zoom(0, 0, 0.5, 0.5))
    assert first == Observed(1, Rect(200, 150, 400, 300), 0)
    assert error == Corrected(BAD)
    assert second == Observed(2, Rect(0, 0, 200, 150), 0)
    inner, other = play(session, zoom(0.5, 0, 1, 1, 1), zoom(0, 0.5, 1, 1, 2))
    assert inner == Observed(3, Rect(300, 150, 400, 300), 1)
    assert other == Observed(4, Rect(0, 75, 200, 150), 2)


def test_an_observation_can_be_used_only_once_it_is_there():
    session = Session(SIZE, Limits())
    early, _, late = play(session, zoom(frame=1), zoom(), zoom(frame=1))
    assert isinstance(early, Corrected)
    assert early.malformed == Malformed(
        Fault.UNKNOWN_SOURCE, "There is no observation_1; the last sources are original_image."
    )
    assert late == Observed(2, Rect(300, 225, 400, 300), 1)


def test_an_unknown_source_names_the_last_eight():
    session = Session(SIZE, Limits())
    play(session, *[zoom()] * 10)
    outcome = session.apply(zoom(frame=11))
    assert outcome.malformed.kind is Fault.UNKNOWN_SOURCE
    names = ", ".join(f"observation_{number}" for number in range(3, 11))
    assert outcome.malformed.detail == f"There is no observation_11; the last sources are {names}."


@pytest.mark.parametrize(
    ("size", "box", "sides"),
    [
        ((400, 300), (0.5, 0, 0.501, 1), "1 x 300"),
        ((400, 300), (0, 0.5, 1, 0.5001), "400 x 1"),
        ((4000, 3000), (0, 0.5, 1, 0.506666), "4000 x 20"),  # exactly 200 times
    ],
)
def test_a_box_that_is_too_thin_is_corrected(size, box, sides):
    session = Session(size, Limits())
    outcome = session.apply(zoom(*box))
    assert isinstance(outcome, Corrected)
    assert outcome.malformed.kind is Fault.TOO_THIN
    assert f"The box is {sides} pixels" in outcome.malformed.detail
    assert len(session.rects) == 1


def test_a_box_just_wide_enough_is_shown():
    outcome = Session((4000, 3000), Limits()).apply(zoom(0, 0.5, 1, 0.507))
    assert outcome == Observed(1, Rect(0, 1500, 4000, 1521), 0)


def test_a_single_pixel_can_be_looked_at_again():
    session = Session(SIZE, Limits())
    tiny = zoom(0.5, 0.5, 0.500001, 0.500001)
    play(session, tiny, zoom(0, 0, 1, 1, 1), zoom(0.9, 0.9, 1, 1, 2))
    assert session.rects[1:] == [Rect(200, 150, 201, 151)] * 3


@pytest.mark.parametrize("action", [ANSWER, zoom(), BAD, VOID])
def test_after_the_end_nothing_more_is_accepted(action):
    session = Session(SIZE, Limits())
    session.apply(ANSWER)
    with pytest.raises(RuntimeError, match="the episode is over"):
        session.apply(action)
    assert (session.stop, session.answer, session.turns) == (StopReason.ANSWERED, "red", 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"turns": 0}, "turns must be 1 or more, got 0"),
        ({"images": 0}, "images must be 1 or more"),
        ({"context_tokens": 0}, "context_tokens must be 1 or more, got 0"),
        ({"void_retries": -1}, "void_retries must be 0 or more, got -1"),
    ],
)
def test_limits_that_allow_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Limits(**options)
