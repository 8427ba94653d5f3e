"""Prompt profiles: the environment's side of the conversation as text files, with a hash that runs record."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import read_text
from mini_o3.protocol.actions import Malformed, source_name

PROMPTS_DIR = Path(__file__).parent / "prompts"
_PARTS = ("system", "question", "observation", "correction")
_IMAGE_MARK = "<image>"
_GAP = re.compile(r"\{(\w+)\}")


class ViewMark:
    """Stands where a view goes. It is not a string, so that no text can be mistaken for it."""


VIEW = ViewMark()
Pieces = list[str | ViewMark]


@dataclass(frozen=True, slots=True)
class PromptProfile:
    """The four texts of an environment; `<image>` in a text is where the view goes.

    Attributes:
        system: the system message.
        question: the first user message; `{question}` is filled in, and `{width}` and `{height}` of the view
            in pixels.
        observation: after a successful zoom; `{number}`, `{source}`, `{width}` and `{height}` of the new view
            are filled in, and `{action}`, its number counted from 0.
        correction: after a malformed turn; `{kind}` and `{detail}` are filled in.
        dialect: the one in which these texts tell the policy to write its actions (`protocol/dialects`), and
            so the one in which its turns are read.
    """

    name: str
    system: str
    question: str
    observation: str
    correction: str
    dialect: str = "mini_o3"

    @property
    def hash(self) -> str:
        """Twelve hex digits of the four texts, and of the dialect if it is not Mini-o3's."""
        other = [] if self.dialect == "mini_o3" else [self.dialect]
        joined = "\x00".join([*self.texts, *other])
        return hashlib.sha256(joined.encode()).hexdigest()[:12]

    def ask(self, question: str, size: tuple[int, int] | None = None) -> Pieces:
        """The first user message; `size` is the (width, height) of the view, None if the text does not tell
        it."""
        return _pieces(self.question, question=question, **_sides(size))

    def ask_several(self, question: str, sizes: Sequence[tuple[int, int]], label: str, note: str) -> Pieces:
        """The first user message about several pictures: each after its `label`, then a note, then the text
        that stands around a single one. `sizes` are the (width, height) of their views."""
        pieces: Pieces = []
        for index in range(len(sizes)):
            pieces += [label.format(number=index + 1, index=index), VIEW, "\n"]
        if note:
            pieces.append(note.format(count=len(sizes)) + "\n")
        rest = "".join(part for part in _pieces(self.question, question=question) if isinstance(part, str))
        return [*pieces, rest.lstrip("\n")]

    def observe(self, number: int, size: tuple[int, int] | None = None) -> Pieces:
        """The message with observation `number`; `size` as in `ask`."""
        names = {"number": str(number), "action": str(number - 1), "source": source_name(number)}
        return _pieces(self.observation, **names, **_sides(size))

    def correct(self, malformed: Malformed) -> Pieces:
        """The message after a malformed turn; a text that has a full stop after `{detail}` gets no second."""
        detail = malformed.detail
        if "{detail}." in self.correction:
            detail = detail.removesuffix(".")
        return _pieces(self.correction, kind=malformed.kind.value.replace("_", " "), detail=detail)

    @property
    def is_shipped(self) -> bool:
        """Whether its texts are ours; released weights were trained with others, which a user imports."""
        return any(load_profile(name).texts == self.texts for name in shipped_profiles())

    @property
    def texts(self) -> tuple[str, ...]:
        """The four texts."""
        return tuple(getattr(self, part) for part in _PARTS)


@cache
def load_profile(name: str) -> PromptProfile:
    """A shipped profile by name, or a folder with the four files `system.txt`, `question.txt`, ...

    A file `dialect.txt` beside them names the dialect that they teach; without it, that is Mini-o3's.

    Raises:
        UserError: there is no such profile, or one of its files is missing.
    """
    folder = PROMPTS_DIR / name if (PROMPTS_DIR / name).is_dir() else Path(name)
    texts = {}
    for part in _PARTS:
        path = folder / f"{part}.txt"
        try:
            texts[part] = read_text(path).removesuffix("\n")
        except UserError:
            known = ", ".join(shipped_profiles())
            raise UserError(
                f"prompt profile {name}: {path} cannot be read as text; shipped profiles: {known}"
            ) from None
    named = folder / "dialect.txt"
    dialect = read_text(named).strip() if named.is_file() else "mini_o3"
    return PromptProfile(name=folder.name, dialect=dialect, **texts)


def shipped_profiles() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(path.name for path in PROMPTS_DIR.iterdir() if path.is_dir())


def lasting_name(name: str) -> str:
    """A name of the profile that works from any folder."""
    return name if (PROMPTS_DIR / name).is_dir() else str(Path(name).resolve())


def _sides(size: tuple[int, int] | None) -> dict[str, str]:
    return {} if size is None else {"width": str(size[0]), "height": str(size[1])}


def _pieces(template: str, **values: str) -> Pieces:
    """Fill in the gaps and cut the text at the image mark.

    Only the template's own gaps and marks count: a question may contain `{number}` or `<image>`.
    """
    pieces: Pieces = []
    for index, part in enumerate(template.split(_IMAGE_MARK)):
        if index:
            pieces.append(VIEW)
        if text := _GAP.sub(lambda gap: values.get(gap[1], gap[0]), part):
            pieces.append(text)
    return pieces
