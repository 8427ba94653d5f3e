"""Painting the things that probes hide: a coloured shape with a white rim and a digit on it."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mini_o3.probes.shapes.scene import Scene
from mini_o3.probes.shapes.words import COLOURS, SHAPES

_RIM = 0.05  # width of the white rim, share of the side
_DIGIT = 0.52  # height of the digit, share of the side


def place(rng: np.random.Generator, scene: Scene, picture: Image.Image) -> Image.Image:
    """Put the things of a scene, each slightly tinted, onto a background of its size. Changes and returns
    `picture`."""
    width, height = scene.size
    for thing in scene.things:
        side = round((thing.region.x1 - thing.region.x0) * width)
        tint = rng.integers(-12, 13, 3)
        image = sprite(
            thing.colour, thing.shape, thing.digit, side, (int(tint[0]), int(tint[1]), int(tint[2]))
        )
        picture.paste(image, (round(thing.region.x0 * width), round(thing.region.y0 * height)), image)
    return picture


def sprite(
    colour: str, shape: str, digit: str, side: int, tint: tuple[int, int, int] = (0, 0, 0)
) -> Image.Image:
    """RGBA picture of `side` x `side` pixels; `tint` is added to the colour, so that no two reds are quite
    alike."""
    oversample = 4 if side < 80 else 2
    big = side * oversample
    image = Image.new("RGBA", (big, big), (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    red, green, blue = (int(np.clip(c + t, 0, 255)) for c, t in zip(COLOURS[colour], tint, strict=True))
    draw.polygon(_scaled(outline(shape), big, 1.0), fill=(255, 255, 255, 255))
    draw.polygon(_scaled(outline(shape), big, 1.0 - 2 * _RIM), fill=(red, green, blue, 255))
    font = _font(round(big * _DIGIT / 0.72))  # digits are 0.72 of the font's size
    draw.text(
        (big / 2, big / 2 + big * 0.01),
        digit,
        font=font,
        fill=(255, 255, 255, 255),
        anchor="mm",
        stroke_width=round(big * 0.035),
        stroke_fill=(20, 20, 20, 255),
    )
    return image.reduce(oversample)


@cache
def outline(shape: str) -> tuple[tuple[float, float], ...]:
    """Corners of a shape inside the square -1..1, y down."""
    if shape == "circle":
        return _round(lambda t: (math.cos(t), math.sin(t)))
    if shape == "square":
        return ((-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88))
    if shape == "triangle":
        return ((0.0, -1.0), (1.0, 0.85), (-1.0, 0.85))
    if shape == "star":
        spikes = [(1.0 if i % 2 == 0 else 0.55, -math.pi / 2 + i * math.pi / 5) for i in range(10)]
        return tuple((r * math.cos(t), r * math.sin(t)) for r, t in spikes)
    if shape == "diamond":
        return ((0.0, -1.0), (0.8, 0.0), (0.0, 1.0), (-0.8, 0.0))
    if shape == "cross":
        a = 0.44
        return (
            (-a, -1),
            (a, -1),
            (a, -a),
            (1, -a),
            (1, a),
            (a, a),
            (a, 1),
            (-a, 1),
            (-a, a),
            (-1, a),
            (-1, -a),
            (-a, -a),
        )
    if shape == "heart":
        return _round(
            lambda t: (
                math.sin(t) ** 3,
                -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 15 - 0.14,
            )
        )
    if shape == "arrow":
        return ((-1, -0.42), (0.05, -0.42), (0.05, -0.95), (1, 0), (0.05, 0.95), (0.05, 0.42), (-1, 0.42))
    raise ValueError(f"unknown shape {shape!r}; known: {', '.join(SHAPES)}")


def _round(curve, steps: int = 64) -> tuple[tuple[float, float], ...]:  # type: ignore[no-untyped-def]
    return tuple(curve(2 * math.pi * i / steps) for i in range(steps))


def _scaled(points: tuple[tuple[float, float], ...], side: int, share: float) -> list[tuple[float, float]]:
    half = side / 2
    return [(half + x * half * share, half + y * half * share) for x, y in points]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(
        size
    )  # the outline font that Pillow carries: no font file of the machine is needed
