"""A checkpoint on this machine as a policy: nano, or a Qwen2.5-VL or Qwen3-VL directory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace

from mini_o3.episode import Message, PolicyError, Reply, Request
from mini_o3.models.devices import read_devices, slots_for
from mini_o3.models.engine import Engine
from mini_o3.models.engine import Sequence as EngineSequence
from mini_o3.models.sampling import Sampling
from mini_o3.models.shipped import NANO_DIR, model_folder
from mini_o3.models.vlm import Vlm, budget_of, load_vlm, weights_hash
from mini_o3.policies.spec import PolicySpec
from mini_o3.protocol import PromptProfile, load_profile
from mini_o3.protocol.dialects import load_dialect
from mini_o3.vision import PixelBudget


class Local:
    """Policy that decodes with one loaded model, up to `slots` episodes together; each keeps its KV cache
    over turns.

    With `replicas`, the same weights on further devices, every conversation goes to where the most slots are
    free. `weights` tells the weights it was loaded with from any others; None if it was not loaded from a
    folder.
    """

    def __init__(
        self,
        vlm: Vlm,
        name: str,
        *,
        slots: int = 1,
        sampling: Sampling | None = None,
        budget: PixelBudget | None = None,
        profile: PromptProfile | None = None,
        replicas: Sequence[tuple[Vlm, int]] = (),
    ) -> None:
        self.vlm, self.name = vlm, name
        self.engine = Engine(vlm, slots)
        self.engines = [self.engine, *(Engine(other, of_other) for other, of_other in replicas)]
        self.budget = budget or vlm.budget or PixelBudget()
        self.profile = profile or load_profile(vlm.prompts)
        self.sampling = sampling or Sampling(stops=load_dialect(self.profile.dialect).ends)
        self.context_tokens: int | None = vlm.context_tokens
        self.weights: str | None = None

    @property
    def turn_tokens(self) -> int:
        """The longest turn that it writes."""
        return self.sampling.max_tokens

    @property
    def dialect(self) -> str:
        """Name of the dialect in which it writes its actions: the one that its prompts teach."""
        return self.profile.dialect

    @classmethod
    def load(cls, spec: PolicySpec, note: Callable[[str], None] = lambda line: None) -> Local:
        """Load nano, or the checkpoint of `hf:DIR` (`checkpoint_in`); views are as large as it wants them.

        `note` is told if fewer searches fit into memory together than the concurrency asked for.

        Raises:
            UserError: the directory is not a checkpoint, a device is not here, no search fits into its
                memory, or the dialect of the prompts is unknown.
        """
        folder = model_folder(spec.rest or NANO_DIR)
        devices = read_devices(spec.device)
        loaded = [load_vlm(folder, device) for device in devices]
        vlm, replicas = loaded[0], []
        for number, other in enumerate(loaded):
            part = -(-(spec.episodes_at_once - number) // len(loaded))  # of the searches that go on together
            slots, line = slots_for(other, max(part, 1), devices.count(devices[number]))
            replicas.append((other, slots))
            if line:
                note(line)
        profile = spec.profile() or load_profile(vlm.prompts)
        sampling = Sampling(
            spec.temperature or 0.0,
            spec.turn_tokens or vlm.turn_tokens or Sampling().max_tokens,
            load_dialect(profile.dialect).ends,
        )
        policy = cls(
            vlm,
            spec.policy,
            slots=replicas[0][1],
            sampling=sampling,
            budget=budget_of(vlm, profile, spec.max_pixels),
            profile=profile,
            replicas=replicas[1:],
        )
        policy.weights = weights_hash(folder)
        return policy

    def adjusted(self, *, temperature: float, profile: PromptProfile | None = None) -> Local:
        """The same model and engine, sampled at another temperature, with other prompts if they are given."""
        other = copy.copy(self)
        other.profile = profile or self.profile
        ends = load_dialect(other.profile.dialect).ends
        other.sampling = replace(
            self.sampling, temperature=temperature, stops=ends if profile else self.sampling.stops
        )
        return other

    def open(self, request: Request) -> LocalConversation:
        return LocalConversation(self, request.seed)


class LocalConversation:
    def __init__(self, policy: Local, seed: int) -> None:
        self.policy, self.seed = policy, seed
        self.engine = policy.engine
        self.sequence: EngineSequence | None = None
        self.sampled: list[int] | None = None

    async def reply(self, messages: Sequence[Message]) -> Reply:
        renderer = self.policy.vlm.renderer
        if self.sequence is None:
            if len(self.policy.engines) > 1:
                self.engine = max(self.policy.engines, key=lambda each: len(each.free) - len(each.queue))
            self.sequence = await self.engine.open(self.seed)
        prompt = renderer.prompt(messages, self.sampled)
        room = self.policy.context_tokens
        if self.sampled is None and room is not None and len(prompt.ids) >= room:
            raise PolicyError(
                f"the question and its view take {len(prompt.ids)} tokens of {room}; lower max_pixels"
            )
        sampled = await self.engine.reply(self.sequence, prompt, self.policy.sampling)
        self.sampled = sampled.ids
        text = renderer.decode(sampled.ids)
        sure = renderer.answer_probability(sampled.ids, sampled.log_probs) if "<answer>" in text else None
        return Reply(
            text,
            sampled.finished,
            tuple(prompt.ids),
            tuple(sampled.ids),
            tuple(sampled.log_probs),
            self.sequence.tokens,
            confidence=sure,
        )

    def close(self) -> None:
        if self.sequence is not None:
            self.engine.close(self.sequence)
            self.sequence = None
