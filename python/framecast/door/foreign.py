"""Asks the rules for pages, and tells the operator what to set when they refuse one. Knows no path.

A refused Origin is nearly always a proxy that does not pass `Host` on, or a root URL that nobody set. The browser shows
its user a bare 403, so the log has to say it; pages are strangers, so it says it seldom.
"""

import math
from collections.abc import Callable

import structlog
import trio

from framecast.door.head import RequestHead
from framecast.door.origin import ForeignPageError, OriginRules, check_origin, check_page, parse_root_url
from framecast.settings import Live, Server

log = structlog.get_logger(__name__)

TOLD_CHARACTERS = 200
"""Of a header that is logged: a host name has 253 at most, and no page needs all of them."""


class PageCheck:
    """The rules for pages of one server, as its settings have them. ConfigurationError for a root URL that is none."""

    def __init__(self, server: Server, live: Live, *, clock: Callable[[], float] = trio.current_time) -> None:
        self._rules = OriginRules(
            live.allowed_origins, parse_root_url(server.root_url), scheme="https" if server.scheme == "https" else None
        )
        self._complaint_seconds = live.complaint_seconds
        self._clock = clock
        self._told_at = -math.inf
        self._untold = 0

    def check(self, head: RequestHead, *, whatever_method: bool) -> None:
        """Refuse, with 403, what another site's page must not do; `whatever_method`: not even by GET."""
        ask = check_page if whatever_method else check_origin
        try:
            ask(head, self._rules)
        except ForeignPageError:
            self._complain(head)
            raise

    def _complain(self, head: RequestHead) -> None:
        now = self._clock()
        if now - self._told_at < self._complaint_seconds:
            self._untold += 1
            return
        origin = head.find_text(b"origin")
        log.warning(
            "request Origin is not authorized",
            origin=None if origin is None else origin[:TOLD_CHARACTERS],
            host=(head.find_text(b"host") or "")[:TOLD_CHARACTERS],
            path=head.path[:TOLD_CHARACTERS],
            remedy="a proxy in front must pass Host on; else set server.root_url to the address in the browser, or add "
            "the page's origin to live.allowed_origins",
            unlogged=self._untold,
        )
        self._told_at, self._untold = now, 0
