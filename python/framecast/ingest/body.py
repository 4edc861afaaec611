"""Reads one request's body, bounded in bytes and time, whichever way it comes."""

from collections.abc import AsyncIterator
from functools import lru_cache
from typing import NamedTuple, Protocol

import trio

from framecast.accounts.identity import Identity
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.ingest.held import Held
from framecast.ingest.inflate import Inflation
from framecast.settings import Push

_GZIP = frozenset({"gzip", "x-gzip"})
_KNOWN = frozenset({"identity", *_GZIP})
_STEP_BYTES = 1_048_576
"""Inflated between two looks at the budget: milliseconds, many times what it costs to change to a thread."""


class BodyLimit(NamedTuple):
    """The largest body that somebody may push, and what that is called."""

    bytes: int
    named: str

    def refusal(self, what: str = "body") -> Refusal:
        """For a larger one."""
        return Refusal(413, f"the {what} is larger than {self.bytes} bytes ({self.named})", reason="body_limit")


def find_limit(identity: Identity, limits: Push) -> BodyLimit:
    """The server's, or the token's own where that is smaller."""
    own = None if identity.quota is None else identity.quota.body_bytes
    if own is not None and own < limits.body_bytes:
        return BodyLimit(own, "the token's own body_bytes")
    return _servers_limit(limits.body_bytes)


@lru_cache
def _servers_limit(size: int) -> BodyLimit:
    return BodyLimit(size, "push.body_bytes")


class Body(Protocol):
    """A body on its way: what a request says of it, and its pieces as they arrive."""

    @property
    def declared_bytes(self) -> int | None:
        """Its Content-Length; None for one whose length nobody knows."""

    def take_whole(self) -> bytes | None:
        """All of it, where it is here already: there is nothing to wait for. Else iterate."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Its pieces."""


class LateBody:
    """The body of a request that came to the application."""

    def __init__(self, head: RequestHead, chunks: AsyncIterator[bytes]) -> None:
        declared = head.find(b"content-length") or b""
        self.declared_bytes = int(declared[:18]) if declared.isdigit() else None
        self._chunks = chunks

    def take_whole(self) -> bytes | None:
        """See the role. Never: the application says it piece by piece."""
        return None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks


def find_content_type(head: RequestHead) -> str:
    """The body's Content-Type; the last of several, "" without one."""
    types = [value.decode("latin-1") for name, value in head.headers if name == b"content-type"]
    return types[-1] if types else ""


def find_encoding(head: RequestHead) -> str:
    """The body's Content-Encoding, as it is compared; several are joined, and then no encoding that is known."""
    encodings = [value.decode("latin-1") for name, value in head.headers if name == b"content-encoding"]
    return ",".join(encodings).strip().lower()


class BodyReader:
    """Reads bodies of all requests; they share the threads for inflating."""

    def __init__(self, limits: Push) -> None:
        self._limits = limits
        self._threads = trio.CapacityLimiter(limits.parser_threads)

    async def read(self, encoding: str, body: Body, held: Held, limit: BodyLimit) -> bytes:
        """Take what has arrived, or read to the end, and undo the content encoding.

        What it keeps is counted in `held`. Refusal 408, 413, 415, 400 or 503; what iterating raises goes through.
        """
        if encoding and encoding not in _KNOWN:
            raise Refusal(415, "this Content-Encoding is not known here; accepted: gzip, identity", reason="encoding")
        declared = body.declared_bytes
        if declared is not None and declared > limit.bytes:
            raise limit.refusal()
        raw = body.take_whole()
        if raw is None:
            raw = await self._wait_for_all(body, limit, held)
        else:
            held.grow(len(raw))
        if encoding in _GZIP and raw:
            return await self._inflate(raw, held, limit)
        return raw

    async def _wait_for_all(self, body: Body, limit: BodyLimit, held: Held) -> bytes:
        with trio.move_on_after(self._limits.body_seconds):
            return await _gather(body, limit, held)
        message = f"the body did not arrive within {self._limits.body_seconds:g} s (push.body_seconds)"
        raise Refusal(408, message, reason="body_time_limit")

    async def _inflate(self, raw: bytes, held: Held, limit: BodyLimit) -> bytes:
        """Small bodies at once; what turns out to be large goes on in a thread, so that nobody waits for it.

        Each step's bytes are counted before they come out, so that packed bodies share the budget as others do.
        """
        limits = self._limits
        inflation = Inflation(raw, max_bytes=limit.bytes, max_members=limits.gzip_members, named=limit.named)
        ended, goal = False, min(limits.thread_body_bytes, limit.bytes + 1)
        if len(raw) <= limits.thread_body_bytes:
            held.resize(len(raw) + goal)
            ended = inflation.step(goal)
        while not ended:
            goal = min(goal + _STEP_BYTES, limit.bytes + 1)
            held.resize(len(raw) + goal)
            try:
                ended = await trio.to_thread.run_sync(inflation.step, goal, limiter=self._threads)
            except Refusal as refusal:
                # Trio's frame keeps what a thread raised: a cycle that would hold the body until the next collection.
                raise refusal.with_traceback(None) from None
        body = inflation.take()
        held.resize(len(body))
        return body


async def _gather(body: Body, limit: BodyLimit, held: Held) -> bytes:
    parts = bytearray()
    first = b""
    async for chunk in body:
        held.grow(len(chunk))
        if len(parts) + len(first) + len(chunk) > limit.bytes:
            raise limit.refusal()
        if not first and not parts:
            first = chunk
            continue
        if first:
            parts += first
            first = b""
        parts += chunk
    return first or bytes(parts)
