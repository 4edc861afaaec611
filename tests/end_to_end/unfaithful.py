"""A server that loses, doubles, exchanges and delays publications, exactly as a test says.

Pushes of line protocol come in by HTTP; subscribers of any channel hear of every one of them, or not. By hand over
trio, h11 and wsproto, so that nothing of Framecast is in between.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

import h11
import trio
import wsproto
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage

Manners = Callable[[int], Iterable[int]]
"""Which publications go out when this one has come: [] for none yet, [3, 3] for one twice, [8, 7] for an exchange."""

RECEIVE_BYTES = 65_536
_TEXT = re.compile(rb'text="([^"]*)"')


class UnfaithfulServer:
    """One server; `stall_at` is the publication that everything waits behind, for `stall_seconds`."""

    def __init__(self, manners: Manners, *, stall_at: int | None = None, stall_seconds: float = 0.0) -> None:
        self._manners = manners
        self._stall_at = stall_at
        self._stall_seconds = stall_seconds
        self._publications: list[str] = []
        self._subscribers: list[tuple[trio.SocketStream, wsproto.WSConnection]] = []
        self.pushed = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, of a subscriber or of a publisher."""
        first = bytes(await stream.receive_some(RECEIVE_BYTES))
        try:
            if first.startswith(b"GET "):
                await self._serve_subscriber(stream, first)
            elif first:
                await self._serve_publisher(stream, first)
        except (trio.BrokenResourceError, trio.ClosedResourceError, wsproto.utilities.RemoteProtocolError):
            pass  # a client that leaves

    async def _serve_publisher(self, stream: trio.SocketStream, first: bytes) -> None:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(first)
        body = b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                data = bytes(await stream.receive_some(RECEIVE_BYTES))
                if not data:
                    return
                connection.receive_data(data)
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                await self._publish(body)
                body = b""
                answer = connection.send(h11.Response(status_code=204, headers=[])) or b""
                await stream.send_all(answer + (connection.send(h11.EndOfMessage()) or b""))
                connection.start_next_cycle()

    async def _publish(self, body: bytes) -> None:
        for found in _TEXT.finditer(body):
            number = len(self._publications)
            self._publications.append(found[1].decode())
            self.pushed += 1
            if number == self._stall_at:
                await trio.sleep(self._stall_seconds)  # the stall is what is tested, and the bench has a real clock
            for chosen in self._manners(number):
                push = {"push": {"channel": "c", "pub": {"data": self._publications[chosen]}}}
                await self._tell_all(json.dumps(push, separators=(",", ":")))

    async def _tell_all(self, message: str) -> None:
        for stream, connection in self._subscribers:
            await stream.send_all(connection.send(TextMessage(message)))

    async def _serve_subscriber(self, stream: trio.SocketStream, first: bytes) -> None:
        connection = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        connection.receive_data(first)
        while True:
            for event in connection.events():
                if isinstance(event, Request):
                    await stream.send_all(connection.send(AcceptConnection()))
                elif isinstance(event, TextMessage):
                    await self._answer(stream, connection, event.data)
                elif isinstance(event, Ping):
                    await stream.send_all(connection.send(event.response()))
                elif isinstance(event, CloseConnection):
                    self._subscribers.remove((stream, connection))
                    await stream.send_all(connection.send(event.response()))
                    return
            data = bytes(await stream.receive_some(RECEIVE_BYTES))
            connection.receive_data(data or None)

    async def _answer(self, stream: trio.SocketStream, connection: wsproto.WSConnection, message: str) -> None:
        replies = []
        for line in message.splitlines():
            command = json.loads(line)
            method = "connect" if "connect" in command else "subscribe"
            replies.append(json.dumps({"id": command["id"], method: {}}, separators=(",", ":")))
            if method == "subscribe":
                self._subscribers.append((stream, connection))
        await stream.send_all(connection.send(TextMessage("\n".join(replies))))


@asynccontextmanager
async def unfaithful_server(
    manners: Manners, *, stall_at: int | None = None, stall_seconds: float = 0.0
) -> AsyncIterator[tuple[UnfaithfulServer, str]]:
    """A server for the length of the block, and its URL."""
    server = UnfaithfulServer(manners, stall_at=stall_at, stall_seconds=stall_seconds)
    async with trio.open_nursery() as nursery:
        start = partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1")
        [listener] = await nursery.start(start)
        yield server, f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()
