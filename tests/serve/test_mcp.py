"""The MCP server with a real client, over standard input and output."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys

import pytest
from helpers import answer, recording, zoom
from web_client import png

pytest.importorskip("mcp")


def test_an_agent_searches_and_zooms(tmp_path):
    from mcp import StdioServerParameters
    from mcp.client.session import ClientSession
    from mcp.client.stdio import stdio_client

    (tmp_path / "p.png").write_bytes(png())
    said = recording(tmp_path / "said.jsonl", zoom(0.25, 0.5, 0.75, 1.0), answer("red"))
    code = (
        "from pathlib import Path; from mini_o3.serve.mcp_server import create_mcp; "
        f"create_mcp('replay:{said}', (Path('.'),)).run('stdio')"
    )

    async def talk():
        server = StdioServerParameters(
            command=sys.executable,
            args=["-c", code],
            cwd=str(tmp_path),
            env={"PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        )
        async with stdio_client(server) as (reading, writing), ClientSession(reading, writing) as client:
            await client.initialize()
            names = {tool.name for tool in (await client.list_tools()).tools}
            found = await client.call_tool("visual_search", {"image": "p.png", "question": "What?"})
            near = await client.call_tool("zoom", {"image": "p.png", "box": [0, 0, 0.5, 0.5]})
            away = await client.call_tool("zoom", {"image": "/etc/passwd", "box": [0, 0, 0.5, 0.5]})
            return names, found, near, away

    names, found, near, away = asyncio.run(talk())
    assert names == {"visual_search", "zoom"}
    assert not found.is_error, found.content
    text, picture = found.content
    told = json.loads(text.text)
    assert (told["status"], told["answer"], told["turns"]) == ("answered", "red", 2)
    assert told["evidence"]["pixels"] == [200, 300, 600, 600]
    assert base64.b64decode(picture.data)[:2] == b"\xff\xd8"
    assert json.loads(near.content[0].text)["pixels"] == [0, 0, 400, 300]
    assert away.is_error
    assert "outside the folders" in away.content[0].text
