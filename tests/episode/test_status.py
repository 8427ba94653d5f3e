"""What came of a search, in one word."""

import pytest

from mini_o3.episode import NOT_THERE, OVER_TURN, Status, StopReason
from mini_o3.episode.status import status_of


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (NOT_THERE, Status.NOT_FOUND),
        ("Not found.", Status.NOT_FOUND),
        ("It is not visible", Status.NOT_FOUND),
        ("There is none", Status.NOT_FOUND),
        ("It is not in the picture.", Status.NOT_FOUND),
        ("No such thing", Status.NOT_FOUND),
        ("I cannot tell", Status.GAVE_UP),
        ("It can\u2019t be determined.", Status.GAVE_UP),
        ("I don't know", Status.GAVE_UP),
        ("unknown", Status.GAVE_UP),
        ("none", Status.ANSWERED),  # of a count, say
        ("no", Status.ANSWERED),
        ("NOT FOUND is written on the screen", Status.ANSWERED),
        ("red", Status.ANSWERED),
    ],
)
def test_an_answer_that_says_just_that_is_not_found_or_given_up(answer, status):
    assert status_of(StopReason.ANSWERED, answer) is status


def test_every_ending_has_a_status():
    for stop in StopReason:
        expected = Status.STOPPED if stop in OVER_TURN else Status.FAILED
        assert status_of(stop, None) is expected
