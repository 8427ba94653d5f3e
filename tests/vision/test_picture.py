"""Opening pictures: always upright 8-bit RGB, or one line that names the file."""

import io
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, features

from mini_o3.kit import extras
from mini_o3.kit.errors import UserError
from mini_o3.vision import conversion_of, open_picture
from mini_o3.vision import picture as picture_module

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
ORIENTATION = 0x0112


def marked(mode="RGB"):
    """80 x 40, blue (black) with a red (white) corner at the top left."""
    picture = Image.new("RGB", (80, 40), BLUE)
    picture.paste(RED, (0, 0, 16, 16))
    return picture if mode == "RGB" else picture.getchannel("R").convert(mode)


def noise(size=(80, 60)):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def encoded(picture, fmt, **options):
    buffer = io.BytesIO()
    picture.save(buffer, fmt, **options)
    return buffer.getvalue()


def exif(*entries):
    """EXIF bytes with an orientation that says "turn right" and further (tag, type, count, four bytes)
    entries."""
    entries = [(ORIENTATION, 3, 1, struct.pack("<HH", 6, 0)), *entries]
    body = b"".join(
        struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in sorted(entries)
    )
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width, height):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def corner_of(picture, colour):
    """Which corners of the picture have about this colour."""
    right, bottom = picture.width - 5, picture.height - 5
    places = {
        "top left": (4, 4),
        "top right": (right, 4),
        "bottom left": (4, bottom),
        "bottom right": (right, bottom),
    }
    return [
        name for name, at in places.items() if np.abs(np.subtract(picture.getpixel(at), colour)).max() < 40
    ]


def grey(picture):
    """The grey levels of the middle row; the three channels must agree."""
    assert picture.mode == "RGB"
    row = np.asarray(picture)[picture.height // 2]
    assert (row == row[:, :1]).all()
    return row[:, 0].tolist()


def refusal(path, **options):
    with pytest.raises(UserError) as caught:
        open_picture(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "corner", "size"),
    [
        (1, "top left", (80, 40)),
        (2, "top right", (80, 40)),
        (3, "bottom right", (80, 40)),
        (4, "bottom left", (80, 40)),
        (5, "top left", (40, 80)),
        (6, "top right", (40, 80)),
        (7, "bottom right", (40, 80)),
        (8, "bottom left", (40, 80)),
    ],
)
def test_a_turned_picture_comes_out_upright(tmp_path, fmt, orientation, corner, size):
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    path = tmp_path / "turned"
    path.write_bytes(encoded(marked(), fmt, exif=tags))
    picture = open_picture(path)
    assert (picture.mode, picture.size) == ("RGB", size)
    assert corner_of(picture, RED) == [corner]


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize(("mode", "colour"), [("RGB", RED), ("L", WHITE), ("I;16", WHITE)])
def test_a_turned_tiff_comes_out_upright(tmp_path, mode, colour, compression):
    path = tmp_path / "turned.tif"
    picture = marked("L").point(lambda v: v * 257, "I").convert("I;16") if mode == "I;16" else marked(mode)
    picture.save(path, tiffinfo={ORIENTATION: 6}, compression=compression)
    upright = open_picture(path)
    assert (upright.mode, upright.size) == ("RGB", (40, 80))
    assert corner_of(upright, colour) == ["top right"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "entry",
    [
        pytest.param((0x0100, 1, 1, b"\1\0\0\0"), id="width-as-byte"),
        pytest.param((0x011A, 2, 1, b"a\0\0\0"), id="resolution-as-text"),
        pytest.param((0x010F, 11, 1, b"\0\0\0\0"), id="maker-as-float"),
        pytest.param((0x0213, 4, 1, b"\xff\xff\xff\xff"), id="number-too-large"),
        pytest.param((0x010E, 2, 999, b"\xff\xff\xff\x7f"), id="text-beyond-the-end"),
    ],
)
def test_an_odd_tag_in_the_exif_does_not_stop_a_good_picture(tmp_path, entry):
    path = tmp_path / "odd.jpg"
    marked().save(path, exif=exif(entry))
    picture = open_picture(path)
    assert picture.size == (40, 80)
    assert corner_of(picture, RED) == ["top right"]


