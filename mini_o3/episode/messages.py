"""What the environment says: the first message of an episode, and the answer to every turn."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from mini_o3.episode.policy import Message
from mini_o3.episode.turn import Turn
from mini_o3.protocol import Pieces, PromptProfile
from mini_o3.protocol.dialects import load_dialect
from mini_o3.vision import Album, Picture, Rect
from mini_o3.vision.album import SHEET, SHOWN


def first_of(picture: Picture, profile: PromptProfile) -> tuple[Rect, ...]:
    """The pictures of an album whose first views are all shown; none where one view shows everything: of a
    single picture, of more than `SHOWN`, or where a dialect cannot say which of them it means."""
    if (
        isinstance(picture, Album)
        and len(picture.places) <= SHOWN
        and load_dialect(profile.dialect).picture_label
    ):
        return picture.places
    return ()


def opening(
    profile: PromptProfile, question: str, views: Sequence[Image.Image], picture: Picture | None = None
) -> list[Message]:
    """The messages that every episode begins with; `views` show the whole picture, or each of several."""
    if len(views) > 1:
        spoken = load_dialect(profile.dialect)
        sizes = [view.size for view in views]
        pieces = profile.ask_several(question, sizes, spoken.picture_label, spoken.several)
    else:
        if isinstance(picture, Album):
            question = f"{question}\n{SHEET.format(count=len(picture.places))}"
        pieces = profile.ask(question, views[0].size)
    left = iter(views)
    parts = tuple(piece if isinstance(piece, str) else next(left) for piece in pieces)
    return [Message("system", (profile.system,)), Message("user", parts)]


def response(
    profile: PromptProfile, turn: Turn, view: Image.Image | None, number: int, pictures: int = 1
) -> Message:
    """What the environment says after turn `number`, counted from 1, if it did not end the episode.

    `view` shows the observation that the turn made; None for a malformed turn. The episode began with so many
    `pictures`.
    """
    if turn.malformed is not None:
        pieces = profile.correct(turn.malformed)
        return Message("user", tuple(piece for piece in pieces if isinstance(piece, str)))
    assert turn.observation is not None
    assert view is not None
    spoken = load_dialect(profile.dialect)
    label = number if spoken.labels_turns else turn.observation
    label += pictures - 1 if spoken.counts_pictures else 0
    return Message("user", _with_view(profile.observe(label, view.size), view))


def _with_view(pieces: Pieces, view: Image.Image) -> tuple[str | Image.Image, ...]:
    return tuple(piece if isinstance(piece, str) else view for piece in pieces)
