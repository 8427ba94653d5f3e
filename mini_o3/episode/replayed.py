"""The conversation of a recorded episode, with its views cut anew from the picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mini_o3.episode.messages import first_of, opening, response
from mini_o3.episode.policy import Message
from mini_o3.episode.record import Episode
from mini_o3.episode.turn import Turn
from mini_o3.protocol import PromptProfile
from mini_o3.vision import Picture, PixelBudget, load_pictures


def replay_messages(
    episode: Episode, picture: Picture, profile: PromptProfile, budget: PixelBudget
) -> Iterator[Message]:
    """The whole conversation as it is with these prompts and this budget.

    Each turn of the policy is an assistant message, and the last message is the last turn. `picture` is the
    upright original.
    """
    first = first_of(picture, profile) or (picture.whole,)
    yield from opening(profile, episode.question, [picture.view(rect, budget) for rect in first], picture)
    for number, turn in enumerate(episode.turns, start=1):
        yield Message("assistant", (turn.text,))
        if turn is episode.turns[-1]:
            return
        yield response(
            profile, turn, picture.view(turn.rect, budget) if turn.rect else None, number, len(first)
        )


def is_exemplary(turn: Turn) -> bool:
    """Whether training should imitate this turn: it is no deliberate mistake and not malformed."""
    return turn.learn and turn.malformed is None


def picture_of(episode: Episode, folder: Path) -> Picture:
    """An episode's picture, or all of them: beside its record if it is there, else as recorded.

    Raises:
        UserError: it cannot be opened.
    """
    return load_pictures([_path(name, folder) for name in episode.pictures])


def _path(name: str, folder: Path) -> str:
    path = Path(name)
    beside = folder / path
    return str(beside if not path.is_absolute() and beside.is_file() else path)
