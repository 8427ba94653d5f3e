"""Prompt profiles: the environment's side of the conversation as text files, with a hash that is saved with
every run."""

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
        question: the first user message; `{question}` is filled in, and `{width}` and `{height}` of the view
            in pixels.
        observation: after a successful zoom; `{number}` and `{source}` of the new view are filled in, its
            `{width}` and `{height}`, and `{action}`, its number counted from 0.
        correction: after a malformed turn; `{kind}` and `{detail}` are filled in.
        dialect: in which the policy is told to write its actions (`protocol/dialects`). It goes where the
            texts go: whoever is spoken to like this is listened to like this.
    """

    name: str
    system: str
    question: str
    observation: str
    correction: str
    dialect: str = "mini_o3"

    @property
    def hash(self) -> str:
        """Twelve hex digits of the four texts, and of the dialect if it is another than Mini-o3's."""
        foreign = [] if self.dialect == "mini_o3" else [self.dialect]
        joined = "\x00".join([*(getattr(self, part) for part in _PARTS), *foreign])
        return hashlib.sha256(joined.encode()).hexdigest()[:12]

    def ask(self, question: str, size: tuple[int, int] | None = None) -> Pieces:
        """The first user message; `size` is the (width, height) of the view, None for texts that do not tell
        it."""
        return _pieces(self.question, question=question, **_sides(size))

    def observe(self, number: int, size: tuple[int, int] | None = None) -> Pieces:
        """What comes with observation `number`; `size` as in `ask`."""
        names = {"number": str(number), "action": str(number - 1), "source": source_name(number)}
        return _pieces(self.observation, **names, **_sides(size))

    def correct(self, malformed: Malformed) -> Pieces:
        return _pieces(self.correction, kind=malformed.kind.value.replace("_", " "), detail=malformed.detail)


@cache
def load_profile(name: str) -> PromptProfile:
    """A shipped profile by name, or a folder with the four files `system.txt`, `question.txt`, ...

    A file `dialect.txt` beside them names the dialect that they teach; without it that is Mini-o3's.

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
            raise UserError(
                f"prompt profile {name}: {path} cannot be read as text; shipped profiles: {known}"
            ) from None
    spoken = folder / "dialect.txt"
    dialect = spoken.read_text(encoding="utf-8", errors="replace").strip() if spoken.is_file() else "mini_o3"
    return PromptProfile(name=folder.name, dialect=dialect, **texts)


def lasting_name(name: str) -> str:
    """The name of a profile that will do from any folder."""
    return name if (PROMPTS_DIR / name).is_dir() else str(Path(name).resolve())


def _sides(size: tuple[int, int] | None) -> dict[str, str]:
    return {} if size is None else {"width": str(size[0]), "height": str(size[1])}


def _pieces(template: str, **values: str) -> Pieces:
    """Fill in the gaps in one pass (a question that contains `{number}` stays as it is) and cut at the image
    mark.

    The image mark counts only in the template: a question that contains `<image>` cannot conjure up a view.
    """
    pieces: Pieces = []
    for index, part in enumerate(template.split(_IMAGE_MARK)):
        if index:
            pieces.append(VIEW)
        out, rest = "", part
        while rest:
            at, name = min(
                ((rest.find(f"{{{n}}}"), n) for n in values if f"{{{n}}}" in rest), default=(-1, "")
            )
            if at < 0:
                out, rest = out + rest, ""
            else:
                out, rest = out + rest[:at] + values[name], rest[at + len(name) + 2 :]
        if out:
            pieces.append(out)
    return pieces
