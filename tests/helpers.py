"""Short words for what many tests do: play an episode, write a recording, call the command line."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from PIL import Image

from mini_o3.episode import Episode, Limits, Policy, SearchTask, run_episode


def play(
    policy: Policy,
    picture: Image.Image,
    task: SearchTask | None = None,
    *,
    limits: Limits | None = None,
    seed: int = 0,
) -> Episode:
    """One episode about `picture`; any question will do if no task is given."""
    task = task or SearchTask("some.png", "What is there?")
    return asyncio.run(run_episode(task, policy, limits or Limits(), picture=picture, seed=seed))


def zoom(
    x0: float, y0: float, x1: float, y1: float, source: str = "original_image", thought: str = "closer"
) -> str:
    """A turn that zooms, as a model would write it."""
    return (
        f'<think>{thought}</think><grounding>{{"bbox_2d": [{x0}, {y0}, {x1}, {y1}], "source":'
        f' "{source}"}}</grounding>'
    )


def answer(text: str, thought: str = "I see it") -> str:
    """A turn that answers, as a model would write it."""
    return f"<think>{thought}</think><answer>{text}</answer>"


def recording(path: Path, *texts: str, task_id: str = "recorded") -> Path:
    """An episodes file that `replay:` can play: one episode with these turns."""
    row = {"task_id": task_id, "turns": [{"text": text} for text in texts]}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return path


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "mini_o3", *(str(arg) for arg in args)]


def environment(**changes: str) -> dict[str, str]:
    """The environment of a called command: no keys, no proxies, plain wide output."""
    hidden = ("MINI_O3_API_KEY", "OPENAI_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    kept = {name: value for name, value in os.environ.items() if name.upper() not in hidden}
    return {**kept, "COLUMNS": "200", "PYTHONIOENCODING": "utf-8", **changes}


def mini_o3(*args: object, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run `mini-o3 ARGS` as its users do, in a process of its own; relative paths are taken from `cwd`."""
    return subprocess.run(
        command(*args),
        cwd=cwd,
        env=environment(),
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
    )


def refused(result: subprocess.CompletedProcess[str], *named: str) -> None:
    """Assert that a command refused its input: status 2, one line that names it, nothing on stdout."""
    assert result.returncode == 2, result
    assert "Traceback" not in result.stdout + result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert all(name in line for name in named), line
    assert result.stdout == ""


def two_processes(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`torchrun --nproc_per_node 2 -m -- mini_o3 ARGS`; what each process says goes to files under
    `cwd/logs`."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        "--master_addr",
        "127.0.0.1",
        "--master_port",
        str(port),
        "--redirects",
        "3",
        "--log_dir",
        "logs",
        "-m",
        "--",
        "mini_o3",
    ]
    return subprocess.run(
        [*launch, *map(str, args)],
        cwd=cwd,
        env=environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=250,
    )
