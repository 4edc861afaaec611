"""Looks at the heads of HTTP/2 frames before h2 does, for what h2 does too late or too thoroughly. Sans-io.

- h2 takes nothing more once it has read a GOAWAY, of whatever kind, and drops what it was about to send. But a gRPC
  server that ends in an orderly way sends one first, and then finishes the calls that it has (RFC 9113 §6.8). So such a
  GOAWAY is taken out of what h2 is given; one that tells an error is left in, as there is nothing to save.
- h2 collects a frame of any size, up to 16 MiB, before it refuses it. What is no HTTP/2 at all looks like one.
- h2 tells of no frame that changes nothing, however many there are.
- h2 takes as long for a frame of seventy bytes as for one of sixteen thousand, several times what all else takes for a
  small message, and plugins send a frame for each. So DATA frames of one stream that lie one behind the other go on as
  one: its length, and so its share of every window, is that of all together.
"""

import struct
from dataclasses import dataclass

_HEAD_BYTES = 9
_DATA = 0x00
_GOAWAY = 0x07
_PAYLOAD = struct.Struct(">II")


class OversizedFrameError(Exception):
    """The peer begins a frame that is larger than it was allowed; the message says how large."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """The plugin begins no call of a higher stream id any more."""

    last_stream_id: int


class FrameGate:
    """Follows the frames of one connection."""

    def __init__(self, max_frame_bytes: int) -> None:
        self.frames = 0
        """How many have come so far, of any kind."""
        self.joined = 0
        """How many of them went on as part of another one: each had data."""
        self._max_frame_bytes = max_frame_bytes
        self._held = b""
        self._left_bytes = 0

    def pass_on(self, data: bytes) -> tuple[bytes, list[Farewell]]:
        """Take what was received; return what is for h2 of it and of what was held, and the farewells.

        Held is at most a frame's head, or a GOAWAY, that is not whole yet. OversizedFrameError at the head of a frame
        that will be too large, after which nothing may be passed.
        """
        if self._held:
            data, self._held = self._held + data, b""
        end, place = len(data), self._left_bytes
        kept: list[bytes] = []
        kept_from = 0
        farewells: list[Farewell] = []
        while end - place >= _HEAD_BYTES:
            size = int.from_bytes(data[place : place + 3], "big")
            if size > self._max_frame_bytes:
                raise OversizedFrameError(f"a frame of {size:,} bytes, and {self._max_frame_bytes:,} are allowed")
            frame_end = place + _HEAD_BYTES + size
            if data[place + 3] == _GOAWAY and size >= _PAYLOAD.size:
                if frame_end > end:
                    break
                last_stream_id, code = _PAYLOAD.unpack_from(data, place + _HEAD_BYTES)
                if code == 0:
                    farewells.append(Farewell(last_stream_id & 0x7FFFFFFF))
                    kept.append(data[kept_from:place])
                    kept_from = frame_end
            elif data[place + 3] == _DATA and data[place + 4] == 0:  # no flags: neither padded nor the last
                payloads, run_end = self._find_run(data, place)
                if len(payloads) > 1:
                    payload = b"".join(payloads)
                    kept += [
                        data[kept_from:place],
                        len(payload).to_bytes(3, "big"),
                        data[place + 3 : place + _HEAD_BYTES],
                    ]
                    kept.append(payload)
                    self.frames += len(payloads)
                    self.joined += len(payloads) - 1
                    place = kept_from = run_end
                    continue
            place = frame_end
            self.frames += 1
        self._left_bytes = max(0, place - end)
        self._held = data[place:]
        kept.append(data[kept_from:place])
        return b"".join(kept), farewells

    def _find_run(self, data: bytes, place: int) -> tuple[list[bytes], int]:
        """The payloads of frames like the one that begins here, as far as one frame may hold them, and where they end.

        They are whole, and none is empty: that is for whoever counts what carries nothing.
        """
        end, alike = len(data), data[place + 3 : place + _HEAD_BYTES]
        payloads: list[bytes] = []
        room = self._max_frame_bytes
        while data[place + 3 : place + _HEAD_BYTES] == alike:
            size = int.from_bytes(data[place : place + 3], "big")
            frame_end = place + _HEAD_BYTES + size
            if not 0 < size <= room or frame_end > end:
                break
            payloads.append(data[place + _HEAD_BYTES : frame_end])
            room -= size
            place = frame_end
        return payloads, place
