"""Multiple choice as benchmarks write it: prefixes, suffixes, lists in strings; here it becomes question,
options, letter."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import Any

from mini_o3.benchmarks.rows import BadRow
from mini_o3.episode.task import LETTERS

_LITERAL_LIMIT = 20_000_000  # characters; the longest conversation of the cold-start set is far below
_NARROW = str.maketrans("（）［］：．，", "()[]:.,")

# `(A) text`, `A. text`, `A) text`, `A: text` at the start of a line.
_MARK = re.compile(r"^[ \t]*(?:[(（]([A-Z])[)）]|([A-Z])[.):：．、])[ \t]*", re.M)
_LETTER = re.compile(r"[(\[]?\s*([A-Za-z])\s*[)\]]?\s*[.:]?")

# Orders to the model at the end of a question, each a whole sentence (benchmarks.md, sections 1 to 5). A
# question that merely speaks of letters or options stays as it is.
_ORDERS = [
    r"(?:please\s+)?answer\s+(?:the\s+question\s+)?(?:directly\s+)?(?:with|using)\s+(?:only\s+)?the\s+(?:correct\s+)?"
    r"(?:(?:option|choice)(?:'s|’s|s')?\s+)?letter(?:\s+of\s+the\s+correct\s+(?:option|answer|choice))?"
    r"(?:\s+from\s+the\s+given\s+(?:choices|options))?(?:\s+directly|\s+only|\s+and\s+nothing\s+else)?",
    r"(?:please\s+)?answer\s+the\s+(?:option|choice)(?:'s|’s)?\s+letter\s+directly",
    r"(?:please\s+)?(?:select|choose)\s+the\s+(?:correct|best)\s+(?:answer|option)\s+from\s+the\s+(?:options|choices)\s+(?:above|below)",
    r"select\s+the\s+best\s+answer\s+to\s+the\s+above\s+multiple-choice\s+question(?:\s+based\s+on\s+the\s+image)?",
    r"respond\s+with\s+only\s+the\s+letter(?:\s*\([^)\n]*\))?\s+of\s+the\s+correct\s+(?:option|answer)",
    r"answer\s+(?:the\s+question\s+)?(?:with|using)\s+a\s+single\s+word\s+or\s+(?:short\s+)?phrase",
    r"the\s+best\s+answer\s+is",
    r"the\s+choices\s+are\s+listed\s+below",
    r"根据图像[^\n。]*最佳答案",
    r"只需?[^\n。]*正确选项的字母[^\n。]*",
    r"(?:请)?直接回答[^\n。]*选项[^\n。]*字母",
    r"最佳答案[是为]",
    r"选项(?:列举)?如下(?:所示)?",
]
_SUFFIX = re.compile(rf"(?:^|(?<=[\s.?!:。？！：)]))(?:{'|'.join(_ORDERS)})\s*[.:。：]?\s*$", re.I)
_TOOL_ORDER = re.compile(r"Think first, call \*\*image_zoom_in_tool\*\* if needed.*$", re.S)
_HEADING = re.compile(r"(?:^|\n)[ \t]*(?:options|choices)[ \t]*[:：][ \t]*$", re.I)
_LEAD = re.compile(r"^\s*question[ \t]*[:：][ \t]*(?=\S)", re.I)


def settle(
    text: str, options: Sequence[str], answer: str | None, *, strict: bool = True
) -> tuple[str, str | None, tuple[str, ...]]:
    """Question, answer and options of a row.

    Picture marks, orders to the model and an options block are taken out of `text`; the block is used if
    `options` is empty. With options the answer becomes a letter. If it is none of the options of a block, the
    question is an open one and keeps the block, unless `strict`.

    Raises:
        BadRow: there is one option, or there are more than letters; an option is empty; the answer is out of
            range.
    """
    question, block = split_question(text)
    if options and len(block) != len(options):
        question = strip_orders(text)  # a list that is part of the question
    found = tuple(options) or block
    if not found:
        return question, answer, ()
    try:
        found = plain_options(found)
        return question, None if answer is None else letter_of(answer, found), found
    except BadRow:
        if strict or options:
            raise
        return strip_orders(text), answer, ()


def split_question(text: str) -> tuple[str, tuple[str, ...]]:
    """A question and the options that stand below it, a line each; no options if there is no such block."""
    text = strip_orders(text)
    marks = list(_MARK.finditer(text))
    starts = [i for i, mark in enumerate(marks) if _letter(mark) == "A"]
    if not starts:
        return text, ()
    block = [marks[starts[-1]]]
    for mark in marks[starts[-1] + 1 :]:
        if len(block) < len(LETTERS) and _letter(mark) == LETTERS[len(block)]:
            block.append(mark)
    ends = [mark.start() for mark in block[1:]] + [len(text)]
    options = tuple(text[mark.end() : end].strip() for mark, end in zip(block, ends, strict=True))
    question = strip_orders(text[: block[0].start()])
    if len(options) < 2 or not all(options) or not question:
        return text, ()
    return question, options


def strip_orders(text: str) -> str:
    """The text without `<image>`, a leading `Question:`, and orders on how to answer; never stripped to
    nothing."""
    kept = _LEAD.sub("", text.replace("<image>", "").strip(), count=1)
    kept = _TOOL_ORDER.sub("", kept).rstrip() or kept
    while True:
        shorter = _HEADING.sub("", _SUFFIX.sub("", kept)).rstrip()
        if not shorter or shorter == kept:
            return kept
        kept = shorter


def read_options(value: Any) -> tuple[str, ...]:
    """Options given as a list, as a mapping of letters, as a list written in a string, or as a block of
    lines.

    Raises:
        BadRow: as something else.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("["):
            value = literal(text)
        else:
            _, block = split_question(f"?\n{text}")
            if not block:
                raise BadRow(f"options are neither a list nor lines such as `A. text`: {text[:60]!r}")
            return block
    if isinstance(value, dict):
        present = {str(key).strip().upper(): text for key, text in value.items() if text is not None}
        if sorted(present) != list(LETTERS[: len(present)]):
            raise BadRow(f"options have the letters {', '.join(sorted(present))}, not A, B and so on")
        value = [present[letter] for letter in LETTERS[: len(present)]]
    if not isinstance(value, (list, tuple)):
        raise BadRow(f"options are {type(value).__name__}, not a list")
    return tuple(str(option) for option in value)


