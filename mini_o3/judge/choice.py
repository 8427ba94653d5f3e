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
from mini_o3.protocol.plain import unwrapped

_MARKUP = re.compile(r"[*_$`]+")
_JSON = re.compile(
    r"\{\s*[\"']?(?:answer|option|choice|letter)[\"']?\s*:\s*[\"']?([^{}\"']*)[\"']?\s*\}", re.I
)
_LONE = re.compile(r"(?:(?:option|choice|answer) ?:? ?)?[(\[{<\"']*([A-Za-z])[)\]}>\"'.:,]*", re.I)
_FIRST_AND_TEXT = re.compile(r"[(\[]?([A-Za-z])[)\].:, -]+(?=\S)")
_FIRST = re.compile(r"[(\[]?([A-Z])[)\].:]+(?=\s|$)")
_END = r"(?=[)\]\"'.,;:!。，；]| ?(?:$|\n|\(|because\b|since\b|as\b))"
_BE = r"(?i:is|would be|should be|must be|will be)"
_SAID = re.compile(
    rf"\b(?i:answer|option|choice)(?: {_BE})?:? ?(?i:option )?[(\[\"']*([A-Z]){_END}"
    rf"|(?:^|(?<=[.!?\n] ))(?i:option )?[(\[\"']*([A-Z])[)\]\"']* {_BE} (?i:the )"
    r"(?i:correct |right |best )(?i:answer|option|choice|one)\b"
    rf"|\b(?i:i (?:would )?(?:choose|pick|select|go with))(?i: option)? [(\[\"']*([A-Z]){_END}"
    r"|(?:答案|正确答案|正确选项|选项|应选|应该选|我选|选择|选)(?:应该|应当)?[是为:]?\s*[(「\"']*([A-Z])(?![A-Za-z])"
)
_MARKED = re.compile(r"[(\[]([A-Z])[)\]]")
_ALONE = re.compile(r"(?<!\w)[A-Z](?!\w)")
_ARTICLE = re.compile(r"(?:^|(?<=\n)|(?<=[.!?] ))A (?=(?!(?:and|or|is|was|are|would|also|seems)\b)[a-z])")
_CLAIM = re.compile(
    r"\b(?:answer|correct|right|also|either|both|could|may|maybe|might|should|possibly|probably)\b", re.I
)
_DENIED = re.compile(
    r"\b(?:not|no|never|neither|nor|none|cannot|except|but|without|wrong|incorrect|false|unlike|instead|rather|exclud\w+"
    r"|eliminat\w+|rul\w+ out|actually|wait|or)\b|n['’]t\b|不|非",
    re.I,
)
_NUMBER = re.compile(r"(?<![\w.,])\d+(?![\w.,]*\d)")
_SHORTEST = 2  # letters and digits of an option whose mere mention counts


