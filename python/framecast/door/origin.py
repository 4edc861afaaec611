"""Which web pages may talk to this server, and under which names it may be addressed. Pure functions.

A browser sends requests for any page a person happens to look at. ``Origin`` tells whose page it is (rules of
Grafana Live); ``Host`` tells under which name the page reached us: a name of the attacker's that was pointed at
127.0.0.1 (DNS rebinding) is none of ours.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_address

from framecast.door.head import RequestHead
from framecast.errors import Refusal

_ORIGIN = re.compile(r"[a-z][a-z0-9+.\-]*://([^/?#@\s]+)")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@lru_cache(maxsize=64)
def is_loopback_host(host: str) -> bool:
    """Whether a ``Host`` names this machine and nothing else: localhost, 127.0.0.0/8 or [::1], with or without port."""
    name = re.sub(r":\d*\Z", "", host.strip().lower())
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    elif ":" in name:
        return False
    if name in {"localhost", "localhost."}:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def is_allowed_origin(origin: str | None, host: str | None, allowed: Sequence[str]) -> bool:
    """Whether a page of `origin` may talk to this server, reached as `host`.

    No origin: it is no browser. The single pattern ``*``: everyone. The same host and port: our own pages.
    Otherwise one of the `allowed` globs must match the whole origin, letter case aside.
    """
    if origin is None or tuple(allowed) == ("*",):
        return True
    origin = origin.strip().lower()
    found = _ORIGIN.fullmatch(origin)
    if found is not None and host is not None and found[1] == host.strip().lower():
        return True
    return any(fnmatchcase(origin, pattern.lower()) for pattern in allowed)


def check_host(head: RequestHead) -> None:
    """Refuse, with 403, a request that addresses a server for this machine only by any other name."""
    host = _text(head, b"host")
    if host is not None and not is_loopback_host(host):
        raise Refusal(
            403,
            "started with --dev this server answers only to localhost, 127.0.0.1 and [::1]; the request's Host is "
            "another name (a proxy that passes it on, or a web page's DNS rebinding)",
        )


def check_origin(head: RequestHead, allowed: Sequence[str]) -> None:
    """Refuse, with 403, a WebSocket or a changing request that another site's page makes."""
    if head.wants_websocket or head.method not in _SAFE_METHODS:
        check_page(head, allowed)


def check_page(head: RequestHead, allowed: Sequence[str]) -> None:
    """Refuse, with 403, any request that another site's page makes: for what a mere GET must not begin.

    A GET for an image or by a link brings no Origin, but says that it crosses sites (Fetch Metadata, ``cross-site``
    and ``same-site``: another host or port).
    """
    origin = _text(head, b"origin")
    crosses = origin is None and head.find(b"sec-fetch-site") in {b"cross-site", b"same-site"}
    if not is_allowed_origin("null" if crosses else origin, _text(head, b"host"), allowed):
        raise Refusal(403, "the request's Origin is not allowed: see live.allowed_origins")


def _text(head: RequestHead, name: bytes) -> str | None:
    value = head.find(name)
    return None if value is None else value.decode("latin-1")
