"""Which web pages may talk to this server, and under which names it may be addressed. Pure functions.

A browser sends requests for any page a person happens to look at. ``Origin`` tells whose page it is (rules of
Grafana Live); ``Host`` tells under which name the page reached us: a name of the attacker's that was pointed at
127.0.0.1 (DNS rebinding) is none of ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_address

from framecast.door.head import RequestHead
from framecast.errors import ConfigurationError, Refusal

_ORIGIN = re.compile(r"([a-z][a-z0-9+.\-]*)://([^/?#@\s]+)")
_ROOT_URL = re.compile(r"(https?)://([^/?#@\s]+)(?:/[^?#\s]*)?")
_PORT = re.compile(r":[0-9]*\Z")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class ForeignPageError(Refusal):
    """403: another site's page makes the request."""

    def __init__(self) -> None:
        super().__init__(403, "the request's Origin is not allowed: see live.allowed_origins and server.root_url")


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


@dataclass(frozen=True, slots=True)
class OriginRules:
    """Which pages are ours, and whose others may come."""

    allowed: Sequence[str] = ()
    """Globs over whole origins; the single ``*`` is everyone."""

    root: tuple[str, str] | None = None
    """Scheme and host, with a port where one is written, of the address that browsers know; see `parse_root_url`."""

    scheme: str | None = None
    """Of our own pages, where that is known: behind a proxy that speaks TLS for us it is not."""


def parse_root_url(text: str) -> tuple[str, str] | None:
    """Scheme and host of `server.root_url`, in small letters; None for "". ConfigurationError when it is no web URL."""
    if not text:
        return None
    found = _ROOT_URL.fullmatch(text.strip().lower())
    if found is None:
        raise ConfigurationError(
            f"server.root_url = {text!r} is no URL of the form https://grafana.example.com or "
            "https://example.com:3000/grafana/: say how browsers address the server"
        )
    return found[1], found[2]


def is_allowed_origin(origin: str | None, host: str | None, rules: OriginRules) -> bool:
    """Whether a page of `origin` may talk to this server, reached as `host`.

    No origin: it is no browser. The single pattern ``*``: everyone. The same host and port, under our own scheme where
    that is known, or those of the root URL: our own pages. Otherwise one of the allowed globs must match the whole
    origin, letter case aside.
    """
    if origin is None or tuple(rules.allowed) == ("*",):
        return True
    origin = origin.strip().lower()
    found = _ORIGIN.fullmatch(origin)
    ours = found is not None and rules.scheme in {None, found[1]}
    if found is not None and ours and host is not None and found[2] == host.strip().lower():
        return True
    if found is not None and rules.root is not None and _is_root(found[1], found[2], *rules.root):
        return True
    return any(fnmatchcase(origin, pattern.lower()) for pattern in rules.allowed)


def _is_root(scheme: str, netloc: str, root_scheme: str, root_netloc: str) -> bool:
    """Without a port the hosts decide (grafana-live §1.2): browsers leave the scheme's own out, root URLs often not."""
    if _PORT.search(netloc) is None:
        root_netloc = _PORT.sub("", root_netloc)
    return (scheme, netloc) == (root_scheme, root_netloc)


def check_host(head: RequestHead) -> None:
    """Refuse, with 403, a request that addresses a server for this machine only by any other name."""
    host = head.find_text(b"host")
    if host is not None and not is_loopback_host(host):
        raise Refusal(
            403,
            "started with --dev this server answers only to localhost, 127.0.0.1 and [::1]; the request's Host is "
            "another name (a proxy that passes it on, or a web page's DNS rebinding)",
        )


def check_origin(head: RequestHead, rules: OriginRules) -> None:
    """Refuse, with 403, a WebSocket or a changing request that another site's page makes."""
    if head.method not in _SAFE_METHODS or head.wants_websocket:
        check_page(head, rules)


def check_page(head: RequestHead, rules: OriginRules) -> None:
    """Refuse, with 403, any request that another site's page makes: for what a mere GET must not begin.

    A GET for an image or by a link brings no Origin, but says that it crosses sites (Fetch Metadata, ``cross-site``
    and ``same-site``: another host or port).
    """
    origin = head.find_text(b"origin")
    if origin is None:
        if head.find(b"sec-fetch-site") not in {b"cross-site", b"same-site"}:
            return
        origin = "null"
    if not is_allowed_origin(origin, head.find_text(b"host"), rules):
        raise ForeignPageError