def option_letter(answer: str, options: Sequence[str]) -> str | None:
    """The letter of the option that an answer names; None if it names none, or several, or denies something.

    The first rung that finds what it looks for decides:

    1. nothing but an option's letter: `B`, `b`, `(B)`, `B.`, `**B**`, `\\boxed{B}`, `Answer: B`,
       `{"answer": "B"}`;
    2. the text of one option, its letter followed by just that (`B. red`), or what an option has apart from
       the words that all options share (`left` for `On the left`, beside `On the right`);
    3. the text of one option, a comma or full stop, and no text of another: `No, there is no car`;
    4. a letter with a bracket, full stop or colon at the beginning: `B. It is red`;
    5. `the answer is B`, `B is the correct answer`, `option (B)`, `答案是B`;
    6. `(B)` or `[B]` anywhere;
    7. the text of one option, and of no other, somewhere in the answer. Texts of one letter or digit do not
       count, nor does one that is part of a longer one that is there (`red` in `dark red`);
    8. the only number in a sentence, if one option is just that number: `There are 3 people`.

    From the fourth on, an answer is not read if it denies something, or if the letter of another option
    stands alone in it; after an explicit statement (5) another letter counts only where something is claimed
    of it. Letters beyond the options never count.
    """
    text = _plain(answer)
    letters = LETTERS[: len(options)]

    def known(letter: str) -> str | None:
        return letter.upper() if letter.upper() in letters else None

    if inside := _JSON.fullmatch(text):
        text = inside[1].strip()
    if (lone := _LONE.fullmatch(text)) and (letter := known(lone[1])):
        return letter
    texts = [normalise(_plain(option)) for option in options]
    whole = normalise(lone[1] if lone else text)
    for candidates in (texts, _without_shared(texts)):
        same = {
            letter for letter, option in zip(letters, candidates, strict=True) if whole and whole == option
        }
        if named := _only(same):
            return named
    if lone:
        return None
    if (first := _FIRST_AND_TEXT.match(text)) and (letter := known(first[1])):
        rest = normalise(text[first.end() :])
        if rest and rest == texts[letters.index(letter)]:
            return letter
    mentioned = {letters[index] for index in _mentioned(whole, texts)}
    begun = {letter for letter, option in zip(letters, texts, strict=True) if _begins(whole, option)}
    if (named := _only(begun)) and mentioned <= begun and not _ALONE.search(text):
        return named
    if _DENIED.search(text):
        return None
    others = {letter for letter in _ALONE.findall(_ARTICLE.sub("", text)) if known(letter)}
    if first := _FIRST.match(text):
        found = {first[1]}
    elif said := {letter for groups in _SAID.findall(text) for letter in groups if letter}:
        found = said
        others = {letter for letter in others if _is_claimed(letter, text)}
    else:
        found = set(_MARKED.findall(text)) or mentioned or _counted(text, texts, letters)
    only = _only(found)
    return known(only) if only and not others - found else None


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
    """Without wrappings (`protocol.plain`), emphasis, full-width forms and needless white space; lines stay.

    White space comes first: what follows never meets a run of it, which keeps all the expressions linear.
    """
    lines = unicodedata.normalize("NFKC", text).splitlines()
    text = "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)
    return _MARKUP.sub("", unwrapped(text)).strip()


def _without_shared(texts: Sequence[str]) -> list[str]:
    """Each text without the words that all of them share; empty strings if they share none."""
    words = [text.split() for text in texts]
    shared = set.intersection(*map(set, words)) if words else set()
    return [" ".join(word for word in one if word not in shared) if shared else "" for one in words]


def _begins(text: str, option: str) -> bool:
    """Whether a text begins with an option of two or more characters, and then a comma or a full stop."""
    return (
        len(option) >= _SHORTEST and text.startswith(option) and text[len(option) :].startswith((",", ". "))
    )


def _counted(text: str, texts: Sequence[str], letters: Sequence[str]) -> set[str]:
    """Letters of the options that are the only number of a sentence; a number after a colon is a label's."""
    numbers = list(_NUMBER.finditer(text))
    if (
        len(numbers) != 1
        or text[: numbers[0].start()].rstrip().endswith((":", "=", "#"))
        or len(text.split()) < 3
    ):
        return set()
    return {letter for letter, option in zip(letters, texts, strict=True) if option == numbers[0][0]}


def _is_claimed(letter: str, text: str) -> bool:
    """Whether a letter is more than the subject of a remark, as in `Note that A is a common distractor`."""
    remark = re.compile(rf"(?<=[a-z] ){letter} (?=(?:is|was|looks|seems|would)\b)")
    alone = re.compile(rf"(?<!\w){letter}(?!\w)")
    sentences = [part for part in re.split(r"(?<=[.!?])\s|\n", text) if alone.search(part)]
    return any(alone.search(remark.sub("", part)) or _CLAIM.search(part) for part in sentences)


def _mentioned(text: str, options: Sequence[str]) -> set[int]:
    """Indices of the options that stand in a normalised text as whole words, other than inside a longer
    one."""
    long_first = sorted(
        {text for text in options if sum(map(str.isalnum, text)) >= _SHORTEST}, key=len, reverse=True
    )
    if not long_first:
        return set()
    found, reached = set(), 0
    for match in re.finditer(rf"(?<![\w-])(?=({'|'.join(map(re.escape, long_first))})(?![\w-]))", text):
        if match.end(1) > reached:
            found.add(match[1])
            reached = match.end(1)
    return {index for index, option in enumerate(options) if option in found}


def _only(found: set[str]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None
