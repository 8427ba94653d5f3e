"""The machine: versions, cores, memory, accelerators, and which extras are installed."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from mini_o3.doctor.findings import Finding, State
from mini_o3.kit.chat import KEY_VARIABLES
from mini_o3.kit.extras import EXTRAS

_NAMED = ("mini-o3", "torch", "transformers", "pillow", "numpy", "httpx")
_VARIABLES = (
    *KEY_VARIABLES,
    "MINI_O3_JUDGE_API_KEY",
    "OPENAI_BASE_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)


def examine_machine() -> Iterator[Finding]:
    """Findings about this machine; nothing is loaded but torch, if it is there, to see its accelerators."""
    yield Finding("system", State.GOOD, f"{platform.platform()}, Python {platform.python_version()}")
    yield Finding("versions", State.GOOD, ", ".join(f"{name} {_version(name)}" for name in _NAMED))
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    yield Finding(
        "processor", State.GOOD, f"{_processor()}, {os.cpu_count()} cores, OMP_NUM_THREADS {threads}"
    )
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    state = State.GOOD if free > 2 else State.NOTE
    yield Finding("memory", State.GOOD, f"{_memory()}; {free:.1f} GiB free on the disk of this folder")
    if state is State.NOTE:
        yield Finding("disk", state, f"{free:.1f} GiB are left; evaluations and trainings need more")
    yield _accelerator()
    yield _kernel()
    for extra, modules in EXTRAS.items():
        missing = [name for name in modules if find_spec(name) is None]
        how = f"not installed: pip install 'mini-o3[{extra}]'" if missing else "installed"
        yield Finding(f"extra {extra}", State.NOTE if missing else State.GOOD, how)
    known = [name for name in _VARIABLES if os.environ.get(name)]
    yield Finding("environment", State.GOOD, f"set: {', '.join(known) or 'no key, address or proxy'}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> str:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "memory not known"
    sizes = {line.partition(":")[0]: int(line.split()[1]) / 2**20 for line in lines if line.endswith("kB")}
    return f"{sizes.get('MemTotal', 0):.1f} GiB, {sizes.get('MemAvailable', 0):.1f} GiB of it free"


def _kernel() -> Finding:
    """Whether the processor runs small models by the C kernel, which is built now if it was not before."""
    if find_spec("torch") is None:
        return Finding("kernel", State.NOTE, "not looked for, since torch is not installed")
    from mini_o3.models.engine.kernel import load_kernel, why_not

    width = 48  # nano's
    if load_kernel(width) is not None:
        return Finding("kernel", State.GOOD, "built; small models run by it on the processor")
    why = why_not(width) or "the compiler failed"
    return Finding("kernel", State.NOTE, f"{why}; small models run by torch alone, which is slower")


def _accelerator() -> Finding:
    if find_spec("torch") is None:
        return Finding("accelerator", State.NOTE, "not looked for, since torch is not installed")
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Finding("accelerator", State.GOOD, ", ".join(names))
    if torch.backends.mps.is_available():
        return Finding("accelerator", State.GOOD, "Apple GPU (mps)")
    return Finding("accelerator", State.NOTE, "none; nano is fast on a processor, a model of billions is not")
