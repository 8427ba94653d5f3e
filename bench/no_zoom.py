"""How often nano is right if it is made to answer from the overview alone.

With `--turns 1` nano is never right, because it always zooms first. Here its first thought is cut short for
it: it has to go on from `<think>Find GOAL; answer`, so it gives the best guess it has. Usage: python
bench/no_zoom.py runs/easy
"""

import asyncio
import sys

from mini_o3.episode import opening, read_tasks
from mini_o3.models.chat import Rendered
from mini_o3.models.engine import Engine
from mini_o3.models.sampling import Sampling
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.vlm import load_vlm
from mini_o3.probes.shapes.questions import restate
from mini_o3.probes.shapes.truth import truth_of
from mini_o3.protocol import load_profile
from mini_o3.vision import Rect, open_picture, show


async def main(folder: str) -> None:
    vlm, profile = load_vlm(NANO_DIR), load_profile("nano")
    assert vlm.budget is not None
    tasks, engine = read_tasks(folder), Engine(vlm, slots=1)
    right = 0
    for task in tasks:
        picture = open_picture(task.picture)
        whole = Rendered()
        for message in opening(
            profile, task.question, [show(picture, Rect(0, 0, *picture.size), vlm.budget)]
        ):
            whole.add(vlm.renderer.message(message.role, message.parts))
        whole.add(vlm.renderer.generation_prompt())
        ids = vlm.renderer.encode(f"<think>Find {restate(truth_of(task).goal)}; answer")
        whole.add(Rendered(ids, [1] * len(ids)))
        sequence = await engine.open()
        sampled = await engine.reply(sequence, whole, Sampling(max_tokens=1))
        engine.close(sequence)
        right += vlm.renderer.decode(sampled.ids).strip() == task.answer
    share = right / len(tasks)
    error = (share * (1 - share) / max(len(tasks) - 1, 1)) ** 0.5
    print(f"{share:.4f} +- {error:.4f} on {len(tasks)} tasks, answered from the overview alone")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
