"""What a model that judges is told, from a text file, and what its reply says, read strictly."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mini_o3.judge.neutral import quoted, visible
from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import read_text
from mini_o3.kit.text import without_special_tokens

PROMPTS_DIR = Path(__file__).parent / "prompts"
_FIELDS = {
    "question": "question",
    "truth": "truth",
    "ground_truth": "truth",
    "answer": "answer",
    "prediction": "answer",
}
_FIELD = re.compile(r"\{(" + "|".join(_FIELDS) + r")\}")
_LABELS = ("verdict", "score", "judgement", "judgment")
_VALUES = {"correct": True, "1": True, "incorrect": False, "0": False}
_LABEL = re.compile(rf"\b(?:{'|'.join(_LABELS)})\b[\s\"'*_`]*[:=](?!\s*```)", re.I)
_LINE = re.compile(rf"[*_`\s]*(?:{'|'.join(_LABELS)})[*_`\s]*[:=][*_`\s]*([a-z\d]+)[*_`.\s]*", re.I)
_WORD = re.compile(r"[*_`\"'\s]*(correct|incorrect)[*_`\"'.\s]*", re.I)
_FENCE = "```"


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """A text with `{question}`, `{truth}` (or `{ground_truth}`) and `{answer}` (or `{prediction}`) where they
    go.

    Attributes:
        system: said first; empty if the text has no line `---`, which ends it.
        user: the rest.
    """

    system: str
    user: str

    @property
    def hash(self) -> str:
        """Twelve hex digits of the text."""
        return hashlib.sha256(f"{self.system}\x00{self.user}".encode()).hexdigest()[:12]

    def messages(self, question: str, truth: str, answer: str) -> list[dict[str, Any]]:
        """The conversation about one answer. The answer is quoted and what it contains is never filled in
        again."""
        values = {"question": visible(question), "truth": visible(truth), "answer": quoted(answer)}
        texts = [("system", self.system), ("user", self.user)]
        return [
            {"role": role, "content": _FIELD.sub(lambda match: values[_FIELDS[match[1]]], text)}
            for role, text in texts
            if text
        ]


def load_prompt(path: Path | None = None) -> JudgePrompt:
    """The prompt of a text file; None: the bundled one.

    Raises:
        UserError: it cannot be read, or has no place for the expected answer or the answer.
    """
    path = path or PROMPTS_DIR / "default.txt"
    try:
        lines = read_text(path).split("\n")
    except UserError as error:
        raise UserError(
            f"{path}: not a readable text file ({error}); give the judge's prompt as one"
        ) from None
    rows = [index for index, line in enumerate(lines) if line.strip() == "---"]
    cut = rows[0] if rows else -1
    prompt = JudgePrompt("\n".join(lines[: max(cut, 0)]).strip(), "\n".join(lines[cut + 1 :]).strip())
    found = {_FIELDS[name] for name in _FIELD.findall(prompt.system + prompt.user)}
    if missing := {"truth", "answer"} - found:
        raise UserError(
            f"{path}: has no {' and no '.join(f'{{{name}}}' for name in sorted(missing))}; put it where it"
            " goes"
        )
    return prompt


def read_verdict(reply: str) -> bool | None:
    """Whether a judge's reply says correct or incorrect; None unless it says exactly one of them in a form
    that is known.

    Known are the word alone, JSON with one of the keys verdict, score, judgement, and a line `Score: 1`; the
    last two may end a longer reply, JSON also in a code block, if no other place of it has such a label. What
    comes before the last `</think>` is a thought, also if a chat template wrote its opening tag; it is not
    read.
    """
    text = without_special_tokens(reply.rpartition("</think>")[2]).strip()
    if word := _WORD.fullmatch(text):
        return _VALUES[word[1].lower()]
    if len(_LABEL.findall(text)) != 1:
        return None
    last = _last_part(text)
    if line := _LINE.fullmatch(last):
        return _VALUES.get(line[1].lower())
    for candidate in (text, last):
        try:
            data = json.loads(candidate, object_pairs_hook=_once)
        except (ValueError, RecursionError):
            continue
        return _value(data)
    return None


def _last_part(text: str) -> str:
    """The code block that a text ends with, or else its last line."""
    if text.endswith(_FENCE):
        block = text.removesuffix(_FENCE).rpartition(_FENCE)[2]
        return block.removeprefix("json").strip()
    return text.rsplit("\n", 1)[-1].strip()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key is given twice")
    return data


def _value(data: Any) -> bool | None:
    if not isinstance(data, dict):
        return None
    found = [value for key, value in data.items() if key.lower() in _LABELS]
    if len(found) != 1 or isinstance(found[0], float):
        return None
    if isinstance(found[0], bool):
        return found[0]
    return _VALUES.get(str(found[0]).strip().lower())
