"""Shelves of a shop: products with labels, price tags on the rail, small signs, notes on the wall above."""

from __future__ import annotations

from PIL import Image, ImageDraw

from mini_o3.probes.scenes.draw import Colour
from mini_o3.probes.scenes.icons import ICONS
from mini_o3.probes.scenes.questions import Family, Narrow, Via
from mini_o3.probes.scenes.sketch import PAINTS, WHITE, Sketch, shade, smooth
from mini_o3.probes.scenes.words import BRANDS, NOTICES, ORDINALS, TOWNS

_ON_SHELF = Narrow(("shelf",), "on the {shelf} shelf from the top")
_BOTH = Narrow(("paper", "shelf"), "({shelf} shelf from the top, {paper} tag)")
FAMILIES = (
    Family(
        "price",
        "tag",
        ("name",),
        "price",
        "price tag",
        "the price tag of {name}",
        (
            "How much does {name} {where} cost?",
            "What is the price of {name} {where}?",
            "What does the tag of {name} {where} say it costs?",
        ),
        (Narrow(), _ON_SHELF, Narrow(("paper",), "(it has a {paper} tag)"), _BOTH),
    ),
    Family(
        "product",
        "tag",
        ("price",),
        "name",
        "price tag",
        "the price tag with {price}",
        ("Which product {where} costs {price}?", "What is sold for {price} {where}?"),
        (Narrow(), _ON_SHELF, Narrow(("paper",), "with a {paper} tag"), _BOTH),
    ),
    Family(
        "maker",
        "pack",
        ("icon",),
        "maker",
        "label",
        "the {form} with the {icon} on its label",
        (
            "What is the name on the {form} {where} whose label shows the {icon}?",
            "Which name is on the {form} with the little {icon} {where}?",
        ),
        (
            Narrow(("form",)),
            Narrow(("form", "shelf"), "on the {shelf} shelf from the top"),
            Narrow(("form", "colour"), "(the {form} is {colour})"),
        ),
    ),
    Family(
        "sign",
        "notice",
        ("name",),
        "words",
        "small sign",
        "the small sign above the tag of {name}",
        (
            "What does the small sign above the price tag of {name} read?",
            "What is written on the small sign at {name}?",
        ),
    ),
    Family(
        "note",
        "tag",
        ("name",),
        "price",
        "price tag",
        "the price tag of the product that the {via_paper} note names",
        (
            "How much does the product {where} cost whose name is on the {via_paper} note?",
            "Find the product named on the {via_paper} note {where}. What is its price?",
        ),
        (Narrow(), _ON_SHELF, Narrow(("paper",), "(its tag is {paper})"), _BOTH),
        Via("note", ("paper",), "name", "note on the wall"),
    ),
)
FORMS = ("bottle", "box", "jar", "can", "bag")
_TAGS: dict[str, Colour] = {"white": WHITE, "yellow": (250, 226, 96), "green": (176, 226, 160)}
_NOTES: dict[str, Colour] = {
    "pink": (246, 170, 200),
    "yellow": (250, 236, 130),
    "blue": (158, 200, 244),
    "green": (172, 226, 160),
    "orange": (250, 190, 120),
}


def lay_out(s: Sketch) -> None:
    u = s.unit
    wall = s.jitter((206, 200, 188), 20)
    s("cloud", (0, 0, s.width, s.height), wall, shade(wall, 0.86), int(s.rng.integers(1 << 30)))
    top = 8.0 * u
    rows = max(min(int((s.height - top - 2 * u) / (float(s.rng.uniform(34, 40)) * u)), len(ORDINALS)), 2)
    pitch = (s.height - top - 2 * u) / rows
    wood = s.jitter(((120, 84, 56), (88, 92, 100), (196, 188, 176), (70, 58, 50))[int(s.rng.integers(4))], 14)
    names = s.some(BRANDS, len(BRANDS))
    roomy = max(
        rows * s.width / (14.0 * u * len(BRANDS)), 1.0
    )  # so that there are names enough for all shelves
    sold: list[str] = []
    for row in range(rows):
        sold += _shelf(s, row, top + row * pitch, top + (row + 1) * pitch, wood, names, roomy)
    _notes(s, top, sold)
    s("light", int(s.rng.integers(1 << 30)), float(s.rng.uniform(0.08, 0.2)))


def _shelf(
    s: Sketch, row: int, top: float, floor: float, wood: Colour, names: list[str], roomy: float
) -> list[str]:
    """One shelf: its back, products, the rail with tags. Returns the names on the tags."""
    u, shelf = s.unit, ORDINALS[row]
    rail = floor - 5.4 * u
    s("slope", (0, round(top), s.width, round(rail)), shade(wood, 0.42), shade(wood, 0.62))
    s.fill((0, rail, s.width, floor), shade(wood, 1.05))
    s.fill((0, rail, s.width, rail + 0.5 * u), shade(wood, 1.3))
    s.fill((0, floor - 0.7 * u, s.width, floor), shade(wood, 0.6))
    sold: list[str] = []
    left = float(s.rng.uniform(0.5, 2)) * u
    while True:
        wide = float(s.rng.uniform(12.5, 17)) * roomy * u
        if left + wide > s.width - 0.5 * u or not names:
            return sold
        tall = min(float(s.rng.uniform(20, 28)) * u, rail - top - u)
        middle = left + wide / 2
        _product(s, shelf, middle, rail, wide - 1.2 * u, tall)
        name, paper = names.pop(), s.one(("white", "white", *_TAGS))
        euros = int(s.rng.integers(0, 30))
        price = f"{euros}.{s.one(('19', '29', '39', '49', '59', '69', '79', '89', '95', '99'))}"
        tag = s.plate(
            "price tag",
            middle,
            rail + 2.7 * u,
            (name, price),
            {"name": name, "price": price},
            paper=_TAGS[paper],
            rim=(150, 150, 150),
            pad=0.55,
            least=7.4,
        )
        s.mark("tag", (tag,), shelf=shelf, paper=paper)
        if s.rng.random() < 0.3:
            words = s.one(NOTICES)
            lines = words.split(" ", 1) if len(words) > 7 else [words]
            sign = s.plate(
                "small sign",
                middle,
                rail - 2.6 * u,
                lines,
                {"words": words},
                paper=(206, 30, 34),
                ink=WHITE,
                rim=WHITE,
                pad=0.6,
                least=7.0,
            )
            s.mark("notice", (sign, tag))
        sold.append(name)
        left += wide


