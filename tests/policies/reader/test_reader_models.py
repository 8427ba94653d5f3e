"""The reader with its models, on a painted photograph; `make test-reader`."""

import pytest
from PIL import Image, ImageDraw, ImageFont

import mini_o3
from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import EXTRAS

pytest.importorskip("rapidocr")


@pytest.fixture(scope="module")
def reader():
    return mini_o3.load_policy(mini_o3.PolicySpec("reader", max_pixels=400_000))


@pytest.fixture(scope="module")
def street():
    """9 megapixels with three signs, the smallest with letters of 18 pixels."""
    picture = Image.new("RGB", (3600, 2500), (120, 150, 120))
    draw = ImageDraw.Draw(picture)
    for text, left, top, size, colour in (
        ("TOWN HALL", 400, 500, 90, (240, 240, 240)),
        ("NO PARKING", 2600, 1900, 28, (250, 210, 30)),
        ("Phone 0171 555 2368", 1700, 1250, 24, (240, 240, 240)),
    ):
        font = ImageFont.load_default(size)
        box = draw.textbbox((left, top), text, font=font)
        draw.rectangle((box[0] - 12, box[1] - 12, box[2] + 12, box[3] + 12), fill=colour)
        draw.text((left, top), text, font=font, fill="black")
    return picture


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What does the yellow sign say?", "NO PARKING"),
        ("What is the phone number?", "0171 555 2368"),
        ("Where is TOWN HALL?", "at the top left"),
        ("Where is the RAILWAY STATION?", "not there"),
    ],
)
def test_it_reads_small_signs(reader, street, question, answer):
    asked = mini_o3.ask(street, question, reader)
    assert asked.answer == answer
    if answer == "NO PARKING":
        assert 2500 < asked.evidence.left < 2620
        assert asked.evidence.width < 400


def test_without_the_extra_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(EXTRAS, "reader", ("no_such_module",))
    with pytest.raises(UserError, match=r"policy reader needs no_such_module; install it with: pip install"):
        mini_o3.load_policy("reader")