def test_a_picture_does_not_depend_on_its_file_any_more(tmp_path):
    path = tmp_path / "gone.bmp"
    marked().save(path)
    picture = open_picture(path)
    path.write_bytes(bytes(path.stat().st_size))
    path.unlink()
    picture.putpixel((79, 39), WHITE)
    assert (picture.getpixel((0, 0)), picture.getpixel((79, 39))) == (RED, WHITE)


def gradient(top, dtype, columns=52, rows=32):
    return np.tile(np.linspace(0, top, columns).astype(dtype), (rows, 1))


TO_255 = list(range(0, 256, 5))  # 52 levels


@pytest.mark.parametrize(
    ("name", "values", "mode", "levels"),
    [
        ("16.png", gradient(65535, np.uint16), "I;16", TO_255),
        ("16.tif", gradient(65535, np.uint16), "I;16", TO_255),
        ("16.tif", gradient(65535, ">u2"), "I;16B", TO_255),
        ("12-bit.png", gradient(4080, np.uint16), "I;16", [round(v / 257) for v in range(0, 4081, 80)]),
        ("dark.png", gradient(255, np.uint16), "I;16", [round(v / 257) for v in TO_255]),
        ("dark.tif", gradient(255, ">u2"), "I;16B", [round(v / 257) for v in TO_255]),
        ("32.tif", gradient(65535, np.int32), "I", TO_255),
        ("32-of-8.tif", gradient(255, np.int32), "I", TO_255),
        ("32-wide.tif", gradient(2_000_000_010, np.int32), "I", TO_255),
        ("float-1.tif", gradient(1.0, np.float32), "F", TO_255),
        ("float-255.tif", gradient(255.0, np.float32), "F", TO_255),
    ],
)
def test_a_wide_grey_gradient_stays_a_gradient(tmp_path, name, values, mode, levels):
    path = tmp_path / name
    Image.fromarray(values).save(path)
    with Image.open(path) as stored:
        assert stored.mode == mode
    assert grey(open_picture(path)) == pytest.approx(levels, abs=1)


@pytest.mark.parametrize(("value", "level"), [(0, 0), (257, 1), (16448, 64), (32768, 128), (65535, 255)])
def test_16_bit_levels_keep_their_place(tmp_path, value, level):
    path = tmp_path / "flat.png"
    Image.fromarray(np.full((32, 32), value, np.uint16)).save(path)
    assert set(grey(open_picture(path))) == {level}


def test_16_bit_white_and_mid_grey_stay_apart(tmp_path):
    values = np.full((32, 64), 65535, np.uint16)
    values[:, 32:] = 32768
    Image.fromarray(values).save(tmp_path / "two.png")
    assert grey(open_picture(tmp_path / "two.png")) == [255] * 32 + [128] * 32


def test_not_a_number_and_infinity_become_black_and_harm_nothing_else(tmp_path):
    values = gradient(1.0, np.float32)
    values[:, 10], values[:, 20], values[:, 30] = np.nan, np.inf, -np.inf
    Image.fromarray(values).save(tmp_path / "holes.tif")
    levels = grey(open_picture(tmp_path / "holes.tif"))
    assert (levels[10], levels[20], levels[30]) == (0, 0, 0)
    assert (levels[9], levels[31], levels[51]) == (45, 155, 255)


