"""What the environment says of the way to an endpoint: proxies and certificates, checked before use."""

from __future__ import annotations

import ipaddress
import os
import ssl
from functools import cache
from urllib.parse import urlsplit

import httpx

from mini_o3.kit.errors import UserError

_SCHEMES = ("http", "https", "socks5", "socks5h")


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address; None: straight there.

    NO_PROXY may hold `*`, host names with or without a leading dot, and addresses or networks of both
    families.

    Raises:
        UserError: a proxy's address cannot be used, or it needs a package that is not installed.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if not host or _bypassed(host, _first("NO_PROXY")[1]):
        return None
    name, proxy = _first(f"{parts.scheme.upper()}_PROXY", "ALL_PROXY")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        found = urlsplit(proxy)
        usable = found.scheme in _SCHEMES and bool(found.hostname) and found.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UserError(f"{name}: not a usable proxy address; give one such as http://proxy.example:3128")
    if found.scheme.startswith("socks"):
        try:
            import socksio  # noqa: F401
        except ImportError:
            raise UserError(
                f"{name}: a SOCKS proxy needs one more package: pip install 'httpx[socks]'"
            ) from None
    return proxy


@cache
def certificates() -> ssl.SSLContext:
    """Whom to trust: the files of SSL_CERT_FILE or SSL_CERT_DIR if set; kept, as reading takes long.

    Raises:
        UserError: there are none where the environment says.
    """
    try:
        return httpx.create_ssl_context()
    except (OSError, ssl.SSLError) as error:
        name = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        raise UserError(
            f"{name}: no certificates can be read there ({error}); put it right or unset it"
        ) from None


def _first(*names: str) -> tuple[str, str]:
    for name in names:
        for spelled in (name.lower(), name):
            if value := os.environ.get(spelled, "").strip():
                return spelled, value
    return names[0], ""


def _bypassed(host: str, rules: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    for rule in (part.strip().lower() for part in rules.split(",")):
        if rule == "*":
            return True
        name = rule.removeprefix(".").removeprefix("*.")
        if name and (host == name or host.endswith(f".{name}")):
            return True
        try:
            network = ipaddress.ip_network(rule.strip("[]"), strict=False)
        except ValueError:
            continue
        if address is not None and address.version == network.version and address in network:
            return True
    return False
