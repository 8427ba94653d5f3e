"""Recorded episodes as training samples: rendered like rollouts, views cut again from the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mini_o3.episode import Episode
from mini_o3.episode.replayed import is_exemplary, picture_of, replay_messages
from mini_o3.episode.store import answered_episodes
from mini_o3.kit.rng import stream
from mini_o3.models.chat import ChatRenderer, Rendered
from mini_o3.protocol import PromptProfile
from mini_o3.sft.perception import Sample
from mini_o3.vision import Picture, PixelBudget


@dataclass(frozen=True, slots=True)
class RecordedEpisodes:
    """Index -> one episode as a sample, in an order that the seed shuffles. Turns marked `learn: false` are
    context only.

    An episode longer than `context_tokens` (None: no limit) ends with the last turn that fits.
    """

    renderer: ChatRenderer
    budget: PixelBudget
    profile: PromptProfile
    seed: int
    folder: Path
    episodes: tuple[Episode, ...]
    context_tokens: int | None = None

    @classmethod
    def read(
        cls,
        renderer: ChatRenderer,
        budget: PixelBudget,
        profile: PromptProfile,
        seed: int,
        folder: Path,
        context_tokens: int | None = None,
    ) -> RecordedEpisodes:
        """The answered episodes of a folder; relative pictures are taken from it, or from here.

        Raises:
            UserError: there are none, or a row is not an episode.
        """
        kept = tuple(answered_episodes(folder))
        return cls(renderer, budget, profile, seed, folder, kept, context_tokens)

    def __len__(self) -> int:
        return len(self.episodes)

    def __call__(self, index: int) -> list[Sample]:
        order = stream("recorded", self.seed).permutation(len(self.episodes))
        episode = self.episodes[order[index]]
        sample = self._render(episode, picture_of(episode, self.folder))
        return [sample] if sample.ids else []

    def _render(self, episode: Episode, picture: Picture) -> Sample:
        whole, turns = Rendered(), iter(episode.turns)
        written: Rendered | None = None
        tokens = views = 0  # up to the end of the last turn that fits
        for message in replay_messages(episode, picture, self.profile, self.budget):
            if message.role != "assistant":
                if written is not None:
                    whole.add(self.renderer.turn_suffix(written.ids))
                    written = None
                whole.add(self.renderer.message(message.role, message.parts))
                continue
            turn = next(turns)
            whole.add(self.renderer.generation_prompt())
            written = self.renderer.assistant_message(turn.text)
            if not is_exemplary(turn):
                written.mask = [0] * len(written.ids)
            whole.add(written)
            if self.context_tokens is not None and len(whole.ids) > self.context_tokens:
                break
            tokens, views = len(whole.ids), len(whole.views)
        return Sample(
            whole.ids[:tokens], [float(wrote) for wrote in whole.mask[:tokens]], whole.views[:views]
        )
