"""The dialects in which policies name what they want to see: a text in, one canonical action out, and back.

| dialect | a call | its boxes | of which picture | the answer |
| --- | --- | --- | --- | --- |
| `mini_o3` | `<grounding>` | fractions of the source | any, by name | `<answer>` |
| `deepeyes` | `<tool_call>` image_zoom_in_tool | pixels as stored (`-shown`: as shown) | the original |
`<answer>` |
| `pixel_reasoner` | `<tool_call>` crop_image_normalized | fractions, 0.1 added around | any, from 1 |
`\\boxed{}` |
| `qwen3_vl` | `<tool_call>` image_zoom_in_tool | thousandths | any, from 0 | any text without a call |
| `qwen2_5_vl` | `<tool_call>` image_zoom_in_tool | pixels as shown | any, from 0 | any text without a call |
| `direct` | none | - | - | any text |

Only Mini-o3's is read strictly (`protocol/dialect.py`). The others are read as their own systems read them,
so that nobody loses a turn to a rule he was never told; where a turn holds several actions, the first one
counts.
"""

from mini_o3.kit.errors import UserError
from mini_o3.protocol.dialects.base import Dialect, Frame
from mini_o3.protocol.dialects.deepeyes import DeepEyes
from mini_o3.protocol.dialects.direct import Direct
from mini_o3.protocol.dialects.mini_o3 import MiniO3
from mini_o3.protocol.dialects.pixel_reasoner import PixelReasoner
from mini_o3.protocol.dialects.qwen import Qwen2_5Vl, Qwen3Vl

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        MiniO3("mini_o3"),
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
        raise UserError(f"dialect {name}: there is no such dialect; choose one of {', '.join(DIALECTS)}")
    return DIALECTS[name]


__all__ = ["DIALECTS", "Dialect", "Frame", "load_dialect"]
