"""The one episode loop: asking, collecting, evaluating and rolling out all run this."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from mini_o3.episode.limits import Limits, StopReason
from mini_o3.episode.policy import Conversation, LimitReached, Message, Policy, PolicyError, Reply, Request
from mini_o3.episode.record import Episode, Turn
from mini_o3.episode.session import Corrected, Observed, Outcome, Session
from mini_o3.episode.task import SearchTask
from mini_o3.protocol import Action, Answer, Fault, Malformed, Pieces, PromptProfile, Zoom, source_name
from mini_o3.protocol.dialects import Dialect, Frame, load_dialect
from mini_o3.vision import PixelBudget, Rect, open_picture, show

OnTurn = Callable[[Turn, Outcome, Image.Image | None], None]

#: What the policy is shown of a rectangle of the original: (original, rectangle, budget, number of the view;
#: 0 is the first). Anything but the honest view is a control experiment.
Lens = Callable[[Image.Image, Rect, PixelBudget, int], Image.Image]


def honest(original: Image.Image, rect: Rect, budget: PixelBudget, number: int) -> Image.Image:
    return show(original, rect, budget)


def opening(profile: PromptProfile, question: str, view: Image.Image) -> list[Message]:
    """The messages that every episode begins with."""
    return [
        Message("system", (profile.system,)),
        Message("user", _with_view(profile.ask(question, view.size), view)),
    ]


def response(profile: PromptProfile, outcome: Observed | Corrected, view: Image.Image | None) -> Message:
    """What the environment says after a turn that did not end the episode."""
    if isinstance(outcome, Corrected):
        return Message(
            "user", tuple(part for part in profile.correct(outcome.malformed) if isinstance(part, str))
        )
    assert view is not None
    return Message("user", _with_view(profile.observe(outcome.number, view.size), view))


async def run_episode(
    task: SearchTask,
    policy: Policy,
    limits: Limits,
    *,
    picture: Image.Image | None = None,
    seed: int = 0,
    on_turn: OnTurn | None = None,
    lens: Lens = honest,
) -> Episode:
    """Let `policy` search `task`'s picture until it answers or a limit stops it.

    Its turns are read in the dialect that its prompts teach. A policy that fails ends this episode with
    `POLICY_ERROR`; cancelling the coroutine leaves no record, `on_turn` has seen every finished turn by then.
    `picture`, if given, is the upright original; else it is opened from the task.

    Raises:
        UserError: the picture cannot be opened, or there is no such dialect.
    """
    original = picture if picture is not None else open_picture(task.picture)
    budget, profile = policy.budget, policy.profile
    room = min((n for n in (limits.context_tokens, policy.context_tokens) if n is not None), default=None)
    session = Session(
        original.size,
        replace(limits, context_tokens=room),
        lambda rect: budget.tokens(*budget.fit(rect.width, rect.height)),
    )
    first = lens(original, session.rects[0], budget, 0)
    request = Request(task.id, task.asked, original.size, task.picture, seed)
    conversation = policy.open(request)
    messages = opening(profile, task.asked, first)
    frames = [Frame(session.rects[0], first.size)]
    turns: list[Turn] = []
    error: str | None = None
    try:
        while session.stop is None:
            turn, outcome, view, error = await _turn(
                conversation, messages, session, policy, original, lens, frames
            )
            if turn is not None:
                turns.append(turn)
                if on_turn:
                    on_turn(turn, outcome, view)
            if isinstance(outcome, Observed | Corrected):
                messages = [response(profile, outcome, view)]
    finally:
        conversation.close()
    return Episode(
        task_id=task.id,
        picture=task.picture,
        question=task.asked,
        size=original.size,
        policy=policy.name,
        profile=f"{profile.name}@{profile.hash}",
        limits=limits,
        seed=seed,
        shown=first.size,
        turns=tuple(turns),
        stop=session.stop,
        answer=session.answer,
        error=error,
        expected=task.answer,
    )


async def _turn(
    conversation: Conversation,
    messages: list[Message],
    session: Session,
    policy: Policy,
    original: Image.Image,
    lens: Lens,
    frames: list[Frame],
) -> tuple[Turn | None, Any, Image.Image | None, str | None]:
    began = time.monotonic()
    try:
        reply = await conversation.reply(messages)
    except PolicyError as error:
        session.stop = error.stop if isinstance(error, LimitReached) else StopReason.POLICY_ERROR
        return None, None, None, str(error)
    action = _action(reply, load_dialect(policy.profile.dialect), frames)
    outcome = session.apply(action, reply.context_tokens)
    view = (
        lens(original, outcome.rect, policy.budget, outcome.number) if isinstance(outcome, Observed) else None
    )
    if isinstance(outcome, Observed) and view is not None:
        frames.append(Frame(outcome.rect, view.size))
    turn = Turn(
        text=reply.text,
        action=_describe(action, outcome),
        thought=getattr(action, "thought", ""),
        observation=outcome.number if isinstance(outcome, Observed) else None,
        rect=outcome.rect if isinstance(outcome, Observed) else None,
        shown=view.size if view else None,
        prompt_ids=reply.prompt_ids,
        token_ids=reply.token_ids,
        log_probs=reply.log_probs,
        learn=reply.learn,
        seconds=time.monotonic() - began,
    )
    return turn, outcome, view, None


def _action(reply: Reply, dialect: Dialect, frames: Sequence[Frame]) -> Action:
    action = dialect.parse(reply.text, frames, finished=reply.finished)
    if not reply.finished and isinstance(action, Malformed):
        return Malformed(Fault.UNFINISHED, "Your turn was too long and was cut off; be brief.")
    return action


def _describe(action: Action, outcome: Outcome) -> dict[str, Any]:
    malformed = getattr(outcome, "malformed", None) or (action if isinstance(action, Malformed) else None)
    if malformed:
        return {"malformed": malformed.kind.value, "detail": malformed.detail}
    if isinstance(action, Answer):
        return {"answer": action.text}
    assert isinstance(action, Zoom)
    return {"zoom": list(action.region.xyxy), "source": source_name(action.region.frame)}


def _with_view(pieces: Pieces, view: Image.Image) -> tuple[str | Image.Image, ...]:
    return tuple(piece if isinstance(piece, str) else view for piece in pieces)
