"""A prompt profile from files that a user has: the official constants file, or the official cold-start data.

The released weights were trained with other texts than ours and expect them byte for byte. The texts are read
as data: a Python file is parsed and never executed; only string literals are taken from it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import require
from mini_o3.kit.files import make_folder, write_text
from mini_o3.kit.reading import json_lines, read_json, read_text
from mini_o3.protocol.prompts import PromptProfile, load_profile

_VISION = "<|vision_start|><|image_pad|><|vision_end|>"
# what the released environment puts before its advice
_FAILED = "ERROR occurs during grounding. Error Information: "
_ACTION, _OBSERVATION = re.compile(r"\bAction 0\b"), re.compile(r"\bObservation 1\b")


def import_profile(file: Path, out: Path) -> PromptProfile:
    """Write the profile that `file` holds to the folder `out`, ready to be named as prompts, and return it.

    Args:
        file: the official `constants.py`, or rows of the cold-start data as .parquet, .json or .jsonl.

    Raises:
        UserError: the file cannot be read, or the texts are not in it.
    """
    if file.suffix == ".py":
        texts = _from_constants(file)
    elif file.suffix in (".parquet", ".json", ".jsonl"):
        texts = _from_rows(file)
    else:
        raise UserError(f"{file}: expected the official constants.py, or rows as .parquet, .json or .jsonl")
    make_folder(out)
    for part, text in texts.items():
        write_text(out / f"{part}.txt", text + "\n")
    return load_profile(str(out))


def _from_constants(file: Path) -> dict[str, str]:
    constants = _string_constants(file)
    system = _only(
        file, constants, "a system text (bbox_2d, grounding, answer)", lambda t: "bbox_2d" in t and "{" in t
    )
    seen = _only(
        file, constants, "an observation text ({observation_turn})", lambda t: "{observation_turn}" in t
    )
    advice = _only(
        file,
        {k: v for k, v in constants.items() if k.startswith("ERROR")},
        "an ERROR... text",
        lambda t: True,
    )
    return {
        "system": system,
        "question": "<image>\n{question}",
        "observation": _renamed(seen),
        "correction": f"{_FAILED}{{detail}}.\n{advice}",
    }


def _renamed(text: str) -> str:
    names = {"{action_turn}": "{action}", "{observation_turn}": "{number}", _VISION: "<image>"}
    for theirs, ours in names.items():
        text = text.replace(theirs, ours)
    return text


def _string_constants(file: Path) -> dict[str, str]:
    """Name -> value of every top-level string literal."""
    try:
        tree = ast.parse(read_text(file))
    except UserError:
        raise
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{file}: cannot be read as Python ({error})") from None
    found = {}
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            found.update(
                {target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)}
            )
    return found


def _only(file: Path, constants: dict[str, str], what: str, fits: Callable[[str], bool]) -> str:
    """The one constant that fits; where several do, the one whose name has no VIDEO."""
    names = [name for name, text in constants.items() if fits(text)]
    names = [name for name in names if "VIDEO" not in name] or names
    if len({constants[name] for name in names}) != 1:
        many = f"holds {len(names)} of them ({', '.join(names)})" if names else "holds none"
        raise UserError(
            f"{file}: expected {what}, and it {many}; give the official verl/trainer/constants.py"
        )
    return constants[names[0]]


def _from_rows(file: Path) -> dict[str, str]:
    """From the first conversation that has a system text and an observation."""
    for turns in _conversations(file):
        texts = [(str(turn.get("from")), str(turn.get("value"))) for turn in turns if isinstance(turn, dict)]
        system = next((text for who, text in texts if who == "system"), None)
        humans = [text for who, text in texts if who == "human"]
        seen = next((text for text in humans[1:] if "<image>" in text and _OBSERVATION.search(text)), None)
        if system and seen:
            failed = next((text for text in humans if text.startswith(_FAILED)), None)
            return {
                "system": system,
                "question": "<image>\n{question}",
                "observation": _OBSERVATION.sub("Observation {number}", _ACTION.sub("Action {action}", seen)),
                "correction": _template(failed) if failed else load_profile("search").correction,
            }
    raise UserError(f"{file}: no conversation there has a system text and a first observation")


def _template(failed: str) -> str:
    """The error text with a gap in place of its detail, which ends with the first line."""
    _, _, advice = failed.partition(".\n")
    return f"{_FAILED}{{detail}}.\n{advice}"


def _conversations(file: Path) -> Sequence[list[Any]]:
    try:
        if file.suffix == ".parquet":
            require("data", "reading parquet files")
            import pyarrow.parquet as pq

            batch = next(pq.ParquetFile(file).iter_batches(batch_size=64, columns=["conversations"]), None)
            rows = batch.to_pylist() if batch is not None else []
        else:
            data = [line.row for line in json_lines(file)] if file.suffix == ".jsonl" else read_json(file)
            rows = data if isinstance(data, list) else [data]
        found = [row["conversations"] for row in rows]
        found = [ast.literal_eval(turns) if isinstance(turns, str) else turns for turns in found]
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, RecursionError) as error:
        raise UserError(f"{file}: holds no conversations ({error})") from None
    return [turns for turns in found if isinstance(turns, list)]
