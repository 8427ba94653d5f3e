"""A recorded episode played again: for tests, for looking at other people's runs, for changed limits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mini_o3.episode import Message, PolicyError, Reply, Request
from mini_o3.episode.store import Key, keep_last
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import read_jsonl
from mini_o3.kit.reading import SHAPE_ERRORS, in_words, open_file, read_object
from mini_o3.protocol import PromptProfile, load_profile
from mini_o3.vision import PixelBudget


class Replay:
    """Says what was said before. `scripts` maps a task id (or `*` for any task) to the texts of its turns;
    where a task was searched several times, `searches` has those of each seed."""

    name = "replay"
    context_tokens: int | None = None

    def __init__(
        self,
        scripts: dict[str, list[str]],
        *,
        searches: dict[Key, list[str]] | None = None,
        budget: PixelBudget | None = None,
        profile: PromptProfile | None = None,
    ) -> None:
        self.scripts, self.searches = scripts, searches or {}
        self.budget = budget or PixelBudget()
        self.profile = profile or load_profile("search")

    @property
    def dialect(self) -> str:
        """Name of the dialect in which it writes its actions: the one that its prompts teach."""
        return self.profile.dialect

    @classmethod
    def read(
        cls, path: str, *, budget: PixelBudget | None = None, profile: PromptProfile | None = None
    ) -> Replay:
        """From `episodes.jsonl` or one `episode.json`; the episode of a file with one task replays for any
        task.

        Of several searches of a task that of the seed asked for is played, else the one of the lowest; of
        several records of one search the last in which the policy did not fail.

        Raises:
            UserError: the file is missing or holds no episode.
        """
        searches: dict[Key, list[str]] = {}
        open_file(path).close()  # says what is wrong with it
        try:
            for row in [read_object(path)] if path.endswith(".json") else read_jsonl(Path(path)):
                key = str(row["task_id"]), int(row.get("seed", 0))
                keep_last(searches, key, [str(turn["text"]) for turn in row["turns"]], row.get("stop", ""))
        except SHAPE_ERRORS as error:
            raise UserError(
                f"{path}: not an episode record ({in_words(error)}); give the episodes.jsonl of a run"
            ) from None
        scripts: dict[str, list[str]] = {}
        for task_id, seed in sorted(searches):
            scripts.setdefault(task_id, searches[task_id, seed])
        if not scripts:
            raise UserError(f"{path}: holds no episode; give the episodes.jsonl of a run")
        if len(scripts) == 1:
            scripts["*"] = next(iter(scripts.values()))
        return cls(scripts, searches=searches, budget=budget, profile=profile)

    def open(self, request: Request) -> ReplayConversation:
        search = self.searches.get((request.task_id, request.seed))
        return ReplayConversation(search or self.scripts.get(request.task_id) or self.scripts.get("*") or [])


class ReplayConversation:
    def __init__(self, texts: list[str]) -> None:
        self.texts = iter(texts)

    async def reply(self, messages: Sequence[Message]) -> Reply:
        text = next(self.texts, None)
        if text is None:
            raise PolicyError("the recording ends here")
        return Reply(text)

    def close(self) -> None: ...