def palette(**options):
    picture = Image.new("P", (40, 40), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(1, (0, 0, 20, 40))
    return encoded(picture, "PNG", **options)


def half(mode, left, right):
    picture = Image.new(mode, (40, 40), right)
    picture.paste(left, (0, 0, 20, 40))
    return picture


@pytest.mark.parametrize(
    ("data", "left", "right"),
    [
        pytest.param(encoded(half("CMYK", (0, 255, 255, 0), (255, 255, 0, 0)), "JPEG"), RED, BLUE, id="cmyk"),
        pytest.param(palette(), BLUE, RED, id="palette"),
        pytest.param(palette(transparency=0), BLUE, WHITE, id="palette-one-clear"),
        pytest.param(palette(transparency=b"\x80\x00"), WHITE, (255, 127, 127), id="palette-alphas"),
        pytest.param(encoded(half("RGBA", (0, 0, 0, 0), (0, 0, 255, 255)), "PNG"), WHITE, BLUE, id="rgba"),
        pytest.param(
            encoded(half("RGBA", (0, 0, 0, 51), (255, 0, 0, 255)), "PNG"), (204,) * 3, RED, id="rgba-half"
        ),
        pytest.param(
            encoded(half("RGBA", (0, 0, 0, 0), (0, 0, 255, 255)), "WEBP", lossless=True),
            WHITE,
            BLUE,
            id="rgba-webp",
        ),
        pytest.param(encoded(half("LA", (10, 0), (90, 255)), "PNG"), WHITE, (90,) * 3, id="la"),
        pytest.param(encoded(half("L", 7, 9), "PNG", transparency=7), WHITE, (9,) * 3, id="grey-one-clear"),
        pytest.param(
            encoded(half("RGB", RED, BLUE), "PNG", transparency=RED), WHITE, BLUE, id="rgb-one-clear"
        ),
        pytest.param(encoded(half("1", 0, 1), "PNG"), (0, 0, 0), WHITE, id="1-bit"),
        pytest.param(encoded(half("L", 30, 200), "JPEG"), (30,) * 3, (200,) * 3, id="grey"),
    ],
)
def test_every_kind_of_colour_becomes_rgb_on_white(tmp_path, data, left, right):
    path = tmp_path / "picture"
    path.write_bytes(data)
    picture = open_picture(path)
    assert (picture.mode, picture.size) == ("RGB", (40, 40))
    assert picture.getpixel((8, 20)) == pytest.approx(left, abs=3)
    assert picture.getpixel((32, 20)) == pytest.approx(right, abs=3)


@pytest.mark.parametrize(
    ("fmt", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})]
)
def test_of_several_frames_the_one_that_is_named_is_taken_and_none_in_silence(tmp_path, fmt, options):
    path = tmp_path / "moving"
    frames = [Image.new("RGB", (60, 40), colour) for colour in (RED, BLUE, WHITE)]
    path.write_bytes(encoded(frames[0], fmt, save_all=True, append_images=frames[1:], **options))
    assert "holds 3 frames; say which one, from moving#1 to #3" in refusal(path)
    for number, colour in enumerate((RED, BLUE, WHITE), start=1):
        picture = open_picture(f"{path}#{number}")
        assert (picture.mode, picture.size, picture.getpixel((30, 20))) == ("RGB", (60, 40), colour)
    for number in (0, 4, 999_999_999):
        with pytest.raises(UserError, match="there is no such one; moving holds 3 frames"):
            open_picture(f"{path}#{number}")


def test_a_file_whose_name_looks_like_a_frame_is_that_file(tmp_path):
    Image.new("RGB", (60, 40), RED).save(tmp_path / "a#2.png")
    Image.new("RGB", (60, 40), BLUE).save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a#2.png").getpixel((0, 0)) == RED
    assert open_picture(f"{tmp_path / 'a#2.png'}#1").getpixel((0, 0)) == RED
    assert open_picture(f"{tmp_path / 'a.png'}#1").getpixel((0, 0)) == BLUE
    assert "no such file" in refusal(tmp_path / "b.png#1")


def test_a_photo_with_smaller_copies_of_itself_is_one_picture(tmp_path):
    path = tmp_path / "pyramid.tif"
    small = Image.new("RGB", (30, 30), BLUE)
    small.encoderinfo = {"tiffinfo": {0x00FE: 1}}
    noise().save(path, save_all=True, append_images=[small])
    assert open_picture(path).size == (80, 60)


