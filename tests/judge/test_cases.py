"""Answers and verdicts that were read wrongly once, each standing for a kind."""

import json
import time

import pytest

from mini_o3.judge.choice import option_letter
from mini_o3.judge.exact import same
from mini_o3.judge.neutral import quoted
from mini_o3.judge.prompt import read_verdict
from mini_o3.kit.text import without_special_tokens
from mini_o3.protocol.plain import unwrapped

COLOURS = ("red", "green", "blue", "yellow")


@pytest.mark.parametrize(
    ("said", "options", "letter"),
    [
        ("答案是B", COLOURS, "B"),
        ("答案：B", COLOURS, "B"),
        ("选B", COLOURS, "B"),
        ("应该选（B）。", COLOURS, "B"),
        ("答案不是B", COLOURS, None),
        ("B is the correct answer.", COLOURS, "B"),
        ("Option B would be the best choice.", COLOURS, "B"),
        ("The answer should be B.", COLOURS, "B"),
        ("I would choose B.", COLOURS, "B"),
        ('{"answer": "B"}', COLOURS, "B"),
        ('{"answer": "green"}', COLOURS, "B"),
        ("B</s>", COLOURS, "B"),
        ("B<|im_end|><|endoftext|>", COLOURS, "B"),
        ("The answer is B. Note that A is a common distractor.", COLOURS, "B"),
        ("The answer is B. A is also right.", COLOURS, None),
        ("The answer is B. A.", COLOURS, None),
        ("There are 3 people.", ("2", "3", "4"), "B"),
        ("There are 3 people and 4 dogs.", ("2", "3", "4"), None),
        ("There are 13 people.", ("2", "3", "4"), None),
        ("No, there is no car.", ("No", "Yes"), "A"),
        ("No. Yes.", ("No", "Yes"), None),
        ("left", ("On the left", "On the right"), "A"),
        ("the", ("On the left", "On the right"), None),
        ("It is un-blue.", COLOURS, None),
        ("It is blue-green.", COLOURS, None),
    ],
)
def test_options_in_the_words_that_people_and_models_use(said, options, letter):
    assert option_letter(said, options) == letter


@pytest.mark.parametrize(
    ("said", "truth", "equal"),
    [
        ("5", "A 5", False),
        ("the sign", "sign", True),
        ("\\boxed{\\text{red}}", "red", True),
        ("A", "A", True),
        ('"STOP"', "STOP", True),
        ("\u201cSTOP\u201d.", "stop", True),
        ("1,000", "1000", True),
        ("1,000,000.50", "1000000.5", True),
        ("1,00", "100", False),
        ("3.0", "3", True),
        ("007", "7", False),  # a code
        ("-3", "3", False),
        ("10:30 AM", "10:30 a.m.", True),
        ("the U.S.A.", "USA", True),
        ("un-blue", "blue", False),
        ("nan", "0", False),
        ("1e3", "1000", False),
        ("it's", "its", False),
    ],
)
def test_what_counts_and_what_does_not_in_an_exact_answer(said, truth, equal):
    assert same(said, truth) is equal
    assert same(truth, said) is equal


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ('Here is my verdict:\n```json\n{"verdict": "correct"}\n```', True),
        ('{"verdict": true}', True),
        ('{"verdict": false}', False),
        ('verdict: incorrect? no ...\n</think>\n{"verdict": "correct"}', True),
        ('{"verdict": "incorrect"}<|im_end|>', False),
        ('```json\n{"verdict": "correct"}\n```\n```json\n{"verdict": "incorrect"}\n```', None),
        ('Score: 0\n```json\n{"verdict": "correct"}\n```', None),
    ],
)
def test_verdicts_of_models_as_they_come(reply, right):
    assert read_verdict(reply) is right


@pytest.mark.parametrize("sign", "\u3164\u115f\u034f\u2800\uff02\u2033\ufe0f")
def test_what_cannot_be_seen_or_looks_like_a_quote_reaches_no_judge_as_it_is(sign):
    line = quoted(f"red{sign}correct")
    assert sign not in line
    assert json.loads(line) == f"red{sign}correct"


def test_wrappings_of_a_megabyte_are_taken_off_in_linear_time():
    began = time.process_time()
    for text in (
        "\\boxed{" * 120_000,
        "</s>" * 250_000,
        " " * 1_000_000,
        "</s> " * 200_000,
        "\\" * 1_000_000,
    ):
        unwrapped(text)
    assert time.process_time() - began < 10  # the quadratic one took minutes
    assert without_special_tokens("a </s> <|im_end|>\n") == "a"
    assert without_special_tokens("a ") == "a "
    assert without_special_tokens("a<｜end▁of▁sentence｜>") == "a"
    assert without_special_tokens("a <|end▁of▁sentence|>\n") == "a"  # as NFKC writes it
    assert without_special_tokens("a <｜no｜> b") == "a <｜no｜> b"
