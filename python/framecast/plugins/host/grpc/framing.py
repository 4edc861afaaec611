"""gRPC's own framing within a call: a flag, four bytes of length, the message. Sans-io.

It never holds more than one incomplete message, and knows from its first five bytes whether it may become too large.

Source: gRPC over HTTP2, "Length-Prefixed-Message".
"""

from collections import deque

from framecast.plugins.host.grpc.status import GrpcError, StatusCode

PREFIX_BYTES = 5


def encode_message(message: bytes) -> bytes:
    """Put the prefix of an uncompressed message before it."""
    return b"\0" + len(message).to_bytes(4, "big") + message


class MessageAssembler:
    """Makes messages of the pieces in which they come. Belongs to one call.

    `complete` has the messages that nobody took yet, in their order.
    """

    __slots__ = ("_begun", "_max_bytes", "_missing_bytes", "complete")

    def __init__(self, max_bytes: int) -> None:
        self.complete: deque[bytes] = deque()
        self._max_bytes = max_bytes
        self._begun = bytearray()
        self._missing_bytes = PREFIX_BYTES

    @property
    def begun_bytes(self) -> int:
        """What is here of a message that is not complete, its prefix included."""
        return len(self._begun)

    def feed(self, data: bytes) -> None:
        """Take the next piece, which may complete messages.

        GrpcError, after which nothing may be fed: INTERNAL for a compressed message, which nobody asked for, and
        RESOURCE_EXHAUSTED for one of more than `max_bytes`, as soon as it says so. What is complete by then stays.
        """
        if len(data) < self._missing_bytes:
            self._begun += data
            self._missing_bytes -= len(data)
            return
        if self._begun:
            data = bytes(self._begun) + data
            self._begun.clear()
        self._split(data)

    def _split(self, data: bytes) -> None:
        place, end = 0, len(data)
        while end - place >= PREFIX_BYTES:
            begin = place + PREFIX_BYTES
            size = self._read_prefix(data[place:begin])
            if end - begin < size:
                self._missing_bytes = size - (end - begin)
                break
            place = begin + size
            self.complete.append(data[begin:place])
        else:
            self._missing_bytes = PREFIX_BYTES - (end - place)
        self._begun += data[place:]

    def _read_prefix(self, prefix: bytes) -> int:
        if prefix[0] != 0:
            what = "a compressed message, which nobody asked for" if prefix[0] == 1 else "no gRPC message"
            raise GrpcError(StatusCode.INTERNAL, f"the plugin sent {what} (flag {prefix[0]})")
        size = int.from_bytes(prefix[1:], "big")
        if size > self._max_bytes:
            raise GrpcError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"the plugin sends a message of {size:,} bytes, and {self._max_bytes:,} are allowed",
            )
        return size