@pytest.mark.parametrize(
    "name", ["https://example.org/a.png", "s3://bucket/a.png", "data:image/png;base64,AA"]
)
def test_an_address_is_called_one(name):
    with pytest.raises(UserError, match="is an address; fetch the picture and give its file"):
        open_picture(name)


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert "a device or a pipe" in refusal(tmp_path / "pipe.png")
    assert "a device or a pipe" in refusal(Path("/dev/zero"))


def profile(gamma=2.2, primaries=((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), grey=False):
    """An ICC profile made by hand: its primaries (those of Adobe RGB, xy at D65) and its gamma."""

    def number(value):
        return struct.pack(">i", round(value * 65536))

    white, d50 = np.array([0.95047, 1.0, 1.08883]), np.array([0.9642, 1.0, 0.8249])
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    matrix = columns * np.linalg.solve(columns, white)
    adapt = np.linalg.inv(bradford) @ np.diag((bradford @ d50) / (bradford @ white)) @ bradford
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"made\0" + bytes(83),
        b"wtpt": b"XYZ " + bytes(4) + b"".join(map(number, d50)),
    }
    if grey:
        tags[b"kTRC"] = curve
    else:
        for name, column in zip("rgb", (adapt @ matrix).T, strict=True):
            tags[f"{name}XYZ".encode()] = b"XYZ " + bytes(4) + b"".join(map(number, column))
            tags[f"{name}TRC".encode()] = curve
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    space = b"GRAY" if grey else b"RGB "
    head = struct.pack(">I4sI4s4s4s", at + len(body), bytes(4), 0x02400000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(number, d50)) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + body


ORANGE = (230, 120, 40)


@pytest.mark.parametrize(
    ("fmt", "mode", "options"),
    [
        ("PNG", "RGB", {}),
        ("TIFF", "RGB", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("JPEG", "RGB", {"quality": 98}),
    ],
)
def test_colours_of_an_embedded_profile_are_seen_as_meant(tmp_path, fmt, mode, options):
    path = tmp_path / "picture"
    picture = Image.new("RGB", (80, 60), ORANGE).convert(mode, palette=Image.Palette.ADAPTIVE)
    path.write_bytes(encoded(picture, fmt, icc_profile=profile(), **options))
    opened = open_picture(path)
    assert opened.getpixel((40, 30)) == pytest.approx((255, 121, 25), abs=3)
    assert conversion_of(opened) == "colours converted from the embedded profile made to sRGB"


def test_transparency_is_laid_on_white_after_the_colours_are_converted(tmp_path):
    picture = Image.new("RGBA", (80, 60), (*ORANGE, 0))
    picture.paste((*ORANGE, 128), (40, 0, 80, 60))
    picture.save(tmp_path / "half.png", icc_profile=profile())
    opened = open_picture(tmp_path / "half.png")
    assert opened.getpixel((10, 30)) == WHITE
    assert opened.getpixel((70, 30)) == pytest.approx((255, 188, 140), abs=3)


def test_a_grey_profile_is_heeded(tmp_path):
    Image.new("L", (80, 60), 128).save(tmp_path / "grey.png", icc_profile=profile(gamma=1.0, grey=True))
    assert open_picture(tmp_path / "grey.png").getpixel((0, 0)) == pytest.approx((188, 188, 188), abs=2)


@pytest.mark.parametrize(
    "embedded",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        b"no profile at all",
        profile()[:200],
        profile(grey=True),
        b"",
    ],
    ids=["srgb", "rubbish", "cut", "of another space", "empty"],
)
def test_srgb_and_what_is_no_profile_change_no_pixel(tmp_path, embedded):
    noise().save(tmp_path / "plain.png", icc_profile=embedded)
    opened = open_picture(tmp_path / "plain.png")
    assert opened.tobytes() == noise().tobytes()
    assert conversion_of(opened) == ""


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("size", [2_000_000, 80_000_000])
def test_a_png_with_large_texts_opens(tmp_path, place, size):
    plain = encoded(noise(), "PNG")
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * size))
    at = plain.index(b"IDAT") - 4 if place == "before" else plain.index(b"IEND") - 4
    (tmp_path / "text.png").write_bytes(plain[:at] + text + plain[at:])
    assert open_picture(tmp_path / "text.png").tobytes() == noise().tobytes()


