"""Which option an answer names: the ladder, rung by rung, and that it never guesses."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_o3.judge.choice import mme_letter, option_letter, truth_letter

OPTIONS = ("green", "dark red", "red", "The feature is not present")


@pytest.mark.parametrize(
    ("said", "letter"),
    [
        # nothing but a letter
        ("B", "B"),
        ("b", "B"),
        ("(B)", "B"),
        ("B.", "B"),
        ("B)", "B"),
        ("[B]", "B"),
        ("**B**", "B"),
        ("**B.**", "B"),
        ("\\boxed{B}", "B"),
        ("$\\boxed{\\text{B}}$", "B"),
        ("  B \n", "B"),
        ("Answer: B", "B"),
        ("option (b)", "B"),
        ("（Ｂ）", "B"),
        ("'C'", "C"),
        ("E", None),
        ("(Z)", None),
        ("7", None),
        # the text of an option
        ("dark red", "B"),
        ("Dark red.", "B"),
        ("red", "C"),
        ("The feature is not present.", "D"),
        ("blue", None),
        ("B. dark red", "B"),
        ("B dark red", "B"),
        ("(B) dark red", "B"),
        ("B.dark red", "B"),
        ("b: dark red", "B"),
        ("D. The feature is not present", "D"),
        ("**B** - dark red", "B"),
        ("\\boxed{B. dark red}", "B"),
        # a letter at the beginning
        ("B. It is quite dark.", "B"),
        ("(B) because it is dark", "B"),
        ("B: dark", "B"),
        ("B) crimson\nas one sees", "B"),
        ("A red car", "C"),
        ("A blue car", None),
        ("A. Or is it B?", None),
        ("A.M.", None),
        ("C is it", None),
        ("B. The door of house A.", None),
        ("B. That is not it", None),
        ("Because", None),
        ("Dark", None),
        # said to be the answer
        ("The answer is B", "B"),
        ("The correct answer is (B).", "B"),
        ("I think the answer is **B**, as it is dark", "B"),
        ("The answer is \\boxed{B}", "B"),
        ("It is dark. Answer: B", "B"),
        ("the best option is C!", "C"),
        ("So option B\nis it", "B"),
        ("the answer is a dark thing", None),
        ("The answer is A dark thing", None),
        ("the answer is A and B", None),
        ("The answer is B. No, the answer is C", None),
        ("The answer is E", None),
        ("Option A is green, option B is dark", None),
        ("The answer is not B", None),
        ("answer is B, C", None),
        # marked anywhere
        ("It must be (B), clearly", "B"),
        ("crimson [B]", "B"),
        ("(A) and (B)", None),
        ("neither (A)", None),
        ("(E)", None),
        # mentioned
        ("The door is dark red in this view", "B"),
        ("it looks red to me", "C"),
        ("reddish", None),
        ("It is green", "A"),
        ("green and red", None),
        ("red, dark red", None),
        ("dark red and red", None),
        ("dark red, dark red", "B"),
        ("it is not red", None),
        ("red rather than green", None),
        ("C, it is green", None),
        ("it's dark\nred", "B"),
    ],
)
def test_the_ladder(said, letter):
    assert option_letter(said, OPTIONS) == letter


@pytest.mark.parametrize(
    ("said", "options", "letter"),
    [
        ("2", ("3", "2"), "B"),
        ("two", ("3", "2"), "B"),
        ("Score: 1", ("1", "2"), None),  # one digit somewhere proves nothing
        ("There are 12 of them", ("11", "12"), "B"),
        ("27B", ("27B", "37B"), "A"),
        ("B", ("B", "A"), "B"),  # signs that show letters: the letter of the option counts
        ("A. B", ("B", "A"), "A"),
        ("$5", ("$5", "$6"), "A"),
        ("light dark red", ("light dark", "dark red"), None),
        ("same", ("same", "same"), None),
        ("No", ("Yes", "No"), "B"),
        ("B", (), None),
        ("", ("", "x"), None),
        ("the left of the car", ("the left of the car", "the right of the car"), "A"),
        ("It is on the right of the car", ("the left of the car", "the right of the car"), "B"),
    ],
)
def test_options_of_other_kinds(said, options, letter):
    assert option_letter(said, options) == letter


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=60))
def test_an_answer_that_holds_neither_letter_nor_text_never_names_the_option(said):
    plain = unicodedata.normalize("NFKC", said).lower()
    if "b" not in plain and "dark" not in plain:
        assert option_letter(said, OPTIONS) != "B"


_JUNK = st.sampled_from(
    [
        "Score: 1",
        "correct",
        "the answer is",
        "option",
        "(",
        ")",
        ".",
        ":",
        "**",
        "\n",
        "because",
        "<answer>",
        "x",
    ]
)
_PIECES = st.lists(
    st.one_of(_JUNK, st.sampled_from(["(A)", "A.", "answer is A", "[A]", "C", "(C)", "green", "option C"])),
    max_size=8,
)


@given(_PIECES, _PIECES)
def test_with_another_letter_on_either_side_the_right_one_does_not_count(before, after):
    """Unless it stands alone: then it is the answer."""
    others = {"(A)", "A.", "answer is A", "[A]", "C", "(C)", "option C"}
    if others & {*before, *after}:
        assert option_letter(" ".join([*before, "(B)", *after]), OPTIONS) != "B"


@given(st.lists(_JUNK.filter(lambda piece: piece not in ("<answer>", "x")), max_size=8))
def test_junk_alone_names_nothing(pieces):
    assert option_letter(" ".join(pieces), OPTIONS) is None


@pytest.mark.parametrize(
    ("said", "letter"),
    [
        ("A car", "A"),
        ("The best answer is B", "B"),
        ("Best answer: C", "B"),
        ("E", "E"),
        ("(C) red", "C"),
        ("dark", "B"),
        ("DARK", "D"),
        ("present", "D"),
        ("re", "A"),
        ("blue", None),
        ("it is one of those that are listed in the question", None),
        ("the thing in the middle of the street by the old house is dark", None),
        ("ABCDE", "A"),
    ],
)
def test_the_published_scorer_of_mme_realworld_quirks_included(said, letter):
    assert mme_letter(said, OPTIONS) == letter


@pytest.mark.parametrize(
    ("expected", "letter"),
    [("B", "B"), ("(b)", "B"), ("B.", "B"), ("Dark red", "B"), ("E", None), ("", None), ("blue", None)],
)
def test_a_task_gives_the_right_option_by_letter_or_text(expected, letter):
    assert truth_letter(expected, OPTIONS) == letter


@pytest.mark.parametrize(
    ("options", "said", "letter"),
    [
        (("K", "M"), "K", "A"),
        (("K", "M"), "M.", "B"),
        (("K", "M"), "Answer: (m)", "B"),
        (("x", "y"), "x", "A"),
        (("F", "M"), "F", "A"),
        (("C", "C++"), "C", "A"),
        (("C", "C++"), "C++", "B"),
        (("K", "M"), "B", "B"),  # a known letter comes first
        (("K", "M"), "L", None),
        (("K", "k"), "K", None),
    ],
)
def test_options_of_one_letter_are_read_by_their_text_where_no_option_has_that_letter(options, said, letter):
    assert option_letter(said, options) == letter
