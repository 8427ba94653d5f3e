"""Recorded episodes as training samples: rendered like rollouts, views cut again from the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mini_o3.episode import EPISODES_FILE, Corrected, Episode, Observed, StopReason, opening, response
from mini_o3.kit.errors import UserError
from mini_o3.kit.rundir import read_jsonl
from mini_o3.kit.seed import stream
from mini_o3.models.render import ChatRenderer, Rendered
from mini_o3.protocol import Fault, Malformed, PromptProfile
from mini_o3.sft.perception import Sample
from mini_o3.vision import PixelBudget, Rect, open_picture, show


@dataclass(frozen=True, slots=True)
class RecordedEpisodes:
    """Index -> one episode as a sample, in an order that the seed shuffles. Turns marked `learn: false` are context only."""

    renderer: ChatRenderer
    budget: PixelBudget
    profile: PromptProfile
    seed: int
    folder: Path
    episodes: tuple[Episode, ...]

    @classmethod
    def read(
        cls, renderer: ChatRenderer, budget: PixelBudget, profile: PromptProfile, seed: int, folder: Path
    ) -> RecordedEpisodes:
        """The answered episodes of a folder; relative pictures are taken from it, or from here.

        Raises:
            UserError: there are none, or a row is not an episode.
        """
        path = folder / EPISODES_FILE
        try:
            found = [Episode.from_dict(row) for row in read_jsonl(path)]
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: holds a row that is not an episode ({error!r}); remove or mend it") from None
        kept = tuple(episode for episode in found if episode.stop is StopReason.ANSWERED)
        if not kept:
            raise UserError(f"{path}: no answered episodes there; make some with `mini-o3 eval --policy teacher`")
        return cls(renderer, budget, profile, seed, folder, kept)

    def __len__(self) -> int:
        return len(self.episodes)

    def __call__(self, index: int) -> list[Sample]:
        order = stream("recorded", self.seed).permutation(len(self.episodes))
        episode = self.episodes[order[index]]
        path = Path(episode.picture)
        beside = self.folder / path
        return [self._render(episode, open_picture(str(beside if beside.is_file() and not path.is_absolute() else path)))]

    def _render(self, episode: Episode, picture: Image.Image) -> Sample:
        renderer, whole = self.renderer, Rendered()
        for message in opening(self.profile, episode.question, show(picture, Rect(0, 0, *picture.size), self.budget)):
            whole.add(renderer.message(message.role, message.parts))
        for turn in episode.turns:
            whole.add(renderer.invitation())
            spoken = renderer.spoken(turn.text)
            if not turn.learn or turn.malformed:  # nobody should learn to write what could not be read
                spoken.mask = [0] * len(spoken.ids)
            whole.add(spoken)
            if turn is episode.turns[-1]:
                break
            whole.add(renderer.closing(spoken.ids))
            if turn.rect is not None and turn.observation is not None:
                message = response(
                    self.profile, Observed(turn.observation, turn.rect, 0), show(picture, turn.rect, self.budget)
                )
            else:
                fault = Malformed(Fault(turn.action["malformed"]), turn.action["detail"])
                message = response(self.profile, Corrected(fault), None)
            whole.add(renderer.message(message.role, message.parts))
        return Sample(whole.ids, [float(wrote) for wrote in whole.mask], whole.views)