def _product(s: Sketch, shelf: str, middle: float, rail: float, wide: float, tall: float) -> None:
    """A product standing on the rail, with a label that bears an emblem and the name of its maker, which is
    no product's."""
    maker = s.one(TOWNS)
    form, colour, icon = s.one(FORMS), s.one(tuple(PAINTS)), s.one(ICONS)
    width, height = round(wide), round(tall)
    s.sprite(product, (form, s.jitter(PAINTS[colour], 18), width, height), middle - width / 2, rail - height)
    label = s.plate(
        "label",
        middle,
        rail - (9.2 * s.unit if form != "can" else 10 * s.unit),
        (maker,),
        {"icon": icon, "maker": maker},
        icon=icon,
        pad=0.5,
        rim=None,
        face=s.one(("sans", "serif")),
        radius=0.6,
        ink=s.jitter((40, 36, 44), 10),
    )
    s.mark("pack", (label,), shelf=shelf, form=form, colour=colour)


def _notes(s: Sketch, top: float, sold: list[str]) -> None:
    """Notes on the wall above the shelves, each with the name of something that is sold below."""
    papers, u = s.some(tuple(_NOTES), len(_NOTES)), s.unit
    left = float(s.rng.uniform(2, 8)) * u
    for paper, name in zip(papers, s.some(sold, len(papers)), strict=True):
        if left + 11 * u > s.width:
            return
        note = s.plate(
            "note on the wall",
            left + 5 * u,
            top / 2,
            (name,),
            {"name": name},
            paper=_NOTES[paper],
            rim=None,
            pad=1.3,
            face="mono",
        )
        s.mark("note", (note,), paper=paper)
        left += float(s.rng.uniform(12, max(13.0, s.width / u / 5))) * u


def product(form: str, colour: Colour, width: int, height: int) -> Image.Image:
    """A product as RGBA: lit from the left, darker to the right."""

    def draw(d: ImageDraw.ImageDraw, k: float) -> None:
        w, h = width * k, height * k
        dark, light = shade(colour, 0.72), shade(colour, 1.18)
        if form == "box":
            side = 0.12 * w
            d.polygon([(0, 0.05 * h), (side, 0), (w, 0), (w - side, 0.05 * h)], fill=light)
            d.polygon([(w - side, 0.05 * h), (w, 0), (w, 0.97 * h), (w - side, h)], fill=dark)
            d.rectangle((0, 0.05 * h, w - side, h), fill=colour)
            d.rectangle((0, 0.82 * h, w - side, 0.88 * h), fill=light)
        elif form == "bottle":
            d.rectangle((0.36 * w, 0.02 * h, 0.64 * w, 0.3 * h), fill=dark)
            d.rectangle((0.33 * w, 0, 0.67 * w, 0.07 * h), fill=shade(colour, 0.5))
            d.ellipse((0.04 * w, 0.18 * h, 0.96 * w, 0.62 * h), fill=colour)
            d.rounded_rectangle((0.04 * w, 0.38 * h, 0.96 * w, h), radius=0.08 * w, fill=colour)
            d.rectangle((0.1 * w, 0.42 * h, 0.18 * w, 0.95 * h), fill=light)
            d.rectangle((0.84 * w, 0.42 * h, 0.96 * w, 0.96 * h), fill=dark)
        elif form == "jar":
            d.rounded_rectangle(
                (0.08 * w, 0.3 * h, 0.92 * w, 0.44 * h), radius=0.05 * w, fill=shade(colour, 0.55)
            )
            d.rounded_rectangle((0, 0.4 * h, w, h), radius=0.16 * w, fill=colour)
            d.rounded_rectangle((0.05 * w, 0.45 * h, 0.14 * w, 0.94 * h), radius=0.04 * w, fill=light)
            d.rounded_rectangle((0.86 * w, 0.46 * h, 0.98 * w, 0.95 * h), radius=0.05 * w, fill=dark)
        elif form == "can":
            d.rectangle((0.04 * w, 0.32 * h, 0.96 * w, 0.97 * h), fill=colour)
            d.ellipse((0.04 * w, 0.93 * h, 0.96 * w, h), fill=dark)
            d.rectangle((0.04 * w, 0.34 * h, 0.16 * w, 0.96 * h), fill=light)
            d.rectangle((0.82 * w, 0.34 * h, 0.96 * w, 0.96 * h), fill=dark)
            d.ellipse((0.04 * w, 0.29 * h, 0.96 * w, 0.37 * h), fill=(200, 202, 206))
            d.ellipse((0.12 * w, 0.305 * h, 0.88 * w, 0.355 * h), fill=(168, 170, 176))
        else:
            d.polygon([(0.06 * w, 0.12 * h), (0.94 * w, 0.12 * h), (w, h), (0, h)], fill=colour)
            d.polygon([(0.72 * w, 0.12 * h), (0.94 * w, 0.12 * h), (w, h), (0.8 * w, h)], fill=dark)
            d.rectangle((0.04 * w, 0.08 * h, 0.96 * w, 0.15 * h), fill=light)

    return smooth(width, height, draw)
