"""A clip as one picture: what its sheet shows, and where a rectangle of it lies (`make test-video`)."""

import json

import pytest
from clips import plain, write_clip
from helpers import answer, mini_o3, recording, refused, zoom
from PIL import Image

from mini_o3 import UserError, ask
from mini_o3.vision import Rect, open_picture
from mini_o3.vision.film import Sheet, sheet_of

pytest.importorskip("av")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Twenty seconds that get redder, with a white square from 10 s to 11 s."""
    images = [
        plain((12 * (number // 10), 0, 0), mark=(100, 60) if 100 <= number < 110 else None)
        for number in range(200)
    ]
    return write_clip(tmp_path_factory.mktemp("clips") / "a.mp4", images)


def test_the_sheet_shows_the_whole_clip_at_full_resolution(clip):
    picture = open_picture(clip)
    sheet = sheet_of(picture)
    assert len(sheet.times) == 16
    assert sheet.times == pytest.approx([1.25 * number for number in range(16)], abs=0.15)
    assert sheet.frame == sheet.cell == (160, 96)
    for number, time in enumerate(sheet.times):
        place = sheet.place(number)
        seen = picture.getpixel((place.left + 20, place.top + 20))
        assert abs(seen[0] - 12 * int(time + 0.01)) < 8
        caption = picture.crop((place.left, place.top - sheet.caption, place.right, place.top))
        assert caption.getextrema()[0][1] > 200  # something is written there


@pytest.mark.parametrize(("name", "times"), [("@9.5-12.5", (9.5, 12.3)), ("@10.5", (10.5, 10.5))])
def test_a_span_and_a_moment(clip, name, times):
    picture = open_picture(f"{clip}{name}")
    sheet = sheet_of(picture)
    assert (sheet.times[0], sheet.times[-1]) == pytest.approx(times, abs=0.25)
    if name == "@10.5":
        assert picture.size == (160, 96)
        assert min(picture.getpixel((100, 60))) > 230


def test_a_rectangle_of_the_sheet_is_a_time_and_a_box():
    sheet = Sheet(tuple(map(float, range(6))), 3, (100, 50), (200, 100), 10)
    assert sheet.place(4) == Rect(100, 70, 200, 120)
    assert sheet.locate(Rect(110, 80, 130, 90)) == ((4.0, 4.0), Rect(20, 20, 60, 40))
    assert sheet.locate(Rect(90, 65, 200, 120)) == ((4.0, 4.0), Rect(0, 0, 200, 100))
    assert sheet.locate(Rect(120, 61, 180, 69)) == ((4.0, 4.0), Rect(0, 0, 200, 100))  # its caption
    assert sheet.locate(Rect(0, 0, 300, 120)) == ((0.0, 5.0), None)
    assert sheet.locate(Rect(0, 0, 200, 60)) == ((0.0, 1.0), None)
    assert Sheet.from_dict(json.loads(json.dumps(sheet.to_dict()))) == sheet


@pytest.mark.parametrize(
    ("name", "words"),
    [("@99", "is after the end; the clip has 20.0 seconds"), ("@5-4", "ends before it begins")],
)
def test_a_span_that_is_not_there_is_one_line(clip, name, words):
    with pytest.raises(UserError, match=words):
        open_picture(f"{clip}{name}")


def test_a_large_clip_fits_into_a_sheet(tmp_path, monkeypatch):
    monkeypatch.setattr("mini_o3.vision.film.PIXELS", 160 * 96 * 4)
    picture = open_picture(write_clip(tmp_path / "a.mp4", [plain("navy")] * 20))
    sheet = sheet_of(picture)
    assert picture.width * picture.height < 160 * 96 * 4 * 1.2
    whole = sheet.locate(sheet.place(0))
    assert whole.box == Rect(0, 0, 160, 96)


def test_asking_a_clip_gives_time_and_box(clip, tmp_path):
    sheet = sheet_of(open_picture(clip))
    size = open_picture(clip).size
    number = min(range(16), key=lambda one: abs(sheet.times[one] - 10.2))
    left, top, _, _ = sheet.place(number)
    box = (left + 80) / size[0], (top + 40) / size[1], (left + 120) / size[0], (top + 80) / size[1]
    said = recording(tmp_path / "said.jsonl", zoom(*box), answer("a square"))
    asked = ask(clip, "What is white?", f"replay:{said}", out=tmp_path / "out")
    evidence = asked.to_dict()["evidence"]
    assert evidence["time"] == sheet.times[number]
    assert evidence["box"] == pytest.approx([80, 40, 120, 80], abs=1)
    assert "contact sheet of a video" in asked.episode.question
    assert f"moment    {sheet.times[number]:g} s, x " in asked.page.read_text()


def test_without_the_extra_it_is_named(clip, monkeypatch):
    monkeypatch.setattr("mini_o3.kit.extras.find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"a\.mp4: a video needs av; install it with: pip install 'mini-o3\[video\]'"
    ):
        open_picture(clip)


def test_what_is_wrong_with_a_clip_is_one_line(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    refused(
        mini_o3("ask", "a.mp4", "What digit is on the red star?", cwd=tmp_path), "a.mp4: the file is empty"
    )


def test_a_picture_has_no_sheet():
    assert sheet_of(Image.new("RGB", (40, 40))) is None
