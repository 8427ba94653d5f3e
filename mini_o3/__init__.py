"""Visual search by thinking with images: what programs use of it.

    import mini_o3

    print(mini_o3.ask("probe.jpg", "What digit is on the red star?").answer)

or, in parts:

    task = mini_o3.SearchTask("photo.jpg", "What is written on the small sign?")
    policy = mini_o3.load_policy("api:https://HOST/v1#MODEL")
    episode = asyncio.run(mini_o3.run_episode(task, policy, mini_o3.Limits(turns=12)))

Everything here is imported when it is first used: `import mini_o3` is quick and needs no model library.

| name | what it is |
| --- | --- |
| `ask`, `Asked` | one question about one picture, and what came of it |
| `find`, `Found` | one thing looked for in many pictures, and what came of it |
| `SearchTask`, `read_tasks` | one picture and one question; the tasks of a folder |
| `load_policy`, `PolicySpec` | who decides (`nano`, `api:URL#MODEL`, `hf:DIR` ...), and how it is asked |
| `Limits`, `StopReason` | when an episode ends, and why it did |
| `run_episode`, `Episode` | one search, and its record |
| `run_evaluation`, `make_judge` | how good a policy is on many tasks; who decides what is right |
| `import_tasks` | a benchmark or questions of your own as a folder of tasks |
| `Policy`, `Conversation`, `Request`, `Message`, `Reply`, `PolicyError` | parts of a policy of your own |
| `PixelBudget`, `PromptProfile`, `load_profile` | how large views are, and what is said around them |
| `UserError` | something that was given cannot be used; its text says what to do |
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mini_o3.asking import Asked, ask
    from mini_o3.benchmarks.importer import import_tasks
    from mini_o3.episode import (
        Conversation,
        Episode,
        Limits,
        Message,
        Policy,
        PolicyError,
        Reply,
        Request,
        SearchTask,
        StopReason,
        read_tasks,
        run_episode,
    )
    from mini_o3.evaluate.evaluation import run_evaluation
    from mini_o3.finding.found import Found
    from mini_o3.finding.run import find
    from mini_o3.judge import make_judge
    from mini_o3.kit.errors import UserError
    from mini_o3.policies.load import load_policy
    from mini_o3.policies.spec import PolicySpec
    from mini_o3.protocol import PromptProfile, load_profile
    from mini_o3.vision import PixelBudget

__version__ = "0.1.0"

__all__ = [
    "Asked",
    "Conversation",
    "Episode",
    "Found",
    "Limits",
    "Message",
    "PixelBudget",
    "Policy",
    "PolicyError",
    "PolicySpec",
    "PromptProfile",
    "Reply",
    "Request",
    "SearchTask",
    "StopReason",
    "UserError",
    "__version__",
    "ask",
    "find",
    "import_tasks",
    "load_policy",
    "load_profile",
    "make_judge",
    "read_tasks",
    "run_episode",
    "run_evaluation",
]

#: Module -> the public names that it defines.
_HOMES = {
    "mini_o3.asking": "Asked ask",
    "mini_o3.episode": (
        "Conversation Episode Limits Message Policy PolicyError Reply Request SearchTask StopReason"
        " read_tasks run_episode"
    ),
    "mini_o3.evaluate.evaluation": "run_evaluation",
    "mini_o3.benchmarks.importer": "import_tasks",
    "mini_o3.finding.found": "Found",
    "mini_o3.finding.run": "find",
    "mini_o3.judge": "make_judge",
    "mini_o3.kit.errors": "UserError",
    "mini_o3.policies.load": "load_policy",
    "mini_o3.policies.spec": "PolicySpec",
    "mini_o3.protocol": "PromptProfile load_profile",
    "mini_o3.vision": "PixelBudget",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'mini_o3' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
