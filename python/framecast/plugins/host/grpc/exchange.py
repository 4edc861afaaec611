"""What one call has received, and how much more its plugin may send. Sans-io.

Credit is given back as the consumer takes messages, so a plugin that is faster than its consumer waits. The one
exception keeps messages larger than the window from waiting for ever: while no complete message waits, what is here of
the next one is given back as well. So a call holds at most its window and one message.
"""

from collections.abc import Mapping

from framecast.plugins.host.grpc.framing import PREFIX_BYTES, MessageAssembler
from framecast.plugins.host.grpc.metadata import check_response, read_ending
from framecast.plugins.host.grpc.status import GrpcError, StatusCode


class Exchange:
    """One call, from when its stream is opened. Belongs to the session; consumers take messages through that."""

    __slots__ = (
        "_assembler",
        "_owed_bytes",
        "_window_bytes",
        "ended",
        "error",
        "held_bytes",
        "request_ended",
        "response_ended",
        "stream_id",
    )

    def __init__(self, stream_id: int, *, window_bytes: int, message_bytes: int) -> None:
        self.stream_id = stream_id
        self.request_ended = False
        """All of the request was handed to HTTP/2."""
        self.response_ended = False
        """The plugin sends nothing more on the stream."""
        self.ended = False
        """Nothing more will come; messages may still wait."""
        self.error: GrpcError | None = None
        """How it ended, where not with OK."""
        self.held_bytes = 0
        """Memory of messages that nobody took yet, and of one that is not complete."""
        self._assembler = MessageAssembler(message_bytes)
        self._window_bytes = window_bytes
        self._owed_bytes = 0

    def take_head(self, fields: Mapping[str, str], *, ends: bool) -> None:
        """The first header block of the answer, which is also the last one of a call that failed at once."""
        if ends:
            self.end(read_ending(fields))
            return
        error = check_response(fields.items())
        if error is not None:
            self.end(error)

    def take_data(self, data: bytes, flow_bytes: int) -> None:
        """A piece of messages, which cost `flow_bytes` of the window with its padding."""
        self._owed_bytes += flow_bytes
        self.held_bytes += len(data)
        try:
            self._assembler.feed(data)
        except GrpcError as error:
            self.end(error)

    def take_trailers(self, fields: Mapping[str, str]) -> None:
        """The last header block: how it ended."""
        error = read_ending(fields)
        if error is None and self._assembler.begun_bytes:
            error = GrpcError(StatusCode.INTERNAL, "the plugin ended the call within a message")
        self.end(error)

    def end(self, error: GrpcError | None) -> None:
        """Nothing more comes. The first end counts."""
        if not self.ended:
            self.ended = True
            self.error = error

    @property
    def waiting(self) -> int:
        """Complete messages that nobody took yet."""
        return len(self._assembler.complete)

    def take_message(self) -> bytes | None:
        """The next message, None when none is complete."""
        if not self._assembler.complete:
            return None
        message = self._assembler.complete.popleft()
        self.held_bytes -= PREFIX_BYTES + len(message)
        return message

    def drop_messages(self) -> None:
        """Let go of what nobody will take."""
        self._assembler.complete.clear()
        self.held_bytes = 0

    def take_credit(self) -> int:
        """Bytes that the plugin may be allowed to send on top; 0 while they are too few to be worth a frame."""
        if self.ended:
            return 0
        credit = self._owed_bytes - (self.held_bytes if self._assembler.complete else 0)
        if 2 * credit < self._window_bytes:
            return 0
        self._owed_bytes -= credit
        return credit
