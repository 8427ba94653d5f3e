"""What a question asks for: which kind of text, beside which other text, on what colour, in which place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

COLOURS = (
    "turquoise",
    "black",
    "white",
    "grey",
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
)
_SPELLED = {"gray": "grey", "violet": "purple", "silver": "grey", "golden": "yellow", "gold": "yellow"}
_COLOUR = "|".join(COLOURS)
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class Kind(StrEnum):
    """What an answer is made of."""

    WORDS = "words"  # all that stands on one thing, in several lines perhaps
    NAME = "name"  # one line of letters
    NUMBER = "number"
    PRICE = "price"
    PLATE = "licence plate"
    PHONE = "phone number"
    DATE = "date or time"
    ADDRESS = "web address"
    PLACE = "place"  # where something stands in the picture
    PRESENCE = "presence"  # whether something stands there
    OTHER = "no text"  # a colour, a symbol: what no text says


#: The first pattern that occurs in a question decides; a price in the question is never what it asks for.
_ASKS = (
    (
        Kind.OTHER,
        r"\b(?:what|which) (?:colou?r|emblem|symbol|icon|shape)\b|\bwhat does the symbol\b|\bwhat is shown\b",
    ),
    (Kind.PLACE, r"^where (?:is|are|stands?|hangs?|can)\b|\bin which (?:part|corner|place)\b"),
    (Kind.PHONE, r"\b(?:tele)?phone\b|\btelephone\b|\bnumber (?:to|can (?:i|you|one)) (?:call|dial)\b"),
    (Kind.ADDRESS, r"\bweb ?(?:site|address|page)\b|\burl\b|\be-?mail\b|\bdomain\b"),
    (Kind.PLATE, r"\b(?:licen[cs]e|registration|number) plate (?:of|does|has|is)\b|\bplates?\b(?! number)"),
    (Kind.PRICE, r"\bcosts?\b|\bprice of\b|\bits price\b|\bthe price\b(?! tag)|\bhow (?:much|expensive)\b"),
    (Kind.NAME, r"\bwhich (?!(?:house )?number|height|value|price|year|date|time|word|text|plate)\w+\b"),
    (Kind.NAME, r"^who\b|\bwhat kind of shop\b|\bwhat is sold\b|\bwhat (?:product|brand|machine|shop)\b"),
    (Kind.NAME, r"\bwhat is (?:the|his|her|its) name\b|\bname on the\b|\bwhose name\b"),
    (
        Kind.WORDS,
        r"\bwhat does\b.*\b(?:say|read|sign)s?\b|\bwhat is (?:written|printed)\b|\bwhat (?:words|text)\b",
    ),
    (Kind.DATE, r"\bwhen\b|\bwhat (?:time|date|year|day)\b|\bwhich (?:year|date|time)\b|\bhours\b"),
    (
        Kind.NUMBER,
        r"\bnumber\b|\bvalue\b|\breading\b|\bheight\b|\bhow (?:high|tall|many|far|fast|old|heavy)\b|\bspeed\b"
        r"|\bweight\b|\bmetres\b|\blimit\b|\bscore\b|\bdigits?\b",
    ),
    (Kind.PRESENCE, r"^(?:is|are|does|do|can|has)\b"),
)
_SYMBOL = re.compile(
    r"\b(?:the|a|an) (?:little )?(?:sun|star|key|heart|moon|anchor|bell|crown|leaf|tree|fish|cat|house"
    r"|umbrella|bolt|boat|apple|cup|flower|arrow|diamond|triangle|drop|cross|mushroom|snowflake|bird|dog)"
    r"(?: (?:on|above)|[?.]|$)|\b(?:symbol|emblem|icon|legend)\b"
)
_OPTION = re.compile(r"^\s*\(?([A-Z])[.):]\s+(.+?)\s*$")
_QUOTED = re.compile(
    r"[\"\u201c\u201d\u00ab\u00bb]([^\"\u201c\u201d\u00ab\u00bb]+)[\"\u201c\u201d\u00ab\u00bb]|(?<!\w)['\u2018]([^'\u2019]+)['\u2019](?!\w)"
)
_ROW = re.compile(rf"\b({'|'.join(ORDINALS)}|top|bottom|last)(?: (?:shelf|row|line|road|street|column))")
_LEADS = re.compile(
    r"whose (?P<what>[\w ]*?(?:name|number|word)) (?:is|hangs|stands)? ?(?:on|under|in) the"
    rf" (?P<colour>{_COLOUR}) (?P<thing>\w+)"
    rf"|(?P<what2>named) (?:on|in|under) the (?P<colour2>{_COLOUR}) (?P<thing2>\w+)"
    rf"|^(?:under )?the (?P<colour3>{_COLOUR}) (?P<thing3>\w+)[^.?]*? (?:shows|names|hangs|has|holds) an?"
    r" (?P<what3>house number|number|name|machine|product|word)[^.?]*\."
    rf"|^read the (?P<what4>name|number|word)s? on the (?P<colour4>{_COLOUR}) (?P<thing4>\w+)\."
)
_NEVER = frozenset(
    "what which who where when how why is are does do the a an in on at of read find there somebody under"
    " above below it its i a.m p.m legend it's whose with and or".split()
)


_WRITTEN = re.compile(
    r"\b(?:written|printed|says?|reads?|text|words?|letters?|signs?|labels?|titles?|names?|inscription|headline)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Lead:
    """Text that says what to look for next: it stands on, or right at, a thing of a colour."""

    colour: str
    noun: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a question asks for.

    Attributes:
        kind: what the answer is made of.
        anchors: texts that the question names, as written in it, the most telling first; what is asked stands
            beside one of them, or is one of them.
        lead: where to find the anchor, if the question does not name it.
        colours: colours that the question gives what it asks for.
        row: which row from the top, counted from 0, -1 is the last; None if the question gives none.
        label: the one word that is asked for, if it may stand before the answer, as in `ISBN 3-16-148410-0`.
        asks_row: `shelf` or another word for a row, if the question asks in which one it is; else empty.
        above, below: whether the answer stands above or below what is named.
        symbol: whether it is told apart by a symbol, which no text shows.
        options: texts of a multiple choice by letter.
        sides: `top`, `bottom`, `left` and `right`, as far as the question says so.
    """

    kind: Kind
    anchors: tuple[str, ...] = ()
    lead: Lead | None = None
    colours: tuple[str, ...] = ()
    row: int | None = None
    label: str = ""
    asks_row: str = ""
    above: bool = False
    below: bool = False
    symbol: bool = False
    options: tuple[tuple[str, str], ...] = ()
    sides: tuple[str, ...] = ()


