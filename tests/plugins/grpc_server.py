"""A gRPC server of the tests' own, on h2: well-behaved where its handlers are, and as broken as they like otherwise.

Nothing in it is shared with the client: framing and flow control are written a second time here.
"""

import math
import struct
from collections.abc import Awaitable, Callable, Mapping

import trio
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, SettingsAcknowledged, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import StreamClosedError

ANSWER = [(":status", "200"), ("content-type", "application/grpc")]

Handler = Callable[["ServedCall"], Awaitable[None]]


def framed(message: bytes, *, flag: int = 0) -> bytes:
    return struct.pack(">BI", flag, len(message)) + message


class ServedCall:
    """One call, as its handler sees it."""

    def __init__(self, server: "GrpcServer", stream_id: int, fields: Mapping[str, str]) -> None:
        self.server = server
        self.stream_id = stream_id
        self.fields = fields
        self.received = bytearray()
        self.request_ended = trio.Event()
        self.reset = trio.Event()
        self.reset_code: int | None = None

    @property
    def message(self) -> bytes:
        flag, size = struct.unpack(">BI", self.received[:5])
        assert flag == 0
        assert size == len(self.received) - 5
        return bytes(self.received[5:])

    async def head(self, *extra: tuple[str, str], ends: bool = False) -> None:
        self.server.h2.send_headers(self.stream_id, [*ANSWER, *extra], end_stream=ends)
        await self.server.flush()

    async def fields_only(self, *fields: tuple[str, str], ends: bool = True) -> None:
        self.server.h2.send_headers(self.stream_id, list(fields), end_stream=ends)
        await self.server.flush()

    async def data(self, data: bytes, *, ends: bool = False, piece_bytes: float = math.inf) -> None:
        """Send as the client's windows allow."""
        rest = memoryview(data)
        while True:
            window = self.server.h2.local_flow_control_window(self.stream_id)
            size = int(min(len(rest), window, self.server.h2.max_outbound_frame_size, piece_bytes))
            if size > 0 or not rest:
                last = size == len(rest)
                self.server.h2.send_data(self.stream_id, rest[:size].tobytes(), end_stream=ends and last)
                await self.server.flush()
                rest = rest[size:]
                if last:
                    return
            else:
                await self.server.window_news.wait()

    async def send(self, *messages: bytes) -> None:
        await self.data(b"".join(framed(message) for message in messages))

    async def finish(self, status: str = "0", *extra: tuple[str, str]) -> None:
        self.server.h2.send_headers(self.stream_id, [("grpc-status", status), *extra], end_stream=True)
        await self.server.flush()

    async def answer(self, *messages: bytes) -> None:
        await self.head()
        await self.send(*messages)
        await self.finish()

    async def break_off(self, code: ErrorCodes) -> None:
        self.server.h2.reset_stream(self.stream_id, code)
        await self.server.flush()


class GrpcServer:
    """Serves one connection with `handlers` by path, each in a task of its own."""

    def __init__(
        self, stream: trio.abc.Stream, handlers: Mapping[str, Handler], *, settings: Mapping[int, int] | None = None
    ) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.stream = stream
        self.calls: list[ServedCall] = []
        self.window_news = trio.Event()
        self.settings_acknowledged = trio.Event()
        self._handlers = handlers
        self._sending = trio.Lock()
        if settings:
            self.h2.local_settings.update(dict(settings))
            self.h2.local_settings.acknowledge()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self.h2.initiate_connection()
        async with trio.open_nursery() as nursery:
            task_status.started()
            await self.flush()
            while True:
                try:
                    data = await self.stream.receive_some(65_536)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    data = b""
                if not data:
                    nursery.cancel_scope.cancel()
                    return
                for event in self.h2.receive_data(bytes(data)):
                    self._take(event, nursery)
                await self.flush()

    def _take(self, event: object, nursery: trio.Nursery) -> None:
        calls = {call.stream_id: call for call in self.calls}
        match event:
            case RequestReceived():
                call = ServedCall(self, event.stream_id, {str(name): str(value) for name, value in event.headers})
                self.calls.append(call)
                nursery.start_soon(self._handle, call)
            case DataReceived():
                calls[event.stream_id].received += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                calls[event.stream_id].request_ended.set()
            case StreamReset():
                calls[event.stream_id].reset_code = int(event.error_code or 0)
                calls[event.stream_id].reset.set()
            case WindowUpdated():
                self.window_news.set()
                self.window_news = trio.Event()
            case SettingsAcknowledged():
                self.settings_acknowledged.set()

    async def _handle(self, call: ServedCall) -> None:
        try:
            await self._handlers[call.fields[":path"]](call)
        except (trio.BrokenResourceError, trio.ClosedResourceError, StreamClosedError):
            return

    async def flush(self) -> None:
        async with self._sending:
            data = self.h2.data_to_send()
            if data:
                await self.stream.send_all(data)

    async def send_raw(self, data: bytes) -> None:
        async with self._sending:
            await self.stream.send_all(data)
