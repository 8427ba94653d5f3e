"""What a search of 32 turns sends to an endpoint, turn by turn, with views of 2 megapixels of a photograph.

    python bench/upload.py examples/demo/planks-17-megapixels.jpg

Prints a sentence and a line of JSON each, without a limit and with one. Sizes do not depend on the machine.
"""

from __future__ import annotations

import argparse
import json

from mini_o3.episode import Message
from mini_o3.kit.chat import ChatSettings
from mini_o3.policies.upload import Outbox
from mini_o3.vision import PixelBudget, Rect, open_picture, show

TURNS = 32


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("picture", help="a large photograph")
    options.add_argument("--limit", type=int, default=ChatSettings("http://h", "m").max_request_bytes)
    args = options.parse_args()
    picture, budget = open_picture(args.picture), PixelBudget(max_pixels=2_000_000)
    for name, limit in (("without a limit", 10**12), (f"below {args.limit / 1e6:g} MB", args.limit)):
        outbox, sizes = Outbox(limit), []
        outbox.add([Message("user", (show(picture, Rect(0, 0, *picture.size), budget), "What is it?"))])
        for turn in range(TURNS):
            sizes.append(len(json.dumps(outbox.payload())))
            left = turn * (picture.width - 2000) // TURNS
            view = show(
                picture, Rect(left, picture.height // 8, left + 1900, picture.height // 8 + 1300), budget
            )
            outbox.add([Message("assistant", ("closer",)), Message("user", (view, "Go on."))])
        smaller, gone = outbox.reduced
        print(
            f"{name}: {sum(sizes) / 1e6:.0f} MB in all, {max(sizes) / 1e6:.1f} MB in the largest request,",
            end=" ",
        )
        print(f"{smaller} views smaller, {gone} left out")
        print(
            json.dumps(
                {"limit": limit, "all": sum(sizes), "largest": max(sizes), "smaller": smaller, "gone": gone}
            )
        )


if __name__ == "__main__":
    main()
