"""Which control experiments `--faithfulness` runs: name -> what each changes in the protocol."""

from __future__ import annotations

from typing import Any

CONTROLS: dict[str, dict[str, Any]] = {
    "observations_black": {"views": "black"},
    "observations_of_another_picture": {"views": "swapped"},
    "no_tool": {"turns": 1},
    "nothing_seen": {"views": "blind"},
}