def plain_options(options: Sequence[str]) -> tuple[str, ...]:
    """Options without their letters; at least two, none empty.

    `(A) ` goes wherever it is the option's own letter; `A. ` only if every option has its own: `A. Smith` may
    be a name.

    Raises:
        BadRow: they are not that.
    """
    if not 2 <= len(options) <= len(LETTERS):
        raise BadRow(
            f"has {len(options)} option{'' if len(options) == 1 else 's'}; 2 to {len(LETTERS)} are expected"
        )
    stripped = [option.strip() for option in options]
    marks = [_MARK.match(option) for option in stripped]
    own = [mark is not None and _letter(mark) == letter for mark, letter in zip(marks, LETTERS, strict=False)]
    plain = [
        option[mark.end() :].strip() if mark and its and (mark[1] or all(own)) else option
        for option, mark, its in zip(stripped, marks, own, strict=True)
    ]
    if not all(plain):
        raise BadRow(f"option {LETTERS[plain.index('')]} is empty")
    return tuple(plain)


def letter_of(answer: str, options: Sequence[str]) -> str:
    """The letter of an answer that is a letter (`B`, `(b)`, `B.`), an option's text, or both (`B. red`).

    Raises:
        BadRow: it is none of them.
    """
    text = narrow(answer).strip()
    alone = _LETTER.fullmatch(text)
    if alone and alone[1].upper() in LETTERS[: len(options)]:
        return alone[1].upper()
    mark = _MARK.match(text)
    same = [
        i
        for i, option in enumerate(options)
        if _same(option, text) or (mark and _same(option, text[mark.end() :]))
    ]
    if mark and len(same) > 1:
        same = [i for i in same if LETTERS[i] == _letter(mark)]
    if alone and len(same) != 1:
        raise BadRow(f"answer {answer!r} is out of range: the options are A to {LETTERS[len(options) - 1]}")
    if len(same) != 1 or (mark and _letter(mark) != LETTERS[same[0]] and not _same(options[same[0]], text)):
        raise BadRow(f"answer {answer[:60]!r} is none of the {len(options)} options")
    return LETTERS[same[0]]


def text_of_number(answer: float, options: Sequence[str]) -> str:
    """The text of an answer that is a number and not text, to one of these options.

    Raises:
        BadRow: it can be the number of an option, counted from 0 or from 1, and nobody says so.
    """
    text = f"{answer:g}" if isinstance(answer, float) else str(answer)
    named = [LETTERS[i] for i, option in enumerate(plain_options(options)) if _same(option, text)]
    counted = [LETTERS[i] for i in range(len(options)) if i in (answer, answer - 1)]
    if counted:
        readings = [f"option {named[0]}"] if named else []
        readings += [f"the number of option {' or '.join(map(str, counted))}"]
        raise BadRow(
            f"its answer is the number {text}: that may be {' or '.join(readings)}; write its letter or,"
            ' in quotes, its text ("2")'
        )
    return text


def literal(text: str) -> Any:
    """A list or mapping that was written into a string, as JSON or as Python prints it. Nothing is ever
    executed.

    Raises:
        BadRow: it is neither.
    """
    if len(text) > _LITERAL_LIMIT:
        raise BadRow(
            f"a list in a string has {len(text):,} characters, more than the {_LITERAL_LIMIT:,} that are read"
        )
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    raise BadRow(f"a list in a string cannot be read: {text[:60]!r}")


def narrow(text: str) -> str:
    """Full-width brackets, colons, stops and commas of Chinese text as the plain ones."""
    return text.translate(_NARROW)


def _letter(mark: re.Match[str]) -> str:
    return mark[1] or mark[2]


def _same(first: str, second: str) -> bool:
    return " ".join(narrow(first).casefold().split()).rstrip(".") == " ".join(
        narrow(second).casefold().split()
    ).rstrip(".")
