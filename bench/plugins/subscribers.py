"""Subscribers as bare sockets, so many that anything more for each would be what is measured."""

import json
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench.plugins.frames import EndedError, FrameReader, encode_commands

OPEN_SECONDS = 60.0
"""For a step of all of them."""
PIECE_BYTES = 1 << 18


@dataclass(eq=False)
class Subscriber:
    """One connection, whose subscriptions were answered."""

    socket: socket.socket
    reader: FrameReader = field(default_factory=FrameReader)

    def receive(self) -> bytes:
        """What has come. EndedError where that is the end."""
        piece = self.socket.recv(PIECE_BYTES)
        if not piece:
            raise EndedError("the server closed the connection")
        return piece


@contextmanager
def subscribed(address: str, channels: Sequence[str], count: int) -> Iterator[list[Subscriber]]:
    """So many subscribers of all these channels; they take every step at once. EndedError where one is refused."""
    with ExitStack() as closing:
        host, _, port = address.rpartition(":")
        everybody = []
        for _ in range(count):
            connection = closing.enter_context(socket.create_connection((host, int(port)), OPEN_SECONDS))
            everybody.append(Subscriber(connection))
        for each in everybody:
            each.socket.sendall(_upgrade(address))
        for each in everybody:
            _read_upgrade(each)
        commands: list[object] = [{"id": 1, "connect": {}}]
        commands += [{"id": number, "subscribe": {"channel": name}} for number, name in enumerate(channels, 2)]
        message = encode_commands(commands)
        for each in everybody:
            each.socket.sendall(message)
        for each in everybody:
            _read_answers(each, set(range(1, len(channels) + 2)))
            each.socket.settimeout(0)
        yield everybody


def arrivals(everybody: Sequence[Subscriber], until: float) -> Iterator[tuple[Subscriber, bytes]]:
    """Whatever comes for any of them, as it comes, until this moment of `time.monotonic`, or nobody listens."""
    by_number = {each.socket.fileno(): each for each in everybody}
    with select.epoll() as poll:
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        while (left := until - time.monotonic()) > 0:
            for number, _ in poll.poll(left):
                each = by_number[number]
                yield each, each.receive()


def _upgrade(address: str) -> bytes:
    return (
        f"GET /api/live/ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def _read_upgrade(subscriber: Subscriber) -> None:
    """The server's answer, behind which nothing may come: it has nothing to say before a client connects."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += subscriber.receive()
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise EndedError(f"no upgrade: {answer[:200]!r}")


def _read_answers(subscriber: Subscriber, awaited: set[int]) -> None:
    while awaited:
        for message in subscriber.reader.take(subscriber.receive()):
            for line in message.split(b"\n"):
                said = json.loads(line)
                if "error" in said:
                    raise EndedError(f"refused: {line[:300].decode(errors='replace')}")
                awaited.discard(said.get("id", 0))
