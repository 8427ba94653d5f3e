"""What policies are asked for a phrase, and which answers mean that it is there."""

import pytest

from mini_o3 import UserError
from mini_o3.episode import Episode, Limits, StopReason
from mini_o3.finding.query import query_for


def status(query, answer):
    episode = Episode(
        *("1", "a.png", query.question, (100, 100), "p", "q", Limits(), 0, (100, 100), ()),
        stop=StopReason.ANSWERED,
        answer=answer,
    )
    return query.status_of(episode)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("red star with a 7", "What digit is on the red star?"),
        ("the Red Star", "What digit is on the red star?"),
        ("red thing with the digit 7", "What shape is the red thing with the digit 7?"),
        ("star", "What colour is the star?"),
        ("What digit is on the red star?", "What digit is on the red star?"),
    ],
)
def test_nano_is_asked_in_words_that_it_knows(text, question):
    assert query_for(text, "nano").question == question
    assert query_for(text, "hf:model", "nano").question == question


def test_only_the_wanted_digit_is_a_hit_of_nano():
    query = query_for("red star with a 7", "nano")
    assert [status(query, said) for said in ("7", "8", "heart", "not there")] == [
        *("found", "not_found", "not_found", "not_found")
    ]
    assert status(query_for("red star", "nano"), "8") == "found"


@pytest.mark.parametrize("text", ["my keys", "star with a 7", "thing", "red", "brown star", "What is this?"])
def test_what_nano_does_not_know_is_refused(text):
    with pytest.raises(UserError, match="nano only knows the things of probes"):
        query_for(text, "nano")


def test_other_policies_are_told_what_to_say_if_it_is_not_there():
    for text in ("my keys", "Is there a person?"):
        question = query_for(text, "api:m", "search").question
        assert text in question
        assert question.endswith("answer exactly: not there")
    assert query_for("EXIT", "reader").question == "Where is EXIT?"
    assert query_for("What is the price?", "reader").question == "What is the price?"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("a red key on the table", "found"),
        ("Yes, next to the door.", "found"),
        ("No parking", "found"),
        ("There is a key on the left", "found"),
        ("nobody's coat", "found"),
        ("not there", "not_found"),
        ("No.", "not_found"),
        ("No, I see only a table.", "not_found"),
        ("There is no key in this room", "not_found"),
        ("I don\u2019t see any keys", "not_found"),
        ("The key is not in the picture.", "not_found"),
        ("none", "not_found"),
        ("I cannot tell", "gave_up"),
    ],
)
def test_answers_that_deny_it(answer, expected):
    assert status(query_for("my keys", "api:m"), answer) == expected


@pytest.mark.parametrize("text", ["", "  ", "x" * 1001])
def test_no_query_and_a_novel_are_refused(text):
    with pytest.raises(UserError, match="query: "):
        query_for(text, "api:m")
