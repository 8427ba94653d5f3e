"""Kinds of scenes. A kind lays out a sketch in units of its smallest capital letter and knows families of
questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mini_o3.probes.scenes.kinds import atlas, crowd, dashboard, shelf, snapshot, street
from mini_o3.probes.scenes.questions import Family
from mini_o3.probes.scenes.sketch import Sketch


class Kind(NamedTuple):
    lay_out: Callable[[Sketch], None]
    families: tuple[Family, ...]


KINDS: dict[str, Kind] = {
    "shelf": Kind(shelf.lay_out, shelf.FAMILIES),
    "street": Kind(street.lay_out, street.FAMILIES),
    "crowd": Kind(crowd.lay_out, crowd.FAMILIES),
    "map": Kind(atlas.lay_out, atlas.FAMILIES),
    "dashboard": Kind(dashboard.lay_out, dashboard.FAMILIES),
    "photo": Kind(snapshot.lay_out, snapshot.FAMILIES),
}
