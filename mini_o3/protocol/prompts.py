"""Prompt profiles: the environment's side of the conversation as text files, with a hash that is saved with every run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mini_o3.kit.errors import UserError
from mini_o3.protocol.actions import Malformed, source_name

PROMPTS_DIR = Path(__file__).parent / "prompts"
_PARTS = ("system", "question", "observation", "correction")
_IMAGE_MARK = "<image>"


class ViewMark:
    """Stands where a view goes; not a string, so that no text anybody writes can be mistaken for it."""


VIEW = ViewMark()
Pieces = list[str | ViewMark]


@dataclass(frozen=True, slots=True)
class PromptProfile:
    """The four texts an environment speaks; `<image>` in a text is where the view goes.

    Attributes:
        system: said once, before everything.
        question: the first user message; `{question}` is filled in.
        observation: after a successful zoom; `{number}` and `{source}` of the new view are filled in, and `{action}`, its
            number counted from 0.
        correction: after a malformed turn; `{kind}` and `{detail}` are filled in.
    """

    name: str
    system: str
    question: str
    observation: str
    correction: str

    @property
    def hash(self) -> str:
        """Twelve hex digits of the four texts."""
        joined = "\x00".join(getattr(self, part) for part in _PARTS)
        return hashlib.sha256(joined.encode()).hexdigest()[:12]

    def ask(self, question: str) -> Pieces:
        return _pieces(self.question, question=question)

    def observe(self, number: int) -> Pieces:
        return _pieces(self.observation, number=str(number), action=str(number - 1), source=source_name(number))

    def correct(self, malformed: Malformed) -> Pieces:
        return _pieces(self.correction, kind=malformed.kind.value.replace("_", " "), detail=malformed.detail)


@cache
def load_profile(name: str) -> PromptProfile:
    """A shipped profile by name, or a folder with the four files `system.txt`, `question.txt`, ...

    Raises:
        UserError: there is no such profile, or one of its files is missing.
    """
    folder = PROMPTS_DIR / name if (PROMPTS_DIR / name).is_dir() else Path(name)
    texts = {}
    for part in _PARTS:
        path = folder / f"{part}.txt"
        try:
            texts[part] = path.read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError):
            known = ", ".join(sorted(path.name for path in PROMPTS_DIR.iterdir() if path.is_dir()))
            raise UserError(f"prompt profile {name}: {path} cannot be read as text; shipped profiles: {known}") from None
    return PromptProfile(name=folder.name, **texts)


def _pieces(template: str, **values: str) -> Pieces:
    """Fill in the gaps in one pass (a question that contains `{number}` stays as it is) and cut at the image mark.

    The image mark counts only in the template: a question that contains `<image>` cannot conjure up a view.
    """
    pieces: Pieces = []
    for index, part in enumerate(template.split(_IMAGE_MARK)):
        if index:
            pieces.append(VIEW)
        out, rest = "", part
        while rest:
            at, name = min(((rest.find(f"{{{n}}}"), n) for n in values if f"{{{n}}}" in rest), default=(-1, ""))
            if at < 0:
                out, rest = out + rest, ""
            else:
                out, rest = out + rest[:at] + values[name], rest[at + len(name) + 2 :]
        if out:
            pieces.append(out)
    return pieces
