"""The folder of pyramids keeps to its limit, and to its own files."""

from __future__ import annotations

import os

from mini_o3.vision.cache import PyramidCache


def test_what_was_used_longest_ago_goes_first_and_nothing_that_others_keep_there(tmp_path):
    cache = PyramidCache(tmp_path, limit=25)
    mine = tmp_path / "pyramids" / "holiday.tif"
    mine.parent.mkdir()
    mine.write_bytes(b"x" * 100)
    left = tmp_path / "pyramids" / "draft.part"
    left.write_bytes(b"x")
    for path in (mine, left):
        os.utime(path, (1, 1))
    names = [f"{digit * 64}-0.tif" for digit in "abc"]
    for age, name in enumerate(names):
        os.utime(cache.add(name, lambda part: part.write_bytes(b"y" * 10) and None), (age + 2, age + 2))
    assert sorted(path.name for path in mine.parent.iterdir()) == sorted([*names[1:], mine.name, left.name])
    assert mine.read_bytes() == b"x" * 100
