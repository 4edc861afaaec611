"""Recorded traffic of Telegraf: exact request heads, exact bodies, and how they were cut into chunks and frames."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from end_to_end.reference import Point, read_points
from end_to_end.wire import encode_message

SELECTION = Path(__file__).parent.parent / "data" / "telegraf"
PUSH = "/api/live/push/"
INFLUX_WRITE = "/api/v2/write?"
JSON_BODIES = b"{"


@dataclass(frozen=True)
class Recorded:
    """One request, handshake or WebSocket message. `stream` is the last part of its path, or its bucket."""

    kind: str
    stream: str
    head: str
    body: bytes
    entry: dict[str, Any]

    @property
    def text(self) -> bytes:
        """The body as it was before it was compressed."""
        return gzip.decompress(self.body) if "Content-Encoding: gzip" in self.head else self.body

    @property
    def is_line_protocol(self) -> bool:
        return bool(self.body) and not self.text.startswith(JSON_BODIES)

    @property
    def points(self) -> list[Point]:
        return read_points(self.text)

    def request_head(self, address: str, *, query: str = "") -> bytes:
        """The head as recorded but for its Host, which named the recording server's port; with `query` added."""
        lines = self.head.split("\r\n")
        method, path, version = lines[0].split(" ")
        assert lines[1].startswith("Host: 127.0.0.1:"), lines[1]
        return "\r\n".join([f"{method} {path}{query} {version}", f"Host: {address}", *lines[2:]]).encode()

    def request_body(self) -> bytes:
        """The body as it was on the wire: plain, in one chunk, or in the chunks of Go's gzip writer."""
        if "Transfer-Encoding: chunked" not in self.head:
            return self.body
        pieces = [self.body] if self.entry["chunks"] == 1 else list(cut_gzip_chunks(self.body))
        sizes = [len(piece) for piece in pieces]
        first = self.entry["chunk_sizes_first"]
        assert (len(sizes), sizes[: len(first)]) == (self.entry["chunks"], first), "cut otherwise than recorded"
        return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    def message_frames(self) -> bytes:
        """The message as it was on the wire, but for the masks: they are random by nature."""
        frames = list(encode_message(self.body, self.entry["opcode"]))
        assert len(frames) == self.entry["frames"], "cut otherwise than recorded"
        return b"".join(frames)


def cut_gzip_chunks(body: bytes) -> Iterator[bytes]:
    """How Go's gzip writer hands a body on: its header, 240 bytes at a time, and the end of the stream in parts."""
    header, packed, last_block, trailer = body[:10], body[10:-12], body[-12:-8], body[-8:]
    yield header
    for start in range(0, len(packed), 240):
        yield packed[start : start + 240]
    yield last_block
    yield trailer


def read_captures(folder: Path, path: str = PUSH) -> list[Recorded]:
    """Everything recorded on paths that begin so, messages on their WebSockets included, in the recording's order."""
    recorded = []
    for entry in json.loads((folder / "index.json").read_text()):
        head = entry.get("head", "")
        if not head.split(" ")[1].startswith(path) if head else path != PUSH:
            continue
        body = (folder / entry["body_file"]).read_bytes() if "body_file" in entry else b""
        recorded.append(Recorded(entry["kind"], entry["case"], head, body, entry))
    return recorded
