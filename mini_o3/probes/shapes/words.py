"""The words of nano's closed world: what its things can be."""

from __future__ import annotations

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 36, 36),
    "orange": (245, 134, 20),
    "yellow": (244, 218, 40),
    "green": (38, 158, 58),
    "cyan": (50, 208, 222),
    "blue": (34, 74, 214),
    "purple": (132, 48, 188),
    "pink": (246, 118, 190),
}
SHAPES = ("circle", "square", "triangle", "star", "diamond", "cross", "heart", "arrow")
DIGITS = tuple("0123456789")
