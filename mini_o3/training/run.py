"""One training in its folder, under every kind of training: claim, resume, log, save, stop.

with TrainingRun(out, config, say=say) as run:        # the folder is ours alone
    learner = ...                                     # load and build all that is needed
    run.claim()                                       # refuses a folder with another run
    if run.start(step_of_the_newest_state, steps):    # cuts the log back; Ctrl-C waits from here on
        while True:
            run.record(one_step())
            stop = run.must_stop(step)                # alike on all processes
            if stop or run.must_save():
                save()
            if stop:
                break
        run.finish()
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image

from mini_o3.kit.config import defaults_of
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, make_folder, write_jsonl
from mini_o3.kit.run import cut_log, ensure_same_run, folder_lock
from mini_o3.kit.signals import stop_signals
from mini_o3.training.metrics import METRICS_FILE, Row, standard
from mini_o3.training.processes import Processes
from mini_o3.training.settings import TrainingSettings
from mini_o3.training.track import open_tracker

NON_FINITE = "non_finite"  # folder of batches whose loss was not a number


class TrainingRun:
    """A training in its folder, on one process or on each of several.

    Attributes:
        rows: the log so far by the names of `METRICS`, alike on all processes, without the row of step 0.
        reason: why the training should end before its last step, or None.
    """

    def __init__(
        self,
        out: Path,
        config: TrainingSettings,
        *,
        say: Callable[[str], None],
        save_minutes: float,
        stop_after: int | None = None,
        track: str | None = None,
    ) -> None:
        """`stop_after` ends it at a step before the last one; `track` names who else gets the metrics."""
        self.out, self.config, self.save_minutes, self.stop_after = out, config, save_minutes, stop_after
        self.processes = Processes()
        self.say = say if self.processes.is_main else lambda line: None
        self.track = open_tracker(track) if track and self.processes.is_main else None
        self.rows: list[Row] = []
        self.reason: str | None = None
        self.first = self.step = self.steps = self.end = 0
        self._open = ExitStack()

    def __enter__(self) -> TrainingRun:
        make_folder(self.out)
        if self.processes.is_main:
            self._open.enter_context(folder_lock(self.out))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def claim(self) -> None:
        """Write down what made this run. Called last of all preparations: what cannot run claims nothing.

        Raises:
            UserError: the folder holds a run with other settings, or a model that no run there has made.
        """
        if self.processes.is_main:
            kind = type(self.config)
            settings = json.loads(self.config.model_dump_json())
            ensure_same_run(self.out, settings, kind.free_to_change, defaults_of(kind), kind.renamed)

    def start(self, done: int, steps: int) -> bool:
        """Go on after step `done` of `steps`, with the log cut back to it; False if nothing is left to do.

        Raises:
            UserError: nothing is done, and yet the folder holds a model.
        """
        self.first = self.step = done
        self.steps, self.end = steps, min(steps, self.stop_after or steps)
        if not done and (self.out / "model").exists():
            raise UserError(
                f"{self.out}: holds a model, but no state to go on from; give another `out` folder"
            )
        rows = cut_log(self.out / METRICS_FILE, done or -1) if self.processes.is_main else []
        self.rows = [standard(row) for row in self.processes.all(rows)[0] if row["step"]]
        if done >= self.end:
            self.say(f"{self.out}: is at step {done} of {steps} already")
            return False
        whence = f"goes on after step {done} of {steps}" if done else f"{steps} steps"
        self.say(f"{self.out}: {whence}; the time left is known after the next one")
        if self.track:
            self.track.start(self.out, json.loads(self.config.model_dump_json()))
            self._open.callback(self.track.close)
        self._stopping = self._open.enter_context(stop_signals())
        self._began = self._saved = time.monotonic()
        return True

    def record(self, row: Row) -> None:
        """Add a row to the log; those of step 0 are not among `rows`."""
        self.step = max(self.step, row["step"])
        if row["step"]:
            self.rows.append(row)
        if self.processes.is_main:
            append_jsonl(self.out / METRICS_FILE, row)
        if self.track:
            self.track.log(row)

    def pace(self) -> str:
        """Seconds per step of this start, and the minutes left at that pace, in words."""
        seconds = (time.monotonic() - self._began) / max(self.step - self.first, 1)
        return f"{seconds:.2f} s/step, {(self.end - self.step) * seconds / 60:.0f} min left"

    def elapsed(self) -> float:
        """Seconds since this start."""
        return time.monotonic() - self._began

    def must_stop(self, step: int, reason: str | None = None) -> bool:
        """Whether the training ends after this step, on all processes: it was the last one, any of them was
        told to stop, or there is a reason."""
        self.step, self.reason = step, reason
        return self.processes.any(bool(reason) or step >= self.end or self._stopping())

    def must_save(self) -> bool:
        """Whether all processes save now, which is so many minutes after they did so last."""
        due = self.processes.any(time.monotonic() - self._saved > self.save_minutes * 60)
        if due:
            self._saved = time.monotonic()
        return due

    def finish(self) -> None:
        """Say how far it came, once all is saved.

        Raises:
            KeyboardInterrupt: it was told to stop before the last step that was asked for.
        """
        if self.reason:
            self.say(f"stopped at step {self.step}: {self.reason}; weights are saved")
            return
        if self.step < self.steps:
            self.say(f"stopped at step {self.step} of {self.steps}, saved")
        if self.step < self.end:
            raise KeyboardInterrupt

    def keep_batch(
        self, what: str, step: int, sequences: Sequence[Mapping[str, Any]], views: Sequence[Image.Image]
    ) -> UserError:
        """Keep the batch of a step in which `what` is not a finite number, and return the error to raise.

        The folder `non_finite/step_N.RANK` gets `sequences.jsonl` and the views as PNG files, by number.
        """
        folder = make_folder(self.out / NON_FINITE / f"step_{step}.{self.processes.rank}")
        write_jsonl(folder / "sequences.jsonl", map(dict, sequences))
        for number, view in enumerate(views):
            view.save(folder / f"view_{number}.png")
        return UserError(
            f"{what} in step {step}; its batch is in {folder}, the last state is kept; look at the batch, or"
            " lower the learning rate and give another `out` folder"
        )
