"""One HTTP request and its answer on a connection that this server's own rooms serve."""

import trio

from framecast.door.answer import Answer, encode_answer
from framecast.door.body import IncomingBody
from framecast.door.crumbs import PIECES_PER_TURN
from framecast.door.direct import DirectStream
from framecast.door.head import RequestHead
from framecast.errors import Refusal

_READ_BYTES = 65_536


class Disconnected(Exception):  # noqa: N818 - what peers do, no failure of ours
    """The peer left in the middle of a request; there is nobody to answer."""


class Exchange:
    """A request whose body is iterated piece by piece. Owned by the connection's task; lives for one request.

    Iterating raises Refusal 400 for a body that breaks HTTP's framing and Disconnected when the peer leaves. It has
    no time limit of its own: whoever reads the body chooses one.
    """

    def __init__(
        self, stream: trio.abc.Stream, head: RequestHead, body: IncomingBody, rest: bytes, *, send_seconds: float
    ) -> None:
        self.head = head
        self._stream = stream
        self._body = body
        self._send_seconds = send_seconds
        self._turn = 0
        self._told_to_go_on = False
        if rest:
            body.receive(rest)

    def __aiter__(self) -> "Exchange":
        return self

    async def __anext__(self) -> bytes:
        await self._take_turns()
        while (piece := self._take()) is None:
            await self._receive()
        if not piece:
            raise StopAsyncIteration
        return piece

    @property
    def declared_bytes(self) -> int | None:
        """How long the body is, as far as its request says it."""
        return self._body.declared_bytes

    def take_whole(self) -> bytes | None:
        """The body, where all of it came along with the head: there is nothing to wait for. Else iterate."""
        return self._body.take_whole()

    async def answer(self, answer: Answer, *, last: bool = False) -> bool:
        """Send `answer`; return whether the connection can take a further request. Disconnected if nobody takes it.

        What was already received of a body nobody read is dropped; a body still on its way ends the connection, and so
        does `last`.
        """
        ended = self._body.ended or await self._drop_received()
        keep = ended and self.head.keeps_alive and not last
        await send_in_time(self._stream, encode_answer(answer, keep=keep), self._send_seconds)
        return keep

    def take_rest(self) -> bytes:
        """What was received beyond this request."""
        return self._body.rest

    def _take(self) -> bytes | None:
        piece = self._body.take()
        if piece is not None:
            self._told_to_go_on = True  # it did not wait for that, or waits no longer
        return piece

    async def _receive(self) -> None:
        if not self._told_to_go_on and self.head.waits_to_go_on:
            await self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._told_to_go_on = True
        try:
            data = await self._stream.receive_some(_READ_BYTES)
        except trio.BrokenResourceError:
            data = b""
        if not data:
            raise Disconnected
        self._body.receive(bytes(data))

    async def _drop_received(self) -> bool:
        """Drop the received rest of the body; return whether it has ended."""
        try:
            while self._take():
                await self._take_turns()
        except Refusal:
            return False
        return self._body.ended

    async def _take_turns(self) -> None:
        """Let others go on now and then: one read can bring thousands of chunks."""
        self._turn += 1
        if self._turn % PIECES_PER_TURN == 0:
            await trio.lowlevel.checkpoint()

    async def _send(self, data: bytes) -> None:
        await send_in_time(self._stream, data, self._send_seconds)


async def send_in_time(stream: trio.abc.Stream, data: bytes, seconds: float) -> None:
    """Send `data`; Disconnected when the peer has left or does not take it in time."""
    try:
        rest = stream.send_now(data) if isinstance(stream, DirectStream) else data
        if not rest:
            return
        with trio.move_on_after(seconds):
            await stream.send_all(rest)
            return
    except trio.BrokenResourceError:
        pass
    raise Disconnected
