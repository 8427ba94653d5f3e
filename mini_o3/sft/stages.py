"""The two stages by name: which data a configuration trains on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mini_o3.models.vlm import budget_of
from mini_o3.protocol import lasting_name, load_profile
from mini_o3.sft.config import TrainConfig
from mini_o3.sft.data import Source
from mini_o3.sft.episodes import EpisodeData
from mini_o3.sft.model import SftModel
from mini_o3.sft.perception import PerceptionData
from mini_o3.sft.recorded import RecordedEpisodes
from mini_o3.sft.train import train

PHOTOS = tuple(sorted((Path(__file__).parents[1] / "probes" / "photos").glob("*.jpg")))


def run_stage(
    config: TrainConfig,
    out: Path,
    *,
    say: Callable[[str], None],
    stop_after: int | None = None,
    track: str | None = None,
) -> Path:
    """Train the stage that `config` names; see `train`."""
    photos = PHOTOS if config.photos else ()

    def source(model: SftModel) -> tuple[Source, int]:
        vlm = model.vlm
        if config.episodes:
            vlm.profile = lasting_name(config.prompts) if config.prompts else vlm.profile
            profile = load_profile(vlm.prompts)
            vlm.budget = budget_of(vlm, profile, config.max_pixels)
            recorded = RecordedEpisodes.read(
                vlm.renderer, vlm.budget, profile, config.seed, Path(config.episodes), config.context_tokens
            )
            return recorded, len(recorded)
        perception = PerceptionData(
            vlm.renderer,
            config.seed,
            photos,
            config.cells_only * config.scenes,
            config.crowds,
            config.layouts,
            families=config.families,
        )
        if config.stage == "perception":
            return perception, 0
        return EpisodeData(
            vlm.renderer,
            config.seed,
            perception,
            config.perception_share,
            config.comparison_drills,
            photos,
            config.levels,
            config.families,
            config.turns,
            config.lucky_guesses,
            config.corrupted_turns,
            config.observation_offset,
        ), 0

    return train(config, source, out, say=say, stop_after=stop_after, track=track)
