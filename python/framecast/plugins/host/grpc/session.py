"""All calls of one HTTP/2 connection to a plugin. Sans-io: bytes in, bytes out, and what changed.

Keeps its own end of the protocol: SETTINGS, PING and flow control are answered here. Whatever breaks HTTP/2 ends the
session, and every call with it; what breaks gRPC ends that call alone.

The connection's window is as large as HTTP/2 allows, and given back at once: what bounds memory are the windows of the
calls and `max_held_bytes`. So no call waits because another one's consumer is slow.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from framecast.plugins.host.grpc.exchange import Exchange
from framecast.plugins.host.grpc.frames import Farewell, FrameGate, OversizedFrameError
from framecast.plugins.host.grpc.framing import PREFIX_BYTES
from framecast.plugins.host.grpc.metadata import request_fields
from framecast.plugins.host.grpc.status import GrpcError, StatusCode, error_of_reset

MAX_WINDOW_BYTES = 2**31 - 1
_FIRST_WINDOW_BYTES = 65_535
_FRAME_BYTES = 16_384
_HEADER_BYTES = 64 * 1024
"""Of one answer's header block: a status and a message."""

_WORDS = 500
"""Bytes of a plugin's reason for ending the connection that are kept."""

_EMPTY_PER_USEFUL = 10
_MAX_EMPTY_FRAMES = 10_000
"""Frames that carry nothing (PING, SETTINGS, empty DATA…), in excess of ten for each one that does: more is a flood.
No flow control holds them back."""


class SessionOverError(Exception):
    """The connection is of no more use; the message says why."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What calls may take of our memory."""

    window_bytes: int
    """That a plugin may send ahead of a call's consumer."""

    message_bytes: int
    """Of one message."""

    max_held_bytes: int
    """Of all messages that wait; past it the call that holds most ends."""

    max_calls: int
    """At once."""


