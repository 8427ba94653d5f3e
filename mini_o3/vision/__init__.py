"""Pictures and boxes: opening safely, cropping at native resolution, pixel budgets, drawing."""

from mini_o3.vision.album import Album, load_pictures, locate
from mini_o3.vision.base import InMemory, Picture, held
from mini_o3.vision.budget import FILTER, PixelBudget, show
from mini_o3.vision.given import as_picture
from mini_o3.vision.load import load_picture
from mini_o3.vision.picture import DECODE_BUDGET, MAX_ASPECT, MIN_SIDE, conversion_of, open_picture
from mini_o3.vision.region import Rect, Region

__all__ = [
    "DECODE_BUDGET",
    "FILTER",
    "MAX_ASPECT",
    "MIN_SIDE",
    "Album",
    "InMemory",
    "Picture",
    "PixelBudget",
    "Rect",
    "Region",
    "as_picture",
    "conversion_of",
    "held",
    "load_picture",
    "load_pictures",
    "locate",
    "open_picture",
    "show",
]
