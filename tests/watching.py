"""Subscribers of a running server over a WebSocket, and requests of its API, in a line each."""

import json
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from end_to_end.wire import TEXT, Connection, connect, encode_frame, request, upgrade_request


class Watcher:
    """A subscriber over a WebSocket."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lines: deque[bytes] = deque()

    async def say(self, **command: Any) -> None:
        await self._connection.send(encode_frame(TEXT, json.dumps(command).encode()))

    async def subscribe(self, channel: str, number: int = 2) -> Any:
        """The reply."""
        await self.say(id=number, subscribe={"channel": channel})
        while (said := await self.hear()).get("id") != number:
            pass
        return said

    async def unsubscribe(self, channel: str, number: int = 99) -> Any:
        """The reply."""
        await self.say(id=number, unsubscribe={"channel": channel})
        while (said := await self.hear()).get("id") != number:
            assert "unsubscribe" not in said.get("push", {}), said
        return said

    async def hear(self) -> Any:
        """What the server says next, one thing."""
        while True:
            if not self._lines:
                self._lines.extend((await self._connection.message()).payload.split(b"\n"))
            if (line := self._lines.popleft()) != b"{}":
                return json.loads(line)
            await self._connection.send(encode_frame(TEXT, b"{}"))


@asynccontextmanager
async def watching(place: str) -> AsyncIterator[Watcher]:
    async with connect(place) as connection:
        await connection.upgrade(upgrade_request("/api/live/ws", host=place))
        watcher = Watcher(connection)
        await watcher.say(id=1, connect={})
        assert "connect" in await watcher.hear()
        yield watcher


async def ask(place: str, method: str, path: str, document: Any = None, *, status: int | None = 200) -> Any:
    """Ask the API, as whoever may do all; what it answers with this status, or with any."""
    body = b"" if document is None else json.dumps(document).encode()
    async with connect(place) as connection:
        headers = {"Content-Type": "application/json"}
        await connection.send(request(method, path, body, host=place, headers=headers))
        answer = await connection.answer()
    assert status in {answer.status, None}, answer
    return json.loads(answer.body)


async def metric(place: str, name: str) -> float:
    """The number that /metrics has for it; 0 for what is not there, as with a label before it is counted."""
    async with connect(place) as connection:
        await connection.send(request("GET", "/metrics", host=place))
        page = (await connection.answer()).body.decode()
    found = re.findall(rf"^{re.escape(name)} (.*)$", page, re.MULTILINE)
    return float(found[0]) if found else 0.0
