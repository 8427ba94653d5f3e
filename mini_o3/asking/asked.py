"""What came of a question, and which of several searches stands for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from mini_o3.episode import Episode, Status, StopReason
from mini_o3.judge import tally
from mini_o3.show.page import episode_page
from mini_o3.show.result import result_of
from mini_o3.vision import InMemory, Picture, Rect

_COPY = 4096  # pixels of its longer side
_FRAME = "width: 100%; height: 640px; border: 1px solid #ddd"


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """What came of a question. A notebook shows it as the page of the search.

    Attributes:
        episode: the record of the search; of several, of the one that stands for their vote (`elect`).
        searches: the records of all searches, by seed.
        picture: the picture, upright.
        folder: where the records and the page were written; None if they were not.
    """

    episode: Episode
    searches: tuple[Episode, ...]
    picture: Picture
    folder: Path | None = None

    @property
    def original(self) -> Image.Image:
        """The picture for Pillow; of one that is not in memory a smaller copy."""
        picture = self.picture
        return picture.image if isinstance(picture, InMemory) else picture.thumbnail(_COPY)

    @property
    def answer(self) -> str | None:
        """The answer; None if the search ended without one, and `episode.stop` says why."""
        return self.episode.answer

    @property
    def status(self) -> Status:
        """What came of it, in one word."""
        return self.episode.status

    @property
    def evidence(self) -> Rect | None:
        """What the answer rests on, in pixels of the upright picture (of several: `evidence_picture`).

        It is the box that the answer names, else what was looked at last (`episode.evidence_source`).
        """
        region, found = self.episode.evidence, self.episode.evidence_in
        if found is not None:
            return found.rect
        return None if region is None else region.to_rect(Rect(0, 0, *self.episode.size))

    @property
    def evidence_picture(self) -> str | None:
        """The file that the evidence lies in; None without evidence, or where it covers several pictures."""
        found = self.episode.evidence_in
        return None if found is None else found.picture

    @property
    def page(self) -> Path | None:
        """The file with the page of the search; None if nothing was written."""
        return None if self.folder is None else self.folder / "episode.html"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: status, answer, confidence, evidence, then the record (`show.result.result_of`)."""
        return result_of(self.episode)

    def to_html(self) -> str:
        """The page of the search, which needs nothing else."""
        return episode_page(self.episode, self.picture)

    def _repr_html_(self) -> str:
        return f'<iframe style="{_FRAME}" srcdoc="{escape(self.to_html())}"></iframe>'

    def __repr__(self) -> str:
        found = f"answer={self.answer!r}, evidence={self.evidence}"
        return f"Asked({found}, status={self.status.value!r}, turns={self.episode.num_turns})"


class Interrupted(KeyboardInterrupt):
    """Asking was interrupted; `asked` is what was found until then."""

    def __init__(self, asked: Asked) -> None:
        super().__init__("interrupted")
        self.asked = asked


def elect(searches: Sequence[Episode]) -> Episode:
    """The first search, by seed, that gave the most frequent answer (`judge.tally`); its `meta` holds the
    votes.

    Interrupted searches do not vote, nor do those that the policy failed in. Without any answer it is the
    first that went
    furthest: to its end, then as far as it was let, then until the policy failed.
    """
    by_seed = sorted(searches, key=lambda one: one.seed)
    groups = tally([one.answer for one in by_seed])
    chosen = by_seed[groups[0][0]] if groups else min(by_seed, key=lambda one: _BROKEN_OFF.get(one.stop, 0))
    counts = {
        "ended": sum(one.stop is not StopReason.INTERRUPTED for one in by_seed),
        "failed": sum(one.stop is StopReason.POLICY_ERROR for one in by_seed),
    }
    votes = {str(by_seed[group[0]].answer): len(group) for group in groups}
    return replace(chosen, meta={**chosen.meta, **counts, "votes": votes})


_BROKEN_OFF = {StopReason.INTERRUPTED: 1, StopReason.POLICY_ERROR: 2}