def understand(asked: str) -> Wanted:
    """What is asked for by a question, whose options may follow it, a line each, as `A. text`."""
    lines = asked.splitlines() or [""]
    matched = [_OPTION.match(line) for line in lines[1:]]
    options = tuple((found[1], found[2]) for found in matched if found)
    question = " ".join([lines[0], *(x for x, m in zip(lines[1:], matched, strict=True) if not m)]).strip()
    low = question.lower()
    for spelled, name in _SPELLED.items():
        low = re.sub(rf"\b{spelled}\b", name, low)
    lead = _lead(low)
    anchors = _anchors(question)
    row = _ROW.search(low)
    colours = re.findall(rf"\b({'|'.join(COLOURS)})\b", low)
    if lead is not None and lead.colour in colours:
        colours.remove(lead.colour)
    return Wanted(
        kind=_kind(low, anchors),
        anchors=anchors,
        lead=lead,
        colours=tuple(dict.fromkeys(colours)),
        row=_row(row[1]) if row else None,
        label=label[1] if (label := re.search(r"\bwhat is the (\w+) (?:of|on|in|at)\b", low)) else "",
        asks_row=asks[1] if (asks := re.search(r"\b(?:which|what) (shelf|row|column|line)\b", low)) else "",
        above=bool(
            re.search(r"\b(?:sign|text|words?|lines?|number|name|what)\b[^.?]*\b(?:above|over)\b", low)
        ),
        below=bool(
            re.search(
                r"\b(?:sign|text|words?|lines?|number|name|what)\b[^.?]*\b(?:below|under|beneath)\b", low
            )
        ),
        symbol=bool(_SYMBOL.search(low)),
        options=options,
        sides=tuple(
            side
            for side, words in (
                ("top", r"\b(?:at|in|on|near) the (?:very )?top\b(?! (?:shelf|row))|\bupper\b"),
                ("bottom", r"\b(?:at|in|on|near) the (?:very )?bottom\b(?! (?:shelf|row))|\blower\b"),
                ("left", r"\bleft\b"),
                ("right", r"\bright\b"),
            )
            if re.search(words, low)
        ),
    )


def asks_for_text(question: str) -> bool:
    """Whether a question is about something written, so that reading may answer it."""
    wanted = understand(question)
    if wanted.kind in (Kind.PHONE, Kind.ADDRESS, Kind.PLATE, Kind.PRICE):
        return True
    if wanted.kind is not Kind.OTHER and any(text.isupper() and len(text) > 2 for text in wanted.anchors):
        return True
    return bool(_WRITTEN.search(question)) or bool(_QUOTED.search(question))


def _kind(low: str, anchors: tuple[str, ...]) -> Kind:
    has_price = any(re.fullmatch(r"[$\u20ac\u00a3]?\d+[.,]\d\d", anchor) for anchor in anchors)
    for kind, pattern in _ASKS:
        if kind is Kind.PRICE and has_price:
            continue
        if re.search(pattern, low):
            return kind
    return Kind.WORDS


def _anchors(question: str) -> tuple[str, ...]:
    """Quoted texts, then names (words that begin with a capital letter, in one run) and numbers."""
    quoted = [one or other for one, other in _QUOTED.findall(question)]
    rest = _QUOTED.sub(" , ", question)
    found: list[str] = []
    run: list[str] = []
    begins = True
    for word in rest.split():
        bare = word.strip(".,;:?!()[]")
        is_name = (
            bool(bare)
            and bare.lower() not in _NEVER
            and (
                any(c.isdigit() for c in bare)
                or (bare[0].isupper() and (not begins or (bare.isupper() and len(bare) > 1)))
            )
        )
        if is_name and not re.fullmatch(r"\d+(?:st|nd|rd|th)", bare):
            run.append(bare)
        if run and (not is_name or word[-1] in ".,;:?!)"):
            found.append(" ".join(run))
            run = []
        begins = word[-1] in ".?!"
    found += [" ".join(run)] if run else []
    return tuple(dict.fromkeys(text.strip() for text in [*quoted, *found] if text.strip()))


def _lead(low: str) -> Lead | None:
    found = _LEADS.search(low)
    if found is None:
        return None
    parts = {key.rstrip("234"): value for key, value in found.groupdict().items() if value}
    return Lead(parts["colour"], parts["thing"], "number" in parts["what"])


def _row(word: str) -> int:
    if word in ("bottom", "last"):
        return -1
    return ORDINALS.index(word) if word in ORDINALS else 0
