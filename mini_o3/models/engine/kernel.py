"""The C kernel of a processor: built once with the machine's own compiler, and loaded; without one, torch
does it.

Built on first use into the user's cache folder, in under a second, by `cc` (or `$CC`). It needs no headers
of torch or Python: plain C, called through ctypes, which lets other threads run meanwhile.
`MINI_O3_KERNEL=off` leaves it out.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mini_o3.models.engine.attention import Piece
from mini_o3.models.engine.cache import Rooms

SOURCE = Path(__file__).with_name("kernel.c")
_FLAGS = (
    "-O3",
    "-march=native",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-shared",
    "-fPIC",
)
_SECONDS = 60  # that the compiler may take


@cache
def load_kernel(width: int) -> ctypes.CDLL | None:
    """The kernel for heads of `width`, built if it is not there yet; None where that cannot be done."""
    return None if (why_not(width) or (path := _built(width)) is None) else _loaded(path)


def why_not(width: int) -> str:
    """Why there is no kernel for heads of that width here; empty if one can be built."""
    if os.environ.get("MINI_O3_KERNEL", "").lower() in ("off", "0", "no"):
        return "left out by MINI_O3_KERNEL"
    if width % 32 and width % 48:
        return f"none for heads of width {width}"
    return "" if _compiler() else "no C compiler"


def _compiler() -> str | None:
    return next(
        (path for name in (os.environ.get("CC", ""), "cc", "gcc", "clang") if (path := shutil.which(name))),
        None,
    )


def _built(width: int) -> Path | None:
    """The library: from the cache folder, or built into it. Its name tells the processor, as homes are
    shared."""
    told = (SOURCE.read_text(), str(_FLAGS), str(_compiler()), platform.machine(), _features())
    name = f"kernel-{width}-{hashlib.sha256(repr(told).encode()).hexdigest()[:16]}.so"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    try:
        folder = Path(base) / "mini_o3"
        if not (folder / name).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                built = Path(scratch) / name
                command = [
                    str(_compiler()),
                    *_FLAGS,
                    f"-DWIDTH={width}",
                    "-o",
                    str(built),
                    str(SOURCE),
                    "-lm",
                ]
                subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
                built.replace(folder / name)
        return folder / name
    except (OSError, subprocess.SubprocessError, RuntimeError):  # RuntimeError: there is no home
        return None


def _features() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _loaded(path: Path) -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(str(path))
    except OSError:
        return None
    pointer, number, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
    library.add_norm.argtypes = [number, number, pointer, pointer, pointer, real, pointer]
    library.gated.argtypes = [number, number, pointer, pointer]
    library.attend.argtypes = [number, *[pointer] * 5, *[number] * 3, *[pointer] * 5, real, pointer]
    for name in ("add_norm", "gated", "attend"):
        getattr(library, name).restype = None
    return library


class Kernel:
    """A pass by the kernel; made once per pass, called by every layer."""

    def __init__(
        self,
        library: ctypes.CDLL,
        cache: Rooms,
        pieces: Sequence[Piece],
        shared: int,
        cosines: torch.Tensor,
        sines: torch.Tensor,
    ) -> None:
        self.library, self.shared, self.kv_heads, self.width = library, shared, cache.shape[1], cache.width
        self.rooms = [
            cache.reserve(piece.slot, piece.end) for piece in pieces
        ]  # kept: addresses are given away
        starts, tokens = [piece.start for piece in pieces], [piece.tokens for piece in pieces]
        self.of_pieces = [
            np.array(numbers, np.int64)
            for numbers in (
                [room.data_ptr() for room in self.rooms],
                [room.shape[2] for room in self.rooms],
                starts,
                tokens,
                np.cumsum([0, *tokens[:-1]]),
            )
        ]
        self.addresses = [numbers.ctypes.data for numbers in self.of_pieces]
        self.cosines, self.sines = cosines.contiguous(), sines.contiguous()

    def __call__(self, layer: int, qkv: torch.Tensor, norms: tuple[Any, Any] | None) -> torch.Tensor:
        """Mixed values (N, heads x width) from the queries, keys and values (N, columns) of the packed
        tokens."""
        out = torch.empty(len(qkv), self.shared * self.kv_heads * self.width)
        query_norm, key_norm = (norm.weight.data_ptr() for norm in norms) if norms else (None, None)
        self.library.attend(
            len(self.rooms),
            *self.addresses,
            layer,
            self.kv_heads,
            self.shared,
            qkv.data_ptr(),
            self.cosines.data_ptr(),
            self.sines.data_ptr(),
            query_norm,
            key_norm,
            norms[0].variance_epsilon if norms else 0.0,
            out.data_ptr(),
        )
        return out

    def add_norm(
        self, hidden: torch.Tensor, added: torch.Tensor | None, norm: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`hidden` with `added` to it, in place, and the norm of that."""
        out = torch.empty_like(hidden)
        self.library.add_norm(
            *hidden.shape,
            hidden.data_ptr(),
            None if added is None else added.data_ptr(),
            norm.weight.data_ptr(),
            norm.variance_epsilon,
            out.data_ptr(),
        )
        return hidden, out

    def gated(self, both: torch.Tensor) -> torch.Tensor:
        """silu of the first half of the columns times the second half."""
        out = torch.empty(len(both), both.shape[1] // 2)
        self.library.gated(*out.shape, both.data_ptr(), out.data_ptr())
        return out
