"""Search as tools for agents (Model Context Protocol): `visual_search` and `zoom`."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Image as Content
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from PIL import Image

from mini_o3.episode import EpisodeRun, Limits, Policy, SearchTask
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import to_json
from mini_o3.policies.load import load_policy
from mini_o3.policies.spec import PolicySpec
from mini_o3.serve.pyramid import jpeg
from mini_o3.serve.v1 import decode_image
from mini_o3.show.result import result_of
from mini_o3.vision import Rect, as_picture, open_picture
from mini_o3.vision.draw import shrink

_CROP = 768  # longest side of a crop that is sent back
_INSTRUCTIONS = (
    "Finds small things in large pictures. `visual_search` lets a policy look, zoom and look again until it "
    "can answer; `zoom` shows one box of a picture. `image` is the path of a file below an allowed folder, "
    "or a data: URL."
)


def create_mcp(policy: str, roots: tuple[Path, ...], turns: int = 64) -> MCPServer:
    """The server; `policy` is loaded when it is first needed.

    Args:
        roots: folders below which files may be read.
        turns: largest turn limit that a client may ask for.
    """
    server = MCPServer("mini-o3", instructions=_INSTRUCTIONS)
    allowed = [root.resolve() for root in roots]
    loaded: list[Policy] = []
    loading = asyncio.Lock()

    @server.tool(structured_output=False)
    async def visual_search(image: str, question: str, max_turns: int = 32) -> list[Any]:
        """Search a picture for the answer to a question.

        Args:
            image: path of a picture file, or a data: URL.
            question: what to find out.
            max_turns: how often the policy may look before it must have answered.

        Returns:
            JSON with status, answer, confidence, evidence (box in fractions and pixels); then the evidence as
            a picture.
        """
        picture = await asyncio.to_thread(_open, image, allowed)
        async with loading:
            if not loaded:
                loaded.append(await asyncio.to_thread(load_policy, PolicySpec(policy, concurrency=8)))
        limits = Limits(turns=max(1, min(max_turns, turns)))
        run = EpisodeRun(SearchTask("picture", question), loaded[0], limits, picture=picture)
        result = result_of(await run.play())
        told = {key: result[key] for key in ("status", "answer", "confidence", "evidence", "error")}
        content: list[Any] = [to_json({**told, "turns": len(run.turns)})]
        if result["evidence"] is not None:
            content.append(_crop(picture, Rect(*result["evidence"]["pixels"])))
        return content

    @server.tool(structured_output=False)
    def zoom(image: str, box: list[float]) -> list[Any]:
        """Show a part of a picture as large as its pixels allow.

        Args:
            image: path of a picture file, or a data: URL.
            box: [left, top, right, bottom] in fractions of the picture, 0 to 1.
        """
        picture = _open(image, allowed)
        if len(box) != 4 or not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
            raise ToolError("box: must be [left, top, right, bottom] with 0 <= left < right <= 1")
        width, height = picture.size
        left, top = int(box[0] * width), int(box[1] * height)
        rect = Rect(left, top, max(round(box[2] * width), left + 1), max(round(box[3] * height), top + 1))
        return [to_json({"pixels": list(rect), "size": [width, height]}), _crop(picture, rect)]

    return server


def _open(image: str, allowed: list[Path]) -> Image.Image:
    """The picture; whatever is wrong with it is told to the agent."""
    try:
        if image.startswith(("data:", "http:", "https:")):
            return as_picture(Image.open(io.BytesIO(decode_image(image))))
        path = Path(image).resolve()
        if not any(path.is_relative_to(root) for root in allowed):
            raise ToolError(f"{image}: lies outside the folders that this server may read")
        return open_picture(path)
    except UserError as error:
        raise ToolError(str(error)) from None
    except (OSError, Image.DecompressionBombError):
        raise ToolError("image: is no picture that can be opened") from None


def _crop(picture: Image.Image, rect: Rect) -> Content:
    return Content(data=jpeg(shrink(picture.crop(rect), _CROP)), format="jpeg")
