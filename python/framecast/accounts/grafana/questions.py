"""Asks Grafana over HTTP, with every size, number and wait bounded. Knows nothing of what the answers mean.

Below httpx's client on purpose: that would keep one visitor's cookies and send them along with another's, follow
redirects with a visitor's credential in hand, and read proxies and passwords out of the environment. Only which
certificate authorities are trusted is the environment's to say (`SSL_CERT_FILE`).
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import structlog
import trio

from framecast import __version__
from framecast.accounts.grafana.credential import Credential
from framecast.accounts.other_server import read_url
from framecast.errors import ConfigurationError
from framecast.settings import Grafana

log = structlog.get_logger(__name__)

IDLE_SECONDS = 30.0
"""How long a connection waits for the next question; Grafana and most proxies keep one for longer."""

_CUT_OFF = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""Most likely a connection that was kept, and that Grafana closed in the moment of the question: asked once more."""

_REDIRECTS = range(300, 400)
_NOT_MODIFIED = 304  # which some Grafanas answer to tokens: "only available for users"


class UnreachableError(Exception):
    """Grafana did not answer, or nothing that can be understood; the message says why and holds no secret."""


class TooLongError(UnreachableError):
    """The answer is longer than it may be."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer, with a status that says something: no redirect, nothing from 500 on, and not 429."""

    status: int
    body: bytes


class Questions:
    """The way to one Grafana. `open` first; what is asked after that waits for a turn."""

    def __init__(self, settings: Grafana) -> None:
        self._root = check_url(settings.url)
        self._settings = settings
        self._turns = trio.CapacityLimiter(settings.max_questions)
        self._waiting = 0
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._trouble = _Trouble(settings.complaint_seconds)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Inside, it can be asked."""
        limits = httpx.Limits(max_connections=self._settings.max_questions, keepalive_expiry=IDLE_SECONDS)
        async with httpx.AsyncHTTPTransport(verify=httpx.create_ssl_context(), limits=limits) as transport:
            self._transport = transport
            try:
                yield
            finally:
                self._transport = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Inside, the caller may ask, one thing after another; UnreachableError when too many wait already.

        The caller has a deadline around it, and says with `timed_out` when that passed.
        """
        if self._waiting >= self._settings.waiting_questions:
            raise UnreachableError("too many questions wait for their turn already (grafana.waiting_questions)")
        self._waiting += 1
        try:
            async with self._turns:
                yield
        except UnreachableError as error:
            self._trouble.note(str(error))
            raise
        else:
            self._trouble.over()
        finally:
            self._waiting -= 1

    def timed_out(self) -> None:
        """A question had no answer in time."""
        self._trouble.note(f"no whole answer within {self._settings.ask_seconds:g} s (grafana.ask_seconds)")

    async def get(
        self, path: str, credential: Credential, *, peer: str = "", org_id: int | None = None, max_bytes: int = 0
    ) -> Reply:
        """Ask for `path` as the visitor would, from `peer`, in an org. UnreachableError for what is no `Reply`.

        What it waits for has no deadline of its own. `max_bytes` is `grafana.answer_bytes` unless it is given.
        """
        headers = [
            *credential.headers,
            (b"accept", b"application/json"),
            (b"accept-encoding", b"identity"),
            (b"user-agent", f"framecast/{__version__}".encode()),
        ]
        if peer:
            headers.append((b"x-forwarded-for", peer.encode("ascii", "replace")))
        if org_id is not None:
            headers.append((b"x-grafana-org-id", b"%d" % org_id))
        request = httpx.Request("GET", self._root + path, headers=headers)
        for last in (False, True):
            try:
                return await self._ask(request, max_bytes or self._settings.answer_bytes)
            except (httpx.HTTPError, OSError, ValueError) as error:
                if last or not isinstance(error, _CUT_OFF):
                    raise UnreachableError(_reason(error)) from None
        raise AssertionError("the loop returns or raises")

    async def _ask(self, request: httpx.Request, max_bytes: int) -> Reply:
        if self._transport is None:
            raise RuntimeError("questions are asked inside `open` only")
        response = await self._transport.handle_async_request(request)
        try:
            _check_status(response.status_code)
            body = bytearray()
            with trio.CancelScope() as reading:
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > max_bytes:
                        reading.cancel()  # httpx's generators come to an end from the inside only
        finally:
            await response.aclose()
        if len(body) > max_bytes:
            raise TooLongError(f"the answer is longer than {max_bytes} bytes")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise UnreachableError("the answer is compressed, though that was not asked for")
        return Reply(response.status_code, bytes(body))


def check_url(url: str) -> str:
    """`url` without a slash at its end. ConfigurationError when Grafana cannot be asked there."""
    url = url.strip()
    parts = read_url("grafana.url", url, "http://127.0.0.1:3000")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"grafana.url = {url!r} has a query or fragment: leave them out")
    return url.rstrip("/")


def _check_status(status: int) -> None:
    if status in _REDIRECTS and status != _NOT_MODIFIED:
        raise UnreachableError(
            f"it answers with a redirect ({status}): grafana.url must be where it serves itself, as its root_url and "
            "serve_from_sub_path say"
        )
    if status >= 500 or status == 429 or status < 200:
        raise UnreachableError(f"it answers with status {status}")


def _reason(error: Exception) -> str:
    """What went wrong. What h11 says of headers that it does not want to send has them in it."""
    told = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError | OSError) and str(error)
    return f"{type(error).__name__}: {error}" if told else type(error).__name__


class _Trouble:
    """Tells the operator that Grafana cannot be asked, seldom, and once when it can be again."""

    def __init__(self, complaint_seconds: float) -> None:
        self._complaint_seconds = complaint_seconds
        self._told_at = -math.inf
        self._untold = 0
        self._lasts = False

    def note(self, reason: str) -> None:
        self._lasts = True
        now = trio.current_time()
        if now - self._told_at < self._complaint_seconds:
            self._untold += 1
            return
        log.warning("grafana cannot be asked", error=reason, unlogged=self._untold)
        self._told_at, self._untold = now, 0

    def over(self) -> None:
        if self._lasts:
            log.info("grafana answers again")
        self._lasts = False
