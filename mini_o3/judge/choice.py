"""Which option of a multiple choice an answer names: a ladder of rules from strict to lenient, none of which
guesses.

The order of the rungs is that of the published scorers (lmms-eval, VLMEvalKit, DeepEyes); where those take
the first capital letter of a sentence, an answer that no rung can read is unparsed. `mme_letter` is the
scorer of MME-RealWorld as published, quirks included, for figures that must be comparable.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from mini_o3.episode.task import LETTERS
from mini_o3.judge.exact import normalise

_BOXED = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf) ?\{([^{}]*)\}")
_MARKUP = re.compile(r"[*_$`]+")
_LONE = re.compile(r"(?:(?:option|choice|answer) ?:? ?)?[(\[{<\"']*([A-Za-z])[)\]}>\"'.:,]*", re.I)
_FIRST_AND_TEXT = re.compile(r"[(\[]?([A-Za-z])[)\].:, -]+(?=\S)")
_FIRST = re.compile(r"[(\[]?([A-Z])[)\].:]+(?=\s|$)")
_SAID = re.compile(
    r"\b(?i:answer|option|choice)(?i: is| would be)?:? ?(?i:option )?[(\[\"']*([A-Z])"
    r"(?=[)\]\"'.,;:!]| ?(?:$|\n|\(|because\b|since\b|as\b))"
)
_MARKED = re.compile(r"[(\[]([A-Z])[)\]]")
_ALONE = re.compile(r"(?<!\w)[A-Z](?!\w)")
_ARTICLE = re.compile(r"(?:^|(?<=\n)|(?<=[.!?] ))A (?=(?!and\b|or\b)[a-z])")
_DENIED = re.compile(
    r"\b(?:not|no|never|neither|nor|none|cannot|except|but|without|wrong|incorrect|false|unlike|instead|rather|exclud\w+"
    r"|eliminat\w+|rul\w+ out|actually|wait|or)\b|n['’]t\b",
    re.I,
)
_SHORTEST = 2  # letters and digits of an option whose mere mention counts


def option_letter(answer: str, options: Sequence[str]) -> str | None:
    """The letter of the option that an answer names; None if it names none, or more than one, or what it
    names is denied.

    The first rung that finds what it looks for decides:

    1. nothing but a letter: `B`, `b`, `(B)`, `B.`, `**B**`, `\\boxed{B}`, `Answer: B`;
    2. the text of one option, or its letter followed by just that: `red`, `B red`, `B. red`;
    3. a letter with a bracket, full stop or colon at the beginning: `B. It is red`;
    4. `the answer is B`, `option (B)`;
    5. `(B)` or `[B]` anywhere;
    6. the text of one option, and of no other, somewhere in the answer. Texts of one letter or digit do not
    count, nor does
       one that is part of a longer one that is there (`red` in `dark red`).

    From the third on, an answer is not read if it denies something, or if the letter of another option stands
    alone in it. Letters beyond the options never count.
    """
    text = _plain(answer)
    letters = LETTERS[: len(options)]

    def known(letter: str) -> str | None:
        return letter.upper() if letter.upper() in letters else None

    if lone := _LONE.fullmatch(text):
        return known(lone[1])
    texts = [normalise(_plain(option)) for option in options]
    whole = normalise(text)
    if whole and (
        named := _only({letter for letter, option in zip(letters, texts, strict=False) if whole == option})
    ):
        return named
    if (first := _FIRST_AND_TEXT.match(text)) and (letter := known(first[1])):
        rest = normalise(text[first.end() :])
        if rest and rest == texts[letters.index(letter)]:
            return letter
    if _DENIED.search(text):
        return None
    if first := _FIRST.match(text):
        found = {first[1]}
    else:
        found = (
            set(_SAID.findall(text))
            or set(_MARKED.findall(text))
            or {letters[i] for i in _mentioned(whole, texts)}
        )
    only = _only(found)
    others = {letter for letter in _ALONE.findall(_ARTICLE.sub("", text)) if known(letter)} - found
    return known(only) if only and not others else None


def mme_letter(answer: str, options: Sequence[str]) -> str | None:
    """The letter that the published scorer of MME-RealWorld reads: the first capital A to E, wherever it
    stands.

    Without one, the first option whose line `(A) text` contains the whole answer; without a capital, an
    answer of more than ten words is unparsed. `A car` is therefore A, and `Best answer: C` is B. The four
    phrases that the original removes first hold no such capital; removing them changes the number of words.
    """
    text = answer.strip()
    for phrase in ("The best answer is", "The correct answer is", "The answer is", "The answer"):
        text = text.replace(phrase, "")
    if found := re.search("[ABCDE]", text):
        return found[0]
    if len(text.split()) > 10:
        return None
    lines = (f"({letter}) {option}" for letter, option in zip(LETTERS, options, strict=False))
    return next((line[1] for line in lines if text.lower() in line.lower()), None)


def truth_letter(expected: str, options: Sequence[str]) -> str | None:
    """The letter of the right option, which a task gives as the letter or, in some files, as the option's
    text."""
    letters = LETTERS[: len(options)]
    bare = expected.strip().strip("().").upper()
    if len(bare) == 1 and bare in letters:
        return bare
    wanted = normalise(expected)
    return _only(
        {
            letter
            for letter, option in zip(letters, options, strict=False)
            if wanted and normalise(option) == wanted
        }
    )


def _plain(text: str) -> str:
    """Without `\\boxed{}` and its like, emphasis, full-width forms and needless white space; lines are kept.

    White space comes first: what follows never meets a run of it, which keeps all the expressions linear.
    """
    lines = unicodedata.normalize("NFKC", text).splitlines()
    text = "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)
    for _ in range(3):  # \boxed{\text{B}}
        text = _BOXED.sub(r"\1", text)
    return _MARKUP.sub("", text).strip()


def _mentioned(text: str, options: Sequence[str]) -> set[int]:
    """Indices of the options that stand in a normalised text as whole words, other than inside a longer
    one."""
    long_first = sorted(
        {text for text in options if sum(map(str.isalnum, text)) >= _SHORTEST}, key=len, reverse=True
    )
    if not long_first:
        return set()
    found, reached = set(), 0
    for match in re.finditer(rf"(?<!\w)(?=({'|'.join(map(re.escape, long_first))})(?!\w))", text):
        if match.end(1) > reached:
            found.add(match[1])
            reached = match.end(1)
    return {index for index, option in enumerate(options) if option in found}


def _only(found: set[str]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None
