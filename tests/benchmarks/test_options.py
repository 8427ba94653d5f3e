"""Multiple choice in all the ways benchmarks write it comes out as question, options and letter."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_o3.benchmarks.options import (
    letter_of,
    literal,
    plain_options,
    read_options,
    settle,
    split_question,
    strip_orders,
)
from mini_o3.benchmarks.rows import BadRow
from mini_o3.episode.task import LETTERS

ORDERS = [
    "\nAnswer with the option's letter from the given choices directly.",
    "\nAnswer the option letter directly.",
    "\nAnswer with the correct option's letter directly. ",
    "\nPlease select the correct answer from the options above. \n",
    (
        "\nSelect the best answer to the above multiple-choice question based on the image. Respond with only"
        " the letter (A, B, C, D, or E) of the correct option. \nThe best answer is:"
    ),
    " The choices are listed below:\n",
    "\nOptions:",
    (
        "\nThink first, call **image_zoom_in_tool** if needed, then answer. Format strictly as:"
        " <think>...</think> <answer>"
    ),
]

WORDS = st.text(string.ascii_letters + string.digits + " ,'-", min_size=1, max_size=40).filter(
    lambda text: text.strip()
)
ANY = st.text(max_size=80)


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_to_the_model_goes_and_the_question_stays(order):
    assert strip_orders("What is on the sign?" + order) == "What is on the sign?"
    assert strip_orders("<image>\nQuestion: What is on the sign?" + order) == "What is on the sign?"


@pytest.mark.parametrize(
    "question",
    [
        "Which letter is on the option's sign?",
        "Answer me: what letter is painted on the wall?",
        "Select the dog that is the best answer to boredom.",
        "What are the options on the menu?",
        "The best answer is written where?",
        "Answer with the option's letter from the given choices directly.",  # nothing else is left
    ],
)
def test_a_question_that_speaks_of_letters_or_options_stays(question):
    assert strip_orders(question) == question


def test_a_question_of_vstar_falls_into_its_parts():
    text = "What is the material of the glove?\n(A) rubber\n(B) cotton\n(C) kevlar\n(D) leather" + ORDERS[0]
    parts = ("What is the material of the glove?", ("rubber", "cotton", "kevlar", "leather"))
    assert split_question(text) == parts
    assert settle(text, (), "(b)") == (parts[0], "B", parts[1])


def test_a_question_about_the_letters_of_a_plan_keeps_its_first_list():
    text = "A. Smith stands at door A.\nB. Jones at B.\nWho is nearer?\nA. Smith\nB. Jones"
    assert split_question(text) == (
        "A. Smith stands at door A.\nB. Jones at B.\nWho is nearer?",
        ("Smith", "Jones"),
    )


@pytest.mark.parametrize(
    "text",
    ["Which is it?\n(A) only one", "Which?\n(A) one\n(C) three", "Which?\n(A) \n(B) two", "(A) a\n(B) b"],
)
def test_half_a_block_of_options_is_part_of_the_question(text):
    assert split_question(text) == (text, ())


def test_options_in_every_form():
    plain = ("27", "37", "41")
    assert read_options("A.27\nB.37\nC.41") == plain
    assert read_options("A. 27\nB. 37\nC. 41\n") == plain
    assert plain_options(read_options("['(A) 27', '(B) 37', '(C) 41']")) == plain
    assert read_options({"A": 27, "b": 37, "C": 41, "D": None}) == plain
    assert plain_options(["(A) 27", "(B) 37", "41"]) == plain
    assert plain_options(["A. Smith", "Jones"]) == ("A. Smith", "Jones")  # a name, not a letter
    assert plain_options(["（A） 是", "（B） 否"]) == ("是", "否")


@pytest.mark.parametrize("bad", [3, "neither", {"A": "x", "C": "y"}, "['a', "])
def test_options_of_no_form_are_refused(bad):
    with pytest.raises(BadRow, match=r"options|list in a string"):
        read_options(bad)


@pytest.mark.parametrize(
    ("options", "why"),
    [(["one"], "has 1 option;"), ([], "has 0 options"), (["x"] * 27, "has 27"), (["x", " "], "B is empty")],
)
def test_a_wrong_number_of_options_is_refused(options, why):
    with pytest.raises(BadRow, match=why):
        plain_options(options)


@pytest.mark.parametrize(
    "answer", ["B", "b", "(B)", "B.", "（B）", "Red fox", "red fox.", "B. red fox", "(B) red fox"]
)
def test_an_answer_becomes_its_letter(answer):
    assert letter_of(answer, ["blue jay", "red fox", "grey owl"]) == "B"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("D", "out of range"),
        ("Z", "A to C"),
        ("fox", "none of the 3"),
        ("A. red fox", "none of the 3"),
        ("", "none"),
    ],
)
def test_an_answer_that_is_no_option_is_refused(answer, why):
    with pytest.raises(BadRow, match=why):
        letter_of(answer, ["blue jay", "red fox", "grey owl"])


def test_a_list_in_a_question_with_other_options_stays():
    text = "Two signs:\nA. Exit\nB. Lift\nC. Stairs"
    assert settle(text, ("left", "right"), "A") == (text, "A", ("left", "right"))
    assert settle("Which?\nA. left\nB. right", ("left", "right"), "A") == ("Which?", "A", ("left", "right"))


def test_an_open_question_keeps_a_list_that_does_not_fit_its_answer():
    text = "Which of these is largest?\nA. dog\nB. cat"
    assert settle(text, (), "horse", strict=False) == (text, "horse", ())
    with pytest.raises(BadRow, match="none of the 2"):
        settle(text, (), "horse")


def test_nothing_is_executed_to_read_a_list():
    assert literal("[1, 'two']") == [1, "two"]
    assert literal('{"a": null}') == {"a": None}
    for text in ("__import__('os').getcwd()", "[" * 100_000, "1 +", "[x for x in (1,)]"):
        with pytest.raises(BadRow):
            literal(text)


@given(
    WORDS,
    st.lists(WORDS, min_size=2, max_size=26),
    st.sampled_from([("({}) {}", 1), ("{}. {}", 0), ("{}: {}", 0)]),
    st.sampled_from(["", *ORDERS[:5]]),
)
def test_what_is_written_as_a_block_is_read_back(question, options, style, order):
    block = "\n".join(style[0].format(letter, text) for letter, text in zip(LETTERS, options, strict=False))
    found = split_question(f"What {question}?\n{block}{order}")
    assert found == (f"What {question}?", tuple(text.strip() for text in options))


@given(WORDS, st.sampled_from(ORDERS))
def test_orders_are_stripped_from_any_question_and_stripping_twice_changes_nothing(question, order):
    stripped = strip_orders(f"Is {question}?{order}")
    assert stripped == f"Is {question}?"
    assert strip_orders(stripped) == stripped


@given(ANY, st.lists(ANY, max_size=8), st.none() | ANY)
def test_whatever_a_row_says_it_is_a_task_or_a_bad_row(text, options, answer):
    try:
        question, letter, found = settle(text, options, answer)
    except BadRow:
        return
    if text.replace("<image>", "").strip():
        assert question.strip()
    if found:
        assert letter is None or LETTERS.index(letter) < len(found)
        assert all(found)


PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=8)


@given(
    st.lists(
        PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(max_size=3), PLAIN, max_size=3),
        max_size=4,
    )
)
def test_a_python_list_in_a_string_is_read_as_it_was(value):
    assert literal(repr(value)) == value


@given(ANY)
def test_any_string_is_a_list_or_a_bad_row(text):
    try:
        literal(text)
        read_options(text)
    except BadRow:
        pass
