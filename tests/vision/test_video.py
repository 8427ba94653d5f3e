"""Frames of clips: their times, what is new in them, and clips that are turned, uneven or broken
(`make test-video`)."""

import io

import numpy as np
import pytest
from clips import plain, turn_clip, write_clip
from PIL import Image

from mini_o3 import UserError
from mini_o3.vision.video import different_frames, frames_at, open_clip, spread_frames

av = pytest.importorskip("av")


def opened(path):
    return open_clip(path.name, path.open("rb"))


def near(image, place, colour):
    return all(abs(one - other) < 24 for one, other in zip(image.getpixel(place), colour, strict=True))


def test_a_frame_is_taken_where_something_is_new(tmp_path):
    images = [plain("navy")] * 30 + [plain("navy", mark=(40, 40))] * 30 + [plain("olive")] * 7
    path = write_clip(tmp_path / "a.mp4", images)
    with opened(path) as clip:
        assert clip.seconds == pytest.approx(6.7, abs=0.11)
        frames = list(different_frames(clip, every=1.0))
    assert [round(frame.time, 1) for frame in frames] == [0.0, 3.0, 6.0]
    assert near(frames[1].image, (40, 40), (255, 255, 255))


def test_a_cut_between_two_looks_is_seen(tmp_path):
    images = [plain("navy")] * 34 + [plain("olive")] * 4 + [plain("navy")] * 22
    with opened(write_clip(tmp_path / "a.mp4", images)) as clip:
        times = [frame.time for frame in different_frames(clip, every=10.0)]
    assert times == pytest.approx([0.0, 3.4, 3.8], abs=0.2)


def test_what_is_on_the_screen_at_a_time(tmp_path):
    images = [plain((8 * number, 0, 0)) for number in range(30)]
    path = write_clip(tmp_path / "a.mp4", images)
    with opened(path) as clip:
        frames = list(frames_at(clip, [0.0, 0.95, 1.0, 99.0]))
    assert [round(frame.time, 1) for frame in frames] == [0.0, 0.9, 1.0, 2.9]
    assert near(frames[2].image, (80, 48), (80, 0, 0))


def test_far_ahead_is_found_by_seeking(tmp_path):
    images = [plain((number, 0, 0)) for number in range(250)]
    with opened(write_clip(tmp_path / "a.mp4", images)) as clip:
        (frame,) = frames_at(clip, [20.04])
    assert frame.time == pytest.approx(20.0)
    assert near(frame.image, (80, 48), (200, 0, 0))


def test_frames_are_spread_over_a_span(tmp_path):
    images = [plain((number, 0, 0)) for number in range(200)]
    path = write_clip(tmp_path / "a.mp4", images)
    with opened(path) as clip:
        times = [frame.time for frame in spread_frames(clip, 5, lambda image: image)]
    assert times == pytest.approx([0, 4, 8, 12, 16], abs=0.15)
    with opened(path) as clip:
        times = [frame.time for frame in spread_frames(clip, 5, lambda image: image, 12.0, 14.0)]
    assert times == pytest.approx([12, 12.4, 12.8, 13.2, 13.6], abs=0.15)
    with opened(path) as clip:
        clip.seconds = None  # as in a stream that does not say
        times = [frame.time for frame in spread_frames(clip, 5, lambda image: image)]
    assert 3 <= len(times) <= 5
    assert times[0] == 0
    assert times[-1] > 10


def test_a_phone_that_was_held_upright(tmp_path):
    path = write_clip(tmp_path / "a.mp4", [plain("navy", mark=(20, 20))] * 5)
    turn_clip(path, 96)
    with opened(path) as clip:
        (frame,) = frames_at(clip, [0.0])
    assert frame.image.size == (96, 160)
    assert near(frame.image, (96 - 20, 20), (255, 255, 255))


def test_an_uneven_frame_rate(tmp_path):
    times = [0.0, 0.1, 0.15, 3.0, 3.05, 7.0]
    images = [plain((40 * number, 0, 0)) for number in range(6)]
    with opened(write_clip(tmp_path / "a.mkv", images, times=times)) as clip:
        frames = list(frames_at(clip, [0.12, 2.9, 6.9, 7.0]))
    assert [round(frame.time, 2) for frame in frames] == [0.1, 0.15, 3.05, 7.0]


def test_a_broken_frame_in_the_middle_is_passed_over(tmp_path):
    images = [plain("navy", mark=(20 + number, 40)) for number in range(60)]
    path = write_clip(tmp_path / "a.mkv", images)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 60] = bytes(60)
    path.write_bytes(content)
    with opened(path) as clip:
        times = [time for time, _ in clip.frames()]
    assert times[0] == 0
    assert times[-1] == pytest.approx(5.9)
    assert 40 <= len(times) <= 60


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a.mp4: the file is empty; get a fresh copy"),
        (b"no video at all" * 50, "a.mp4: not a video that can be read"),
        (b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", "a.mp4: not a video that can be read"),
        (b"ffconcat version 1.0\nfile 'other.mp4'\n", "a.mp4: not a video that can be read"),
    ],
)
def test_what_is_no_video_is_one_line(content, words):
    with pytest.raises(UserError) as error, open_clip("a.mp4", io.BytesIO(content)):
        pass
    assert str(error.value).startswith(words)
    assert "\n" not in str(error.value)


def test_sound_alone_is_one_line(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    with pytest.raises(UserError, match=r"a\.mp4: has no video stream"), opened(path):
        pass


def test_a_clip_without_a_frame_is_one_line(tmp_path):
    path = write_clip(tmp_path / "a.mp4", [plain("navy")] * 3)
    content = bytearray(path.read_bytes())
    place = content.index(b"mdat") + 4
    content[place : content.index(b"moov") - 4] = bytes(content.index(b"moov") - 4 - place)
    path.write_bytes(content)
    with opened(path) as clip, pytest.raises(UserError, match=r"a\.mp4: holds no frame that can be decoded"):
        list(different_frames(clip, 1.0))


def test_a_large_picture_in_a_clip_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.mp4", [Image.new("RGB", (160, 96))] * 2)
    monkeypatch.setattr("mini_o3.vision.video.DECODE_BUDGET", 10_000)
    with pytest.raises(UserError, match="more than the 10,000 that are decoded"), opened(path):
        pass
