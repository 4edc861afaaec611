"""Senders of numbered rows, each with a channel of its own, over HTTP and over the push WebSocket."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import trio
from trio_websocket import ConnectionClosed, HandshakeError

from bench.soak.following import NUMBER
from bench.soak.listening import SILENCE_SECONDS, open_tcp, open_websocket

STREAM = "soak"
PUSH_PATH = f"/api/live/push/{STREAM}"


@dataclass
class Sender:
    """Sends the rows of one channel at a steady rate until it is told to stop."""

    name: str
    per_second: float
    row_bytes: int = 40
    sent: int = 0
    """The number of the last row that was handed over."""
    ended: bool = False
    lost: str = ""
    """Why it could send no more."""

    @property
    def channel(self) -> str:
        return f"stream/{STREAM}/{self.name}"

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send rows, one at a time, whose times are when they were due; what is late is caught up with."""
        begin = trio.current_time()
        padding = "x" * max(1, self.row_bytes - 40)
        for number in itertools.count(1):
            await trio.sleep_until(begin + number / self.per_second)
            if self.ended:
                return
            await send(f'{self.name} {NUMBER}={number}i,padding="{padding}"\n'.encode())
            self.sent = number


async def send_by_http(sender: Sender, address: str) -> None:
    """A request for each row, on one connection."""
    async with httpx.AsyncClient(timeout=SILENCE_SECONDS, base_url=f"http://{address}") as http:

        async def post(row: bytes) -> None:
            (await http.post(PUSH_PATH, content=row)).raise_for_status()

        try:
            await sender.run(post)
        except httpx.HTTPError as error:
            sender.lost = repr(error)


async def send_by_websocket(sender: Sender, address: str) -> None:
    """A message for each row, which nobody answers."""
    try:
        stream = await open_tcp(address)
        async with stream, open_websocket(stream, address, PUSH_PATH) as websocket:
            await sender.run(websocket.send_message)
    except* (ConnectionClosed, HandshakeError, OSError, trio.BrokenResourceError) as errors:
        sender.lost = repr(errors.exceptions[0])