def test_a_png_with_a_large_profile_opens_in_its_colours(tmp_path):
    plain = encoded(Image.new("RGB", (80, 60), ORANGE), "PNG")
    large = chunk(b"iCCP", b"large\0\0" + zlib.compress(profile() + bytes(2_000_000)))
    at = plain.index(b"IDAT") - 4
    (tmp_path / "large.png").write_bytes(plain[:at] + large + plain[at:])
    assert open_picture(tmp_path / "large.png").getpixel((0, 0)) == pytest.approx((255, 121, 25), abs=3)


@pytest.mark.parametrize(
    ("name", "head", "extra"),
    [
        ("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        ("photo.heic", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heic"),
        ("paper.pdf", b"%PDF-1.7\n", "pdf"),
    ],
)
def test_what_an_extra_reads_is_said_with_its_install_line(tmp_path, monkeypatch, name, head, extra):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    (tmp_path / name).write_bytes(head + bytes(100))
    assert refusal(tmp_path / name).endswith(f"install it with: pip install 'mini-o3[{extra}]'")


def test_the_memory_of_decoding_is_limited_not_only_the_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_module, "MEMORY_BUDGET", 40_000)
    half("RGB", RED, BLUE).resize((99, 99)).save(tmp_path / "rgb.png")
    half("RGBA", RED, BLUE).resize((99, 99)).save(tmp_path / "rgba.png")
    assert open_picture(tmp_path / "rgb.png").size == (99, 99)
    assert "takes 0 MB to decode, more than the 0 MB" in refusal(tmp_path / "rgba.png")


def test_whatever_a_decoder_raises_is_one_line(tmp_path, monkeypatch):
    def stumble(self):
        raise ZeroDivisionError("division\nby zero")

    noise().save(tmp_path / "odd.png")
    monkeypatch.setattr(ImageFile.ImageFile, "load", stumble)
    assert "damaged or cut off (division by zero)" in refusal(tmp_path / "odd.png")


def test_a_damaged_tiff_prints_nothing(tmp_path, capfd):
    data = bytearray(encoded(noise(), "TIFF", compression="tiff_lzw"))
    data[20:400] = bytes(range(190)) * 2
    path = tmp_path / "damaged.tif"
    path.write_bytes(bytes(data))
    with suppress(UserError):
        open_picture(path)
    (tmp_path / "cut.tif").write_bytes(encoded(noise(), "TIFF", compression="jpeg")[:2000])
    refusal(tmp_path / "cut.tif")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", [(60_000, 60_000), (13_000, 12_000), (2**31 - 1, 2**31 - 1)])
def test_a_huge_picture_is_refused_from_its_header(tmp_path, monkeypatch, size):
    def decode(self):
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(*size))
    assert "more than the 150,000,000" in refusal(path)


def test_the_decode_budget_can_be_smaller(tmp_path):
    path = tmp_path / "small.png"
    noise((100, 50)).save(path)
    assert open_picture(path, decode_budget=5000).size == (100, 50)
    assert "100 x 50 is 5,000 pixels, more than the 4,999" in refusal(path, decode_budget=4999)


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ((1, 1), "too small"),
        ((27, 28), "too small"),
        ((28, 27), "too small"),
        ((20_000, 10), "10 is too"),
        ((5800, 29), "too thin"),
        ((29, 5800), "too thin"),
    ],
)
def test_a_picture_that_is_too_small_or_too_thin_is_refused(tmp_path, size, reason):
    path = tmp_path / "odd.png"
    Image.new("L", size).save(path)
    message = refusal(path)
    assert reason in message
    assert f"{size[0]} x {size[1]}" in message


