"""`mini-o3 serve` and `mini-o3 mcp`: search in a browser, and as tools for agents."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from mini_o3 import __version__
from mini_o3.cli.base import app, say
from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import require


@app.command()
def serve(
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", help="Who may be asked; several times for a choice. [default: nano]"),
    ] = None,
    runs: Annotated[
        list[Path] | None, typer.Option("--runs", help="Folder of recorded sets. [default: runs]")
    ] = None,
    pictures: Annotated[
        list[Path] | None, typer.Option("--pictures", help="Folder of pictures that records name.")
    ] = None,
    data: Annotated[Path, typer.Option("--data", help="Folder for uploads and searches.")] = Path(
        "runs/serve"
    ),
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8203,
    token: Annotated[
        str | None,
        typer.Option(
            "--token", envvar="MINI_O3_TOKEN", help="What clients must know; needed beyond loopback."
        ),
    ] = None,
) -> None:
    """Search, read recorded searches and watch trainings in a browser.

    Prints the address. `POST /v1/search`, `/v1/find` and `/v1/chat/completions` serve programs;
    `/openapi.json` describes them.
    """
    require("serve", "the web app")
    import uvicorn

    from mini_o3.serve.app import create_app
    from mini_o3.serve.settings import ServeSettings

    folders = tuple(runs) if runs else (Path("runs"),) if Path("runs").is_dir() else ()
    for folder in (*(runs or ()), *(pictures or ())):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; name one that holds recorded sets or pictures")
    settings = ServeSettings(
        tuple(policy or ("nano",)), folders, tuple(pictures or ()), data, host, port, token
    )
    check_policies(settings.policies)
    listening = _listening(host, port)
    config = uvicorn.Config(create_app(settings, __version__), log_level="warning", server_header=False)
    name = f"[{host}]" if ":" in host else host
    say(f"http://{name}:{listening.getsockname()[1]}/" + (f"?token={token}" if token else ""))
    uvicorn.Server(config).run(sockets=[listening])


def check_policies(policies: tuple[str, ...]) -> None:
    """Refuse what a server cannot offer before it starts.

    Raises:
        UserError: there is no such policy, or it needs a person or the answers.
    """
    from mini_o3.policies.spec import PolicySpec

    for name in policies:
        if PolicySpec(name).kind in ("human", "teacher", "replay"):
            raise UserError(f"policy {name}: cannot be served; take nano, hf: or api:")


def _listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections.

    Raises:
        UserError: the address cannot be used.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UserError(f"{host}:{port}: cannot listen there ({error.strerror}); take another port") from None


@app.command()
def mcp(
    policy: Annotated[str, typer.Option("--policy", help="Who searches.")] = "nano",
    pictures: Annotated[
        list[Path] | None,
        typer.Option("--pictures", help="Folder whose pictures may be read. [default: this folder]"),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--http", min=1, max=65535, help="Serve over HTTP on this port of loopback.")
    ] = None,
) -> None:
    """Offer `visual_search` and `zoom` to agents, over standard input and output or over HTTP."""
    require("mcp", "the MCP server")
    from mini_o3.serve.mcp_server import create_mcp

    check_policies((policy,))
    server = create_mcp(policy, tuple(pictures or (Path(os.curdir),)))
    if port is None:
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=port)
