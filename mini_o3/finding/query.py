"""What is looked for, as a question that a policy understands, and what an answer says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mini_o3.episode import Episode, Status
from mini_o3.judge.exact import normalise
from mini_o3.kit.errors import SettingError
from mini_o3.probes.shapes.questions import is_probe_question
from mini_o3.probes.shapes.words import COLOURS, DIGITS, SHAPES

FOUND = "found"
#: What came of a search for a thing, best first; `Status` with `found` in the place of `answered`.
STATUSES = (FOUND, "gave_up", "stopped", "not_found", "failed")
MOST = 1000  # characters of what is looked for

_PHRASE = (
    "Look for this in the picture: {query}\n"
    "If it is there, zoom in until it fills most of your view, then answer with what you see. If it is"
    " nowhere in the picture, answer exactly: not there"
)
_QUESTION = "{query}\nIf what this is about is nowhere in the picture, answer exactly: not there"

_COLOUR, _SHAPE = "|".join(COLOURS), "|".join((*SHAPES, "thing"))
_THING = re.compile(
    rf"(?:(?:a|an|the) )?(?:(?P<colour>{_COLOUR}) )?(?P<shape>{_SHAPE})"
    r"(?: (?:with|carrying) (?:(?:a|an|the) )?(?:(?:digit|number) )?(?P<digit>\d)(?: on it)?)?"
)
# A policy that is asked whether something is there also says no in these ways.
_NO = re.compile(
    r"no|none|absent|nothing|nowhere|no[,.;:] .*"
    r"|(?:there (?:is|are)|i (?:can )?(?:see|find)) no .*"
    r"|(?:there (?:is|are) not|i (?:do not|don't|cannot|can't|could not|couldn't) (?:see|find)) .*"
    r"|.* (?:is|are) (?:not|nowhere) (?:there|present|visible|in (?:the|this) (?:picture|image))",
    re.S,
)


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    Attributes:
        text: as the user said it.
        question: as the policy is asked.
        wanted: the only answers that mean that it is there; None: any answer does that does not deny it.
    """

    text: str
    question: str
    wanted: tuple[str, ...] | None = None

    def status_of(self, episode: Episode) -> str:
        """One of `STATUSES`."""
        if episode.status is not Status.ANSWERED:
            return episode.status.value
        answer = episode.answer or ""
        if self.wanted is not None:
            return FOUND if normalise(answer) in self.wanted else "not_found"
        words = " ".join(answer.lower().replace("\u2019", "'").split()).strip(" .!")
        return "not_found" if _NO.fullmatch(words) else FOUND


def query_for(text: str, policy: str, profile: str = "") -> Query:
    """The query for a policy of this name with the prompts of this name.

    Policies that have learnt nano's prompts are asked in the words that these know, the reader in its own.

    Raises:
        SettingError: it is empty, too long, or nothing that nano knows.
    """
    text = " ".join(text.split())
    if not text:
        raise SettingError("query", "is empty; say what to look for")
    if len(text) > MOST:
        raise SettingError("query", f"has {len(text):,} characters; at most {MOST:,} are taken")
    if "nano" in (policy, profile):
        return _for_nano(text)
    if policy == "reader":
        return Query(text, text if text.endswith("?") else f"Where is {text}?")
    template = _QUESTION if text.endswith("?") else _PHRASE
    return Query(text, template.format(query=text))


def _for_nano(text: str) -> Query:
    if is_probe_question(text):
        return Query(text, text)
    match = _THING.fullmatch(text.lower().strip(" ."))
    colour, shape, digit = match.group("colour", "shape", "digit") if match else (None, None, None)
    if shape == "thing":
        if colour and digit:
            return Query(text, f"What shape is the {colour} thing with the digit {digit}?", SHAPES)
    elif colour and shape:
        return Query(text, f"What digit is on the {colour} {shape}?", (digit,) if digit else DIGITS)
    elif shape and digit is None:
        return Query(text, f"What colour is the {shape}?", tuple(COLOURS))
    raise SettingError(
        "query",
        "nano only knows the things of probes, such as 'red star with a 7', 'red star' or 'red thing with a"
        " 7'; for your own pictures choose another policy",
        repr(text),
    )
