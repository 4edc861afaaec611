"""Reads one request's body, bounded in bytes and time, whichever way it comes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import trio

from framecast.accounts.identity import Identity
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.ingest.held import Held
from framecast.ingest.inflate import Inflation
from framecast.settings import Push

_GZIP = frozenset({"gzip", "x-gzip"})
_STEP_BYTES = 1_048_576
"""Inflated between two looks at the budget: milliseconds, many times what it costs to change to a thread."""


@dataclass(frozen=True, slots=True)
class BodyLimit:
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
    return BodyLimit(limits.body_bytes, "push.body_bytes")


class Described(Protocol):
    """A request, what it says of its body, and the body itself if that came along."""

    @property
    def head(self) -> RequestHead:
        """What came before the body."""

    @property
    def encoding(self) -> str:
        """Its Content-Encoding."""

    @property
    def declared_bytes(self) -> int | None:
        """Its Content-Length, if there is one."""

    @property
    def arrived(self) -> bytes | None:
        """The whole body, where it is here already: there is nothing to wait for."""


class BodyReader:
    """Reads bodies of all requests; they share the threads for inflating."""

    def __init__(self, limits: Push) -> None:
        self._limits = limits
        self._threads = trio.CapacityLimiter(limits.parser_threads)

    async def read(self, request: Described, chunks: AsyncIterator[bytes], held: Held, limit: BodyLimit) -> bytes:
        """Take what has arrived, or read `chunks` to their end, and undo the content encoding.

        What it keeps is counted in `held`. Refusal 408, 413, 415, 400 or 503; what `chunks` raises goes through.
        """
        encoding, declared = request.encoding.strip().lower(), request.declared_bytes
        if encoding not in _GZIP and encoding not in {"", "identity"}:
            raise Refusal(415, "this Content-Encoding is not known here; accepted: gzip, identity", reason="encoding")
        if declared is not None and declared > limit.bytes:
            raise limit.refusal()
        if request.arrived is not None:
            raw = request.arrived
            held.grow(len(raw))
        else:
            raw = await self._wait_for_all(chunks, limit, held)
        if encoding in _GZIP and raw:
            return await self._inflate(raw, held, limit)
        return raw

    async def _wait_for_all(self, chunks: AsyncIterator[bytes], limit: BodyLimit, held: Held) -> bytes:
        with trio.move_on_after(self._limits.body_seconds):
            return await _gather(chunks, limit, held)
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


async def _gather(chunks: AsyncIterator[bytes], limit: BodyLimit, held: Held) -> bytes:
    parts = bytearray()
    first = b""
    async for chunk in chunks:
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
