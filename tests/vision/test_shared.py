"""Pictures that episodes share: decoded once, and never more pixels alive than allowed."""

from __future__ import annotations

import asyncio

import pytest
from PIL import Image

from mini_o3.kit.errors import UserError
from mini_o3.vision import PixelBudget, shared
from mini_o3.vision.shared import SharedPictures


@pytest.fixture
def paths(tmp_path):
    found = [tmp_path / f"{n}.png" for n in range(6)]
    for path in found:
        Image.new("RGB", (100, 100)).save(path)
    return [str(path) for path in found]


def test_pixels_alive_are_bounded_and_each_picture_is_decoded_once(paths, monkeypatch):
    decoded, most = [], []
    whole = shared.load_pictures
    monkeypatch.setattr(shared, "load_pictures", lambda paths: decoded.extend(paths) or whole(paths))

    async def sample(pictures, path):
        async with pictures.use(path) as found:
            most.append(pictures.alive)
            await asyncio.sleep(0.002)
            assert found.picture.size == (100, 100)
            return found.first_view(PixelBudget())

    async def all_of_them():
        pictures = SharedPictures(most=25_000)
        views = await asyncio.gather(*(sample(pictures, path) for path in paths for _ in range(3)))
        assert len({id(view) for view in views}) == len(paths)  # the first view is made once
        assert pictures.alive <= 10_000

    asyncio.run(all_of_them())
    assert max(most) == 20_000
    assert sorted(decoded) == sorted(paths)


def test_samples_one_after_the_other_keep_the_picture(paths, monkeypatch):
    decoded = []
    whole = shared.load_pictures
    monkeypatch.setattr(shared, "load_pictures", lambda paths: decoded.extend(paths) or whole(paths))

    async def one_by_one():
        pictures = SharedPictures()
        for path in (paths[0], paths[0], paths[1], paths[0]):
            async with pictures.use(path):
                pass

    asyncio.run(one_by_one())
    assert decoded == [paths[0], paths[1], paths[0]]


def test_a_picture_larger_than_all_that_is_allowed_is_opened_alone(paths):
    async def use():
        pictures = SharedPictures(most=10)

        async def one(path):
            async with pictures.use(path):
                await asyncio.sleep(0.001)
                return pictures.alive

        return await asyncio.gather(*map(one, paths))

    assert asyncio.run(use()) == [10_000] * len(paths)


def test_a_damaged_picture_takes_no_room(paths, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"not a picture")

    async def use():
        pictures = SharedPictures()
        with pytest.raises(UserError, match=r"bad\.png"):
            async with pictures.use(str(tmp_path / "bad.png")):
                pass
        return pictures.alive

    assert asyncio.run(use()) == 0
