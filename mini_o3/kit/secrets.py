"""Secrets of this process: what is known to be one is blanked out of everything that is said or written."""

from __future__ import annotations

import json
import re

BLANK = "[secret]"
_SHORTEST = 6  # a shorter one would blank out ordinary words
_USER = re.compile(r"(?<=://)[^/\s\"']*@")  # up to the last @; takes time in proportion to the text
_IN_QUERY = re.compile(
    r"(?i)([?&](?:code|[\w-]*(?:key|token|secret|password|auth|sig|signature)))=[^&#\s\"']+"
)

_known: set[str] = set()


def remember_secret(value: str) -> None:
    """From now on `conceal` blanks this value out, also as it stands inside a JSON string."""
    if len(value) >= _SHORTEST:
        _known.update({value, json.dumps(value)[1:-1]})


def conceal(text: str) -> str:
    """The text without known secrets, and without names, passwords and keys in addresses."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, BLANK)
    return without_credentials(text)


def without_credentials(address: str) -> str:
    """An address without `user:password@` or `token@`, and without keys and tokens in its query."""
    if "://" not in address:
        return address
    return _IN_QUERY.sub(rf"\1={BLANK}", _USER.sub("", address))