class Session:
    """One connection's calls, by their streams."""

    def __init__(self, limits: CallLimits, *, scheme: str) -> None:
        self.draining = False
        """Running calls go on, no new one can be opened."""
        self.request_window_grew = False
        """Whether a request that waits may go on; whoever looks clears it."""
        self.output_due = True
        """Whether there may be output since it was last taken."""
        self._limits = limits
        self._scheme = scheme
        self._h2 = _begin_connection(limits)
        self._gate = FrameGate(_FRAME_BYTES)
        self._calls: dict[int, Exchange] = {}
        self._running = 0
        self._held_bytes = 0
        self._unreturned_bytes = 0
        self._empty_frames = 0
        self._changed: dict[int, Exchange] = {}
        self._output = bytearray()
        self._handlers: dict[type[Event], Callable[[Any], bool]] = {
            DataReceived: self._on_data,
            ResponseReceived: self._on_head,
            TrailersReceived: self._on_trailers,
            StreamEnded: self._on_stream_end,
            StreamReset: self._on_reset,
            WindowUpdated: self._on_window,
            RemoteSettingsChanged: self._on_window,
            ConnectionTerminated: self._on_termination,
        }
        """Each returns whether its frame carried something."""

    def has_room(self) -> bool:
        """Whether another call may begin and fits, by our limit and the plugin's."""
        return not self.draining and self._running < min(
            self._limits.max_calls, self._h2.remote_settings.max_concurrent_streams
        )

    @property
    def output_bytes(self) -> int:
        """What waits to be sent."""
        self._output += self._h2.data_to_send()
        return len(self._output)

    def take_output(self) -> bytes:
        """What is to be sent now, once."""
        self.output_due = False
        if not self.output_bytes:
            return b""
        output = bytes(self._output)
        self._output.clear()
        return output

    def open(self, path: str, *, timeout_seconds: float) -> Exchange:
        """Begin a call; the caller has looked at `has_room`. SessionOverError when ids are used up."""
        try:
            stream_id = self._h2.get_next_available_stream_id()
            fields = request_fields(path, scheme=self._scheme, timeout_seconds=timeout_seconds)
            self._h2.send_headers(stream_id, fields)
        except H2Error as error:
            raise SessionOverError(f"no call can be begun: {error}") from None
        exchange = Exchange(stream_id, window_bytes=self._limits.window_bytes, message_bytes=self._limits.message_bytes)
        self._calls[stream_id] = exchange
        self._running += 1
        self.output_due = True
        return exchange

    def send(self, exchange: Exchange, data: memoryview) -> int:
        """Send as much of a request's last `data` as the plugin lets us; return how much that was."""
        sent = 0
        while not (exchange.ended or exchange.request_ended):
            window = self._h2.local_flow_control_window(exchange.stream_id)
            size = min(len(data) - sent, window, self._h2.max_outbound_frame_size)
            if size <= 0 and sent < len(data):
                break
            ends = sent + size == len(data)
            self._h2.send_data(exchange.stream_id, data[sent : sent + size].tobytes(), end_stream=ends)
            exchange.request_ended = ends
            self.output_due = True
            sent += size
        return sent

    def take_message(self, exchange: Exchange) -> bytes | None:
        """The next message of a call, None when none is complete; the plugin may send as much more."""
        message = exchange.take_message()
        if message is not None:
            self._held_bytes -= PREFIX_BYTES + len(message)
            self._give_credit(exchange)
        return message

    def close(self, exchange: Exchange) -> None:
        """Forget a call; one that still runs is cancelled."""
        if self._calls.pop(exchange.stream_id, None) is None:
            return
        self._held_bytes -= exchange.held_bytes
        exchange.drop_messages()
        if not exchange.ended:
            exchange.end(GrpcError(StatusCode.CANCELLED, "the call was cancelled"))
            self._leave(exchange)

    def end(self, reason: str) -> None:
        """End all calls that run with UNAVAILABLE, as the connection is gone."""
        for exchange in self._calls.values():
            exchange.end(GrpcError(StatusCode.UNAVAILABLE, reason))
        self._running = 0

    def receive(self, data: bytes) -> Iterable[Exchange]:
        """Take what the plugin sent; return the calls that have news. SessionOverError when it broke HTTP/2."""
        frames_before, joined_before = self._gate.frames, self._gate.joined
        try:
            for_h2, farewells = self._gate.pass_on(data)
            events = self._h2.receive_data(for_h2)
        except (OversizedFrameError, H2Error) as error:
            raise SessionOverError(f"the plugin broke HTTP/2: {error}") from None
        self.output_due = True
        useful = self._gate.joined - joined_before
        for event in events:
            handle = self._handlers.get(type(event))
            if handle is not None:
                useful += handle(event)
        for farewell in farewells:
            self._on_farewell(farewell)
        self._count_empty(self._gate.frames - frames_before - useful, useful)
        changed, self._changed = self._changed, {}
        for exchange in changed.values():
            if exchange.ended:
                self._leave(exchange)
            else:
                self._give_credit(exchange)
        return changed.values()

    def _find_running(self, stream_id: int) -> Exchange | None:
        """The call of a stream, which is about to have news."""
        exchange = self._calls.get(stream_id)
        if exchange is None or exchange.ended:
            return None
        self._changed[stream_id] = exchange
        return exchange

    def _on_data(self, event: DataReceived) -> bool:
        self._unreturned_bytes += event.flow_controlled_length
        if 2 * self._unreturned_bytes > MAX_WINDOW_BYTES:
            self._h2.increment_flow_control_window(self._unreturned_bytes)
            self._unreturned_bytes = 0
        exchange = self._find_running(event.stream_id)
        if exchange is None:
            return False
        exchange.take_data(event.data, event.flow_controlled_length)
        self._held_bytes += len(event.data)
        if self._held_bytes > self._limits.max_held_bytes:
            self._end_largest()
        return bool(event.data)

    def _on_head(self, event: ResponseReceived) -> bool:
        exchange = self._find_running(event.stream_id)
        if exchange is not None:
            exchange.take_head(_read_fields(event.headers), ends=event.stream_ended is not None)
        return True

    def _on_trailers(self, event: TrailersReceived) -> bool:
        exchange = self._find_running(event.stream_id)
        if exchange is not None:
            exchange.take_trailers(_read_fields(event.headers))
        return True

    def _on_stream_end(self, event: StreamEnded) -> bool:
        exchange = self._calls.get(event.stream_id)
        if exchange is not None:
            exchange.response_ended = True
            if not exchange.ended:
                self._changed[event.stream_id] = exchange
                exchange.end(GrpcError(StatusCode.INTERNAL, "the plugin ended the call without a status"))
        return False

    def _on_reset(self, event: StreamReset) -> bool:
        exchange = self._calls.get(event.stream_id)
        if exchange is not None:
            exchange.response_ended = exchange.request_ended = True
            if not exchange.ended:
                self._changed[event.stream_id] = exchange
                exchange.end(error_of_reset(int(event.error_code or 0)))
        return True

    def _on_window(self, _event: WindowUpdated | RemoteSettingsChanged) -> bool:
        self.request_window_grew = True
        return False

    def _on_termination(self, event: ConnectionTerminated) -> bool:
        words = (event.additional_data or b"")[:_WORDS].decode("utf-8", "replace")
        code = event.error_code
        name = code.name if isinstance(code, ErrorCodes) else code
        raise SessionOverError(f"the plugin ended the connection ({name}{': ' if words else ''}{words})")

    def _on_farewell(self, farewell: Farewell) -> None:
        self.draining = True
        for exchange in list(self._calls.values()):
            if exchange.stream_id > farewell.last_stream_id and not exchange.ended:
                self._changed[exchange.stream_id] = exchange
                exchange.end(GrpcError(StatusCode.UNAVAILABLE, "the plugin takes no more calls on this connection"))

    def _end_largest(self) -> None:
        """End the call that holds most; what it holds is let go of when its consumer sees that."""
        running = [exchange for exchange in self._calls.values() if not exchange.ended]
        exchange = max(running, key=lambda exchange: exchange.held_bytes, default=None)
        if exchange is None:
            return
        self._changed[exchange.stream_id] = exchange
        self._held_bytes -= exchange.held_bytes
        exchange.drop_messages()
        allowed = f"{self._limits.max_held_bytes:,} bytes are allowed for all calls of a plugin"
        exchange.end(GrpcError(StatusCode.RESOURCE_EXHAUSTED, f"too much waits to be taken: {allowed}"))

    def _count_empty(self, empty: int, useful: int) -> None:
        self._empty_frames = max(0, self._empty_frames + empty - _EMPTY_PER_USEFUL * useful)
        if self._empty_frames > _MAX_EMPTY_FRAMES:
            raise SessionOverError("the plugin floods us with HTTP/2 frames that carry nothing")

    def _leave(self, exchange: Exchange) -> None:
        """A running call has ended: break its stream off where either side could still send."""
        self._running -= 1
        if not (exchange.request_ended and exchange.response_ended):
            with suppress(H2Error):  # h2 may know already that the stream is gone
                self._h2.reset_stream(exchange.stream_id, ErrorCodes.CANCEL)
                self.output_due = True

    def _give_credit(self, exchange: Exchange) -> None:
        credit = exchange.take_credit()
        if credit:
            self._h2.increment_flow_control_window(credit, exchange.stream_id)
            self.output_due = True


def _begin_connection(limits: CallLimits) -> H2Connection:
    connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    connection.local_settings = Settings(
        client=True,
        initial_values={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: limits.window_bytes,
            SettingCodes.MAX_FRAME_SIZE: _FRAME_BYTES,
            SettingCodes.MAX_HEADER_LIST_SIZE: _HEADER_BYTES,
        },
    )
    connection.initiate_connection()
    connection.increment_flow_control_window(MAX_WINDOW_BYTES - _FIRST_WINDOW_BYTES)
    return connection


def _read_fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Names and values as text; of a name that is there twice the last value."""
    return {name.decode("latin-1"): value.decode("utf-8", "replace") for name, value in headers}
