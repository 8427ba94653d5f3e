"""What the server may do, decided once when it starts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from mini_o3.kit.errors import SettingError


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Limits and permissions of a server.

    Attributes:
        policies: specifications that a user may choose from; the first is the default. Nothing else is ever
            loaded on a user's behalf.
        runs: folders below which recorded episodes and trainings are shown; nothing outside is read.
        pictures: folders besides, whose pictures may be shown with the records that name them.
        data: folder for uploaded pictures and recorded searches.
        host, port: where it listens.
        token: what a client must know; None asks for nothing and is allowed on loopback only.
        turns: largest turn limit that a user may ask for.
        most_searches: searches that run at the same time; more wait.
        most_waiting: searches that may wait; more are refused (429).
        requests_per_minute: changes (uploads, searches) that one client may ask for in a minute.
        upload_bytes, upload_pixels: largest picture that is taken; checked before it is decoded.
        grace: seconds for which a search goes on when nobody listens any more.

    Raises:
        SettingError: it would listen beyond loopback without a token.
    """

    policies: tuple[str, ...] = ("nano",)
    runs: tuple[Path, ...] = ()
    pictures: tuple[Path, ...] = ()
    data: Path = Path("runs/serve")
    host: str = "127.0.0.1"
    port: int = 8203
    token: str | None = None
    turns: int = 64
    most_searches: int = 16
    most_waiting: int = 64
    requests_per_minute: int = 240
    upload_bytes: int = 64_000_000
    upload_pixels: int = 150_000_000
    grace: float = 5.0

    def __post_init__(self) -> None:
        if not self.policies:
            raise SettingError("policy", "is empty; name at least one policy")
        if not self.token and not is_loopback(self.host):
            raise SettingError(
                "host", "is not this machine alone; give a token, or listen on 127.0.0.1", self.host
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