@pytest.mark.parametrize("size", [(28, 28), (5799, 29), (29, 5799)])
def test_a_picture_just_large_and_just_wide_enough_is_taken(tmp_path, size):
    Image.new("L", size).save(tmp_path / "edge.png")
    assert open_picture(tmp_path / "edge.png").size == size


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_picture_that_is_cut_off_is_refused(tmp_path, fmt, share):
    data = encoded(noise(), fmt)
    path = tmp_path / f"cut.{fmt.lower()}"
    path.write_bytes(data[: int(len(data) * share)])
    assert "get a fresh copy" in (message := refusal(path)) or "not a picture" in message


@pytest.mark.parametrize("fmt", ["JPEG", "PNG"])
def test_half_a_picture_is_called_damaged(tmp_path, fmt):
    data = encoded(noise(), fmt)
    path = tmp_path / "half"
    path.write_bytes(data[: len(data) // 2])
    assert "damaged or cut off" in refusal(path)


def test_a_png_with_rubbish_between_its_chunks_is_called_damaged(tmp_path):
    data = encoded(noise(), "PNG")
    start = data.index(b"IDAT") + 4
    path = tmp_path / "rubbish.png"
    path.write_bytes(data[: start - 8] + chunk(b"IDAT", data[start : start + 1000]) + bytes(range(100)))
    assert "damaged or cut off" in refusal(path)


def dds_of_an_unknown_kind():
    return (
        b"DDS "
        + struct.pack("<7I44x", 124, 0x1007, 32, 32, 0, 0, 0)
        + struct.pack("<8I", 32, 128, 0, 0, 0, 0, 0, 0)
        + bytes(20)
    )


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.png", b"", "is empty"),
        ("text.png", b"this is not a picture at all\n" * 20, "not a picture"),
        ("page.jpg", b"<!DOCTYPE html><html><body>404</body></html>", "not a picture"),
        ("binary.webp", bytes(range(256)) * 4, "not a picture"),
        ("zeros.tif", bytes(4096), "not a picture"),
        ("signature.png", b"\x89PNG\r\n\x1a\n", ""),
        ("kind.dds", dds_of_an_unknown_kind(), ""),
    ],
)
def test_a_file_that_is_no_picture_is_refused(tmp_path, name, data, reason):
    path = tmp_path / name
    path.write_bytes(data)
    assert reason in refusal(path)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow cannot read AVIF")
def test_an_avif_with_damaged_pixels_is_refused_or_opened(tmp_path):
    data = encoded(noise(), "AVIF")
    start, outcomes = data.index(b"mdat") + 4, []
    for at in range(start, len(data), 40):
        path = tmp_path / f"{at}.avif"
        path.write_bytes(data[:at] + bytes(40) + data[at + 40 :])
        try:
            outcomes.append(open_picture(path).mode)
        except UserError:
            outcomes.append("refused")
    assert set(outcomes) <= {"RGB", "refused"}


def test_a_directory_is_refused(tmp_path):
    assert "is a directory" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["missing.png", "nowhere/missing.png", "fehlt-ü-写真.png"])
def test_a_missing_file_is_refused(tmp_path, name):
    assert "no such file" in refusal(tmp_path / name)


def test_a_name_that_is_too_long_is_refused(tmp_path):
    refusal(tmp_path / ("a" * 300 + ".png"))


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    def forbidden(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    path = tmp_path / "secret.png"
    noise().save(path)
    monkeypatch.setattr(os, "open", forbidden)
    assert "may not be read" in refusal(path)


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_refused(tmp_path):
    path = tmp_path / "secret.png"
    noise().save(path)
    path.chmod(0)
    assert "may not be read" in refusal(path)


@pytest.mark.parametrize("name", ["bild-ü.png", "写真 📷.jpg", "фото.webp", 'a\'b "c" {d}.bmp'])
def test_a_name_in_any_script_is_fine(tmp_path, name):
    noise().save(tmp_path / name)
    assert open_picture(tmp_path / name).size == (80, 60)
    assert open_picture(str(tmp_path / name)).size == (80, 60)
