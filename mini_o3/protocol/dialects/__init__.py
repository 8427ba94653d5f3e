"""The dialects in which policies name what they want to see: a text in, one canonical action out, and back.

| dialect | a call | its boxes | of which picture | the answer |
| --- | --- | --- | --- | --- |
| `mini_o3` | `<grounding>` | fractions of the source | any, by name | `<answer>` |
| `released` | the same, as the released code reads it | fractions, clipped | any, by name | `<answer>` |
| `deepeyes` | image_zoom_in_tool | pixels as stored (`-shown`: as shown) | the original | `<answer>` |
| `pixel_reasoner` | crop_image_normalized | fractions, 0.1 added around | any, from 1 | `\\boxed{}` |
| `qwen3_vl` | image_zoom_in_tool | thousandths | any, from 0 | any text without a call |
| `qwen2_5_vl` | image_zoom_in_tool | pixels as shown | any, from 0 | any text without a call |
| `direct` | none | - | - | any text |

The functions are called between `<tool_call>` tags. Only Mini-o3's dialect is read strictly. The others are
read as their own systems read them, so that no policy loses a turn to a rule it was never told; where a turn
holds several actions, the first one counts.
"""

from dataclasses import replace

from mini_o3.kit.errors import SettingError
from mini_o3.protocol.dialects.base import Dialect, Frame
from mini_o3.protocol.dialects.deepeyes import DeepEyes
from mini_o3.protocol.dialects.direct import Direct
from mini_o3.protocol.dialects.mini_o3 import MiniO3
from mini_o3.protocol.dialects.pixel_reasoner import PixelReasoner
from mini_o3.protocol.dialects.qwen import Qwen2_5Vl, Qwen3Vl
from mini_o3.protocol.dialects.released import Released
from mini_o3.vision import PixelBudget

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        MiniO3("mini_o3"),
        Released("released"),
        DeepEyes("deepeyes"),
        DeepEyes("deepeyes-shown", shown=True),
        PixelReasoner("pixel_reasoner"),
        PixelReasoner("pixel_reasoner-quirk", quirk=True),
        Qwen3Vl("qwen3_vl"),
        Qwen2_5Vl("qwen2_5_vl"),
        Direct("direct"),
    )
}


def load_dialect(name: str) -> Dialect:
    """The dialect of that name.

    Raises:
        UserError: there is none.
    """
    if name not in DIALECTS:
        raise SettingError("dialect", f"there is no such dialect; choose one of {', '.join(DIALECTS)}", name)
    return DIALECTS[name]


def view_budget(
    dialect: str, max_pixels: int | None = None, own: PixelBudget | None = None, multiple: int | None = None
) -> PixelBudget:
    """The size of views: what a checkpoint says of itself (`own`), else what the system of its dialect uses,
    else the paper's, and none larger than `max_pixels`.

    Args:
        multiple: side in pixels of an image token of the checkpoint; None: as the dialect says.

    Raises:
        UserError: no view can be so small, or the dialect is unknown.
    """
    found = own or load_dialect(dialect).budget or PixelBudget()
    if own is None and multiple is not None:
        found = replace(found, multiple=multiple)
    return found if max_pixels is None else found.limited(max_pixels)


__all__ = ["DIALECTS", "Dialect", "Frame", "load_dialect", "view_budget"]
