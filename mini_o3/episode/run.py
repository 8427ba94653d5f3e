"""The one episode loop: asking, collecting, evaluating and rolling out all run this."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from PIL import Image

from mini_o3.episode.hints import MOST, hint_text
from mini_o3.episode.limits import Limits, StopReason
from mini_o3.episode.messages import first_of, opening, response
from mini_o3.episode.policy import Message, Policy, PolicyError, Reply, Request
from mini_o3.episode.record import Episode, Placed
from mini_o3.episode.session import Corrected, Observed, Session
from mini_o3.episode.task import SearchTask
from mini_o3.episode.turn import Turn
from mini_o3.protocol import Action, Answer, Fault, Malformed, Zoom
from mini_o3.protocol.dialects import Frame, load_dialect
from mini_o3.vision import Album, Picture, PixelBudget, Rect, held, load_pictures
from mini_o3.vision.proposer import RegionProposer

#: What the policy is shown of a rectangle of the original: (original, rectangle, budget, number of the view;
#: 0 is the first). Anything but the honest view is a control experiment.
Lens = Callable[[Picture, Rect, PixelBudget, int], Image.Image]


def honest(original: Picture, rect: Rect, budget: PixelBudget, number: int) -> Image.Image:
    return original.view(rect, budget)


class EpisodeRun:
    """One episode while it goes on: `step` until `session.stop` is set, then `finish`; or `play`, which does
    both.

    Its turns are read in the dialect that the policy's prompts teach.

    Attributes:
        session: the state of the environment; `session.stop` is None as long as the episode goes on.
        messages: everything that was said, by the environment and by the policy, in order.
        dialect: in which its turns are written.
        views: what the policy was shown; the first is the whole picture, or each of several, then the
            observations.
        turns: the turns so far.
        taken_over: numbers of the turns, from 1, that a person wrote (`take_over`).
    """

    def __init__(
        self,
        task: SearchTask,
        policy: Policy,
        limits: Limits,
        *,
        picture: Picture | Image.Image | None = None,
        seed: int = 0,
        lens: Lens = honest,
        proposer: RegionProposer | None = None,
    ) -> None:
        """`picture`, if given, is the upright original (of several: an `Album`); else it is opened from the
        task. What `proposer` suggests of a single picture goes into the first message, and its best
        boxes into the record.

        Raises:
            UserError: the picture cannot be opened, or there is no such dialect.
        """
        self.task, self.policy, self.limits, self.seed, self.lens = task, policy, limits, seed, lens
        self.picture = load_pictures(task.pictures) if picture is None else held(picture)
        self.dialect = load_dialect(policy.profile.dialect)
        budget, size = policy.budget, self.picture.size
        first = first_of(self.picture, policy.profile)
        room = min((n for n in (limits.context_tokens, policy.context_tokens) if n is not None), default=None)
        self.session = Session(
            size,
            replace(limits, context_tokens=room),
            lambda rect: budget.tokens(*budget.fit(rect.width, rect.height)),
            first,
        )
        self.views = [lens(self.picture, rect, budget, 0) for rect in self.session.rects]
        self.messages = opening(policy.profile, task.asked, self.views, self.picture)
        self._hints: dict[str, object] = {}
        if proposer is not None and self.session.pictures == 1:
            self._hint(proposer)
        self.turns: list[Turn] = []
        self.taken_over: list[int] = []
        self._error: str | None = None
        self._is_lasting = False
        self._confidence: float | None = None  # of the last turn
        self._told = 0  # how many of the messages the policy knows
        self._request = Request(task.id, task.asked, size, task.picture, seed, first)
        self._conversation = policy.open(self._request)
        self._is_open = True

    @property
    def frames(self) -> list[Frame]:
        """What the policy was shown, as its dialect needs to know it: which part, and how large."""
        return [
            Frame(rect, view.size, number < self.session.pictures)
            for number, (rect, view) in enumerate(zip(self.session.rects, self.views, strict=True))
        ]

    async def step(self) -> Turn | None:
        """Let the policy take one turn and carry it out.

        None if the policy failed (`PolicyError`); that ends the episode, with the error in its record.

        Raises:
            RuntimeError: the episode is over.
        """
        if self.session.stop is not None:
            raise RuntimeError(f"the episode is over ({self.session.stop})")
        began = time.monotonic()
        try:
            reply = await self._conversation.reply(self.messages[self._told :])
        except PolicyError as error:
            self._error, self._is_lasting = str(error), error.lasting
            self.session.stop_for(error.stop)
            return None
        return self._carry_out(reply, began)

    def take_over(self, action: Zoom | Answer) -> Turn:
        """Carry out an action of a person in place of the policy, which goes on from there.

        It is recorded in the words of the policy's dialect. The conversation with the policy begins anew,
        since it did not say this itself.

        Raises:
            RuntimeError: the episode is over.
            ValueError: the dialect cannot say it.
        """
        if self.session.stop is not None:
            raise RuntimeError(f"the episode is over ({self.session.stop})")
        text = self.dialect.format_action(action, self.frames)
        turn = self._carry_out(Reply(text), time.monotonic())
        self.taken_over.append(len(self.turns))
        self.close()
        self._conversation, self._is_open, self._told = self.policy.open(self._request), True, 0
        return turn

    def _carry_out(self, reply: Reply, began: float) -> Turn:
        self._confidence = reply.confidence
        action = self._read(reply)
        outcome = self.session.apply(action, reply.context_tokens)
        number = rect = view = None
        if isinstance(outcome, Observed):
            number, rect = outcome.number, outcome.rect
            view = self.lens(self.picture, rect, self.policy.budget, number)
            self.views.append(view)
        elif outcome.malformed is not None:
            action = outcome.malformed
        turn = Turn(
            text=reply.text,
            action=action,
            observation=number,
            rect=rect,
            shown=None if view is None else view.size,
            prompt_ids=reply.prompt_ids,
            token_ids=reply.token_ids,
            log_probs=reply.log_probs,
            learn=reply.learn,
            seconds=time.monotonic() - began,
            usage=reply.usage,
        )
        self.turns.append(turn)
        self.messages.append(Message("assistant", (reply.text,)))
        self._told = len(self.messages)
        if isinstance(outcome, Observed | Corrected):
            self.messages.append(
                response(self.policy.profile, turn, view, len(self.turns), self.session.pictures)
            )
        return turn

    async def play(self) -> Episode:
        """Step until the episode is over; its record. Cancelling leaves no record, but the turns so far."""
        try:
            while self.session.stop is None:
                await self.step()
        finally:
            self.close()
        return self.finish()

    def finish(self, stop: StopReason | None = None, error: str | None = None) -> Episode:
        """Close the conversation and return the record.

        Args:
            stop: why an episode ends that is not over yet.
            error: what to say about that.

        Raises:
            RuntimeError: it is over and `stop` is given, or it is not over and `stop` is not given.
        """
        self.close()
        if stop is not None:
            self.session.stop_for(stop)
        if self.session.stop is None:
            raise RuntimeError("the episode is not over")
        return Episode(
            task_id=self.task.id,
            picture=self.task.picture,
            question=self.task.asked,
            size=self.picture.size,
            policy=self.policy.name,
            profile=f"{self.policy.profile.name}@{self.policy.profile.hash}",
            limits=self.limits,
            seed=self.seed,
            shown=self.views[0].size,
            turns=tuple(self.turns),
            stop=self.session.stop,
            answer=self.session.answer,
            error=error or self._error,
            expected=self.task.answer,
            meta=self._meta(),
            placed=self._placed(),
            first_views=self.session.pictures,
        )

    def _hint(self, proposer: RegionProposer) -> None:
        proposals = proposer.propose(self.picture, self.task.question)
        if text := hint_text(proposer, proposals):
            asked = self.messages[-1]
            self.messages[-1] = replace(asked, parts=(*asked.parts, f"\n{text}"))
        boxes = [[round(value, 4) for value in one.region.xyxy] for one in proposals[:MOST]]
        self._hints = {"proposer": proposer.name, "hints": boxes}

    def _placed(self) -> tuple[Placed, ...]:
        if not isinstance(self.picture, Album):
            return ()
        return tuple(map(Placed, self.task.pictures, self.picture.places))

    def _meta(self) -> dict[str, object]:
        sure = None if self.session.answer is None else self._confidence
        meta = {
            "picture": self.picture.note,
            "lasting": self._is_lasting,
            "taken_over": list(self.taken_over),
            "confidence": None if sure is None else round(sure, 4),
            **self._hints,
        }
        return {key: value for key, value in meta.items() if value}

    def close(self) -> None:
        """Close the conversation with the policy, once."""
        if self._is_open:
            self._is_open = False
            self._conversation.close()

    def _read(self, reply: Reply) -> Action:
        action = self.dialect.parse(reply.text, self.frames, finished=reply.finished)
        if not reply.finished and isinstance(action, Malformed):
            return Malformed(Fault.UNFINISHED, "Your turn was too long and was cut off; be brief.")
        return action


async def run_episode(
    task: SearchTask,
    policy: Policy,
    limits: Limits,
    *,
    picture: Picture | Image.Image | None = None,
    seed: int = 0,
    lens: Lens = honest,
    proposer: RegionProposer | None = None,
) -> Episode:
    """Let `policy` search `task`'s picture until it answers or a limit stops it.

    A policy that fails ends this episode with `POLICY_ERROR`; cancelling the coroutine leaves no record.
    `picture`, if given, is the upright original (of several: an `Album`); else it is opened from the task.

    Raises:
        UserError: the picture cannot be opened, or there is no such dialect.
    """
    return await EpisodeRun(
        task, policy, limits, picture=picture, seed=seed, lens=lens, proposer=proposer
    ).play()
