"""Readers that stop reading, and what the others notice of it.

Both servers may keep as much for them as comes while they are measured, so that they stay stalled all the time instead
of being cut off at the start of it.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage

from bench.rows.row import Figure, Row
from bench.servers import MIB, Limits

STALLED, READING = 5, 95
CHANNEL = "stream/bench/load"
"""Where `framecast bench latency` publishes."""
RECEIVE_BUFFER_BYTES = 4096
SUBSCRIBE_SECONDS = 30.0


@contextmanager
def stalled_readers(address: str) -> Iterator[None]:
    """Subscribers that have read that they are subscribed, and read no more."""
    with ExitStack() as stack:
        for _ in range(STALLED):
            stack.enter_context(_subscribe(address))
        yield


def _subscribe(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    reader = socket.socket()
    # The kernel would hold seconds of it for them otherwise. It must be set before the window is agreed on.
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    reader.settimeout(SUBSCRIBE_SECONDS)
    reader.connect((host, int(port)))
    websocket = WSConnection(ConnectionType.CLIENT)
    reader.sendall(websocket.send(Request(host=address, target="/api/live/ws")))
    heard = ""
    commands = [{"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": CHANNEL}}]
    while heard.count('"id"') < len(commands):
        websocket.receive_data(reader.recv(RECEIVE_BUFFER_BYTES) or None)
        for event in websocket.events():
            match event:
                case AcceptConnection():
                    text = "\n".join(map(json.dumps, commands))
                    reader.sendall(websocket.send(TextMessage(data=text)))
                case TextMessage(data=data):
                    heard += data
                case _:
                    raise ConnectionError(f"a reader that is to stall was answered with {event}")
    return reader


STALLED_ROW = Row(
    name="stalled",
    title=f"{STALLED} of {STALLED + READING} readers stalled, 100 Hz of 16 KB: the others",
    kind="latency",
    arguments=(f"--subscribers={READING}", "--rate=100", "--bytes=16384"),
    figures=(Figure("p99_ms", "ms p99", against_peer=0.5),),
    connections=READING + STALLED,
    limits=Limits(queue_bytes=128 * MIB, total_queue_bytes=1024 * MIB, write_seconds=300.0),
    company=stalled_readers,
)
