"""Control experiments: the same run, but what the policy is shown is not what it asked to see.

An accuracy that survives these does not come from looking. VisualNeedle (arXiv 2605.26380) blackens crops;
swapping them between questions, and showing nothing at all, are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from PIL import Image

from mini_o3.episode import Lens, SearchTask
from mini_o3.episode.run import honest
from mini_o3.kit.errors import SettingError
from mini_o3.vision import Picture, PixelBudget, Rect, Region, load_picture

LensOf = Callable[[SearchTask], Lens]


def lens_of(views: str, tasks: Sequence[SearchTask]) -> LensOf:
    """How a task is shown: `honest`; `black` or `swapped` observations; `blind`: the first view is black too.

    A swapped observation is the same part of the picture of the next task that has another one, at the size
    of the real one.

    Raises:
        UserError: observations are to be swapped, and there is one picture only.
    """
    if views == "black":
        return lambda task: lambda original, rect, budget, number: _black(original, rect, budget, number > 0)
    if views == "blind":
        return lambda task: lambda original, rect, budget, number: _black(original, rect, budget, True)
    if views == "swapped":
        return _swapped(tasks)
    return lambda task: honest


def are_several(tasks: Sequence[SearchTask]) -> bool:
    """Whether the tasks are on more than one picture."""
    return len({task.picture for task in tasks}) > 1


def _black(original: Picture, rect: Rect, budget: PixelBudget, dark: bool) -> Image.Image:
    view = original.view(rect, budget)
    return Image.new("RGB", view.size) if dark else view


def _swapped(tasks: Sequence[SearchTask]) -> LensOf:
    if not are_several(tasks):
        raise SettingError(
            "views", "all tasks are on one picture, so there is none to swap with; add others", "swapped"
        )
    partners: dict[str, str] = {}
    for index, task in enumerate(tasks):
        others = (
            other.picture for other in [*tasks[index + 1 :], *tasks[:index]] if other.picture != task.picture
        )
        partners[task.id] = next(others)
    opened = lru_cache(maxsize=4)(load_picture)

    def lens_for(task: SearchTask) -> Lens:
        def lens(original: Picture, rect: Rect, budget: PixelBudget, number: int) -> Image.Image:
            view = original.view(rect, budget)
            if number == 0:
                return view
            other = opened(partners[task.id])
            part = Region.of_rect(rect, original.size).to_rect(other.whole)
            return other.view(part, budget).resize(view.size)

        return lens

    return lens_for
