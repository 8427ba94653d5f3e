"""Pixels to the rows that the vision towers of Qwen2.5-VL and Qwen3-VL read."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image


class Patcher:
    """Views to (patches, grid), as `Qwen2VLImageProcessor` with `do_resize=False` does, without its other 20
    options.

    A view of width W and height H becomes (H / patch) * (W / patch) rows of 3 * temporal * patch * patch
    floats, in the order in which `merge` x `merge` neighbours stand together.
    """

    def __init__(
        self, patch: int, merge: int, temporal: int, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        self.patch, self.merge, self.temporal = patch, merge, temporal
        self.scale = torch.tensor([1 / (255 * s) for s in std], dtype=torch.float32).view(3, 1, 1)
        self.shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], dtype=torch.float32).view(
            3, 1, 1
        )

    @classmethod
    def of(cls, processor_config: dict[str, Any]) -> Patcher:
        """From the fields of a checkpoint's `preprocessor_config.json`."""
        return cls(
            int(processor_config.get("patch_size", 14)),
            int(processor_config.get("merge_size", 2)),
            int(processor_config.get("temporal_patch_size", 2)),
            tuple(processor_config.get("image_mean", (0.48145466, 0.4578275, 0.40821073))),
            tuple(processor_config.get("image_std", (0.26862954, 0.26130258, 0.27577711))),
        )

    def __call__(self, views: list[Image.Image]) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of all views one after another (N, 3 * temporal * patch^2) float32, and their grids (views, 3)
        int64.

        A grid is (1, rows, columns) counted in patches.

        Raises:
            ValueError: a view's sides are not multiples of patch * merge.
        """
        rows, grids = [], []
        for view in views:
            pixels = torch.from_numpy(np.array(view, dtype=np.uint8)).permute(2, 0, 1)
            rows.append(self.rows(pixels))
            grids.append((1, view.height // self.patch, view.width // self.patch))
        return torch.cat(rows), torch.tensor(grids, dtype=torch.int64)

    def rows(self, pixels: torch.Tensor) -> torch.Tensor:
        """Rows (N, 3 * temporal * patch^2) of one view, given its (3, H, W) bytes."""
        _, height, width = pixels.shape
        p, m = self.patch, self.merge
        if height % (p * m) or width % (p * m):
            raise ValueError(f"expected sides in multiples of {p * m}, got a view of {width} x {height}")
        values = pixels * self.scale + self.shift
        blocks = values.view(3, height // (p * m), m, p, width // (p * m), m, p)
        flat = blocks.permute(1, 4, 2, 5, 0, 3, 6).reshape(-1, 3, 1, p * p)
        return flat.expand(-1, 3, self.temporal, p * p).reshape(-1, 3 * self.temporal * p * p)
