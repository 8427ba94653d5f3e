"""What came of a search, in one word for people and scripts. Derived from the record, never stored."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from mini_o3.episode.limits import OVER_TURN, StopReason

#: The answer of a policy that has looked and found that the thing is not in the picture.
NOT_THERE = "not there"

_IT = r"(?:it is |it's |they are |there is |there are )?"
_NOT_FOUND = re.compile(
    _IT + r"(?:not|nowhere) (?:there|found|present|visible|to be (?:seen|found)"
    r"|in (?:the|this) (?:picture|image))"
    r"|(?:no|none) such (?:thing|object)s?|there (?:is|are) none|nothing (?:found|there)"
    r"|(?:the \w+ |it )?(?:does|do) not (?:exist|appear)"
)
_GAVE_UP = re.compile(
    r"(?:i |it )?(?:cannot|can not|can't|could not|couldn't) (?:be )?"
    r"(?:tell|told|say|said|see|be sure|determined?|answer(?:ed)?)"
    r"|i (?:do not|don't) know|i am not sure|not sure|unknown|unclear|undetermined|i give up"
)


class Status(StrEnum):
    """How a search ended for whoever asked."""

    ANSWERED = "answered"
    NOT_FOUND = "not_found"  # the policy says that it is not there
    GAVE_UP = "gave_up"  # the policy says that it cannot tell
    STOPPED = "stopped"  # a limit came first: over-turn, counts as incorrect
    FAILED = "failed"  # the endpoint failed or refused, the turns could not be read, somebody interrupted


def status_of(stop: StopReason, answer: str | None) -> Status:
    """The status of an episode that ended so.

    An answer means `not_found` or `gave_up` if it says just that, such as `not there` (`NOT_THERE`, which
    nano is taught), `It is not visible.` or `I cannot tell`; a longer answer is an answer.
    """
    if stop in OVER_TURN:
        return Status.STOPPED
    if stop is not StopReason.ANSWERED or answer is None:
        return Status.FAILED
    words = " ".join(unicodedata.normalize("NFKC", answer).replace("\u2019", "'").lower().split()).strip(
        " .!"
    )
    if _NOT_FOUND.fullmatch(words):
        return Status.NOT_FOUND
    return Status.GAVE_UP if _GAVE_UP.fullmatch(words) else Status.ANSWERED
