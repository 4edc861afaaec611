"""A small HTTP server over a real socket that answers each request as its script says."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11
import trio

RESET = "reset"
SILENCE = "silence"


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Step = Answer | str


@dataclass
class ScriptedServer:
    """Plays `script`, one step a request; afterwards answers 204. Keeps what it was sent and when."""

    script: list[Step]
    bodies: list[bytes] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    url: str = ""

    async def serve(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        async with stream:
            while True:
                request, body = await self._receive(connection, stream)
                if request is None:
                    return
                self.targets.append(request.target.decode())
                self.headers.append({name.decode(): value.decode() for name, value in request.headers})
                self.bodies.append(body)
                self.times.append(trio.current_time())
                step = self.script.pop(0) if self.script else Answer(204)
                if step == SILENCE:
                    await trio.sleep_forever()
                if isinstance(step, str):
                    return
                try:
                    await self._answer(connection, stream, step)
                except trio.BrokenResourceError:  # who asked has heard enough
                    return
                connection.start_next_cycle()

    async def _receive(self, connection: h11.Connection, stream: trio.abc.Stream) -> tuple[h11.Request | None, bytes]:
        request, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                try:
                    connection.receive_data(bytes(await stream.receive_some(65536)))
                except trio.BrokenResourceError:
                    return None, b""
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return request, body
            else:
                return None, b""

    async def _answer(self, connection: h11.Connection, stream: trio.abc.Stream, answer: Answer) -> None:
        headers: list[tuple[str, str]] = [*answer.headers]
        if answer.status != 204:
            headers.append(("Content-Length", str(len(answer.body))))
        await stream.send_all(connection.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
        if answer.body:
            await stream.send_all(connection.send(h11.Data(data=answer.body)) or b"")
        await stream.send_all(connection.send(h11.EndOfMessage()) or b"")


@asynccontextmanager
async def scripted_server(script: Iterable[Step] = ()) -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer(list(script))
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, server.serve, 0)
        port = listeners[0].socket.getsockname()[1]
        server.url = f"http://127.0.0.1:{port}"
        yield server
        nursery.cancel_scope.cancel()
