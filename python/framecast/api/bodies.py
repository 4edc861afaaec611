"""The bodies of requests: read whole or refused, counted while they are held, and JSON only as strict_json takes it."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import trio
from starlette.requests import ClientDisconnect, Request

from framecast import metrics
from framecast.errors import Refusal
from framecast.ingest.held import ByteBudget, Held
from framecast.settings import Api
from framecast.strict_json import parse_json

T = TypeVar("T")


class ReadRequest(Request):
    """A request whose JSON body was read and checked before; FastAPI takes it from here."""

    def __init__(self, request: Request, text: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._text = text
        self._value = value

    async def body(self) -> bytes:
        """The body, byte for byte."""
        return self._text

    async def json(self) -> Any:
        """The body's value."""
        return self._value


class JsonBodies:
    """Reads the JSON bodies of all routes. The bytes that they hold together are bounded by `api.waiting_bytes`."""

    def __init__(self, limits: Api) -> None:
        self._limits = limits
        self._threads = trio.CapacityLimiter(limits.threads)
        self._waiting = ByteBudget(
            limits.waiting_bytes,
            full="too many requests' bodies are held at once (api.waiting_bytes): try again",
            gauge=metrics.api_waiting_bytes,
        )

    @asynccontextmanager
    async def read(self, request: Request, limit: int, setting: str) -> AsyncIterator[ReadRequest]:
        """The request with its body, which counts as held until the block ends.

        Refusal 400 for what is no JSON as we take it, 408, 413, 415 for another type of content, 503.
        """
        with self._waiting.hold() as held:
            text = await read_whole(request, held, limit, setting)
            if text:
                check_content_type(request)
            parse = partial(parse_json, text, nesting=self._limits.nesting)
            yield ReadRequest(request, text, await self.run(parse, len(text)) if text else None)

    async def run(self, work: Callable[[], T], size: int) -> T:
        """What `work` on a body of that size returns; on a large one in a thread, so that others go on."""
        if size < self._limits.thread_body_bytes:
            return work()
        return await trio.to_thread.run_sync(work, limiter=self._threads)


async def read_whole(request: Request, held: Held, limit: int, setting: str) -> bytes:
    """The whole body, counted in `held`. Refusal 413, 503, or 408 when it does not arrive (door/asgi.py)."""
    too_large = Refusal(413, f"the body is larger than {limit} bytes ({setting})")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise too_large
    body = bytearray()
    try:
        async with aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                held.grow(len(chunk))
                body += chunk
                if len(body) > limit:
                    raise too_large
    except ClientDisconnect:
        raise Refusal(408, "the body did not arrive whole") from None
    return bytes(body)


def check_content_type(request: Request) -> None:
    """Refusal 415 for what is not sent as JSON: a page of another origin may send text without asking first."""
    sent = request.headers.get("content-type", "")
    kind = sent.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refusal(415, "the body has to be JSON, sent with Content-Type: application/json")
