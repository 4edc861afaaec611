"""A backend plugin as the rest of the house sees it: Grafana's calls, with answers in our own words.

What a plugin refuses, or fails at, is a `Refusal` with the HTTP status that Grafana Live's clients know. What it sends
is passed on byte for byte; nothing here looks into it.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import trio

from framecast.errors import Refusal
from framecast.plugins.host import metrics
from framecast.plugins.host.context import CallContext, spell_context
from framecast.plugins.host.discovery import PluginPackage
from framecast.plugins.host.grpc.call import Call
from framecast.plugins.host.grpc.channel import Channel
from framecast.plugins.host.grpc.status import GrpcError, StatusCode
from framecast.plugins.host.methods import (
    CHECK_HEALTH,
    PUBLISH_STREAM,
    QUERY_DATA,
    RUN_STREAM,
    SUBSCRIBE_STREAM,
    Answer,
    Method,
    Request,
)
from framecast.plugins.host.supervisor import Supervisor
from framecast.plugins.schema import pluginv2_pb2 as schema
from framecast.settings import Plugins

_NONE: Mapping[str, str] = {}

_STATUS_OF = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.UNAUTHENTICATED: 403,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.UNIMPLEMENTED: 404,
    StatusCode.RESOURCE_EXHAUSTED: 503,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}
"""Of the codes that are not 500."""


class StreamBrokenError(Exception):
    """A running stream ended, and not because its plugin was done with it: it may be begun again."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a plugin says about one of its instances."""

    status: Literal["unknown", "ok", "error"]
    message: str
    details: bytes
    """JSON, or empty."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a data source."""

    ref_id: str
    json: bytes
    from_ms: int
    to_ms: int
    query_type: str = ""
    max_data_points: int = 0
    interval_ms: int = 0


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """What a plugin answers to one query."""

    frames: tuple[bytes, ...]
    """Arrow files, one data frame each."""

    status: int
    """As of HTTP."""

    error: str
    error_source: str


class PacketStream:
    """The packets of a running stream, for one consumer. Those that wait are held back in the plugin."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __aiter__(self) -> "PacketStream":
        return self

    async def __anext__(self) -> bytes:
        """The next packet, JSON as the plugin spelled it; ends when the plugin ends the stream.

        StreamBrokenError when it failed, or the plugin itself ended.
        """
        try:
            message = await self._call.receive()
            if message is not None:
                metrics.PACKETS.inc()
                return RUN_STREAM.read(message).data
        except GrpcError as error:
            metrics.CALLS.labels(RUN_STREAM.name, error.code.name).inc()
            raise StreamBrokenError(f"{error.code.name}: {error.message}") from None
        metrics.CALLS.labels(RUN_STREAM.name, StatusCode.OK.name).inc()
        raise StopAsyncIteration


class BackendPlugin:
    """One plugin of `plugins.path`. `run` is the task that keeps it alive; all else may be called from any task."""

    def __init__(self, package: PluginPackage, settings: Plugins) -> None:
        self.package = package
        self._settings = settings
        self._supervisor = Supervisor(package, settings)

    @property
    def running(self) -> bool:
        """Whether it is started and healthy."""
        return self._supervisor.running

    @property
    def down_because(self) -> str | None:
        """Why it does not run; None while it does, or starts."""
        return self._supervisor.down_because

    async def run(self) -> None:
        """Start it, and again whenever it ends; cancelled, stop it in an orderly way."""
        await self._supervisor.run()

    async def subscribe(
        self, context: CallContext, path: str, data: bytes, headers: Mapping[str, str] = _NONE
    ) -> bytes:
        """Ask whether this may be subscribed to; return what a subscriber begins with, JSON or empty.

        Refusal: 404 and 403, which will not change by asking again; 503, 504 and 500, which may.
        """
        spelled = self._spell(context)
        request = schema.SubscribeStreamRequest(plugin_context=spelled, path=path, data=data, headers=headers)
        answer = await self._ask(SUBSCRIBE_STREAM, request, self._settings.call_seconds)
        self._check(answer.status, path)
        return answer.data

    async def publish(self, context: CallContext, path: str, data: bytes, headers: Mapping[str, str] = _NONE) -> bytes:
        """Ask whether this may be published; return what is to be published, or nothing where nothing is.

        Refuses as `subscribe` does.
        """
        spelled = self._spell(context)
        request = schema.PublishStreamRequest(plugin_context=spelled, path=path, data=data, headers=headers)
        answer = await self._ask(PUBLISH_STREAM, request, self._settings.call_seconds)
        self._check(answer.status, path)
        return answer.data

    @asynccontextmanager
    async def running_stream(
        self, context: CallContext, path: str, data: bytes, headers: Mapping[str, str] = _NONE
    ) -> AsyncIterator[PacketStream]:
        """Run a stream for as long as the block lasts; the plugin is told when it is left. Refuses as `subscribe`."""
        spelled = self._spell(context)
        request = schema.RunStreamRequest(plugin_context=spelled, path=path, data=data, headers=headers)
        seconds = self._settings.call_seconds
        async with AsyncExitStack() as stack:
            try:
                channel = await self._find_channel(seconds)
                listening = channel.listen(RUN_STREAM.path, request.SerializeToString(), begin_seconds=seconds)
                call = await stack.enter_async_context(listening)
            except GrpcError as error:
                raise self._refusal(RUN_STREAM.name, error) from None
            yield PacketStream(call)

    async def check_health(self, context: CallContext) -> Health:
        """Ask an instance how it is. Refusal where it does not say."""
        request = schema.CheckHealthRequest(plugin_context=self._spell(context))
        answer = await self._ask(CHECK_HEALTH, request, self._settings.call_seconds)
        return Health(_HEALTH.get(answer.status, "unknown"), answer.message, answer.json_details)

    async def query(
        self, context: CallContext, queries: Iterable[Query], headers: Mapping[str, str] = _NONE
    ) -> dict[str, QueryAnswer]:
        """Put queries to a data source; return the answers by `ref_id`. Refusal where there are none at all."""
        request = schema.QueryDataRequest(
            plugin_context=self._spell(context), queries=map(_spell_query, queries), headers=headers
        )
        answer = await self._ask(QUERY_DATA, request, self._settings.query_seconds)
        return {ref_id: _read_query_answer(response) for ref_id, response in answer.responses.items()}

    def _spell(self, context: CallContext) -> schema.PluginContext:
        return spell_context(context, plugin_id=self.package.id, plugin_version=self.package.version)

    async def _find_channel(self, seconds: float) -> Channel:
        with trio.move_on_after(seconds):
            return await self._supervisor.find_channel()
        raise GrpcError(StatusCode.DEADLINE_EXCEEDED, f"the plugin was not ready within {seconds:g} s")

    async def _ask(self, method: Method[Request, Answer], request: Request, seconds: float) -> Answer:
        """Make a unary call, the wait for a plugin that just starts included in its time."""
        began = trio.current_time()
        try:
            channel = await self._find_channel(seconds)
            left = began + seconds - trio.current_time()
            answer = method.read(await channel.ask(method.path, request.SerializeToString(), seconds=left))
        except GrpcError as error:
            raise self._refusal(method.name, error) from None
        metrics.CALLS.labels(method.name, StatusCode.OK.name).inc()
        return answer

    def _refusal(self, method: str, error: GrpcError) -> Refusal:
        metrics.CALLS.labels(method, error.code.name).inc()
        code = _STATUS_OF.get(error.code, 500)
        return Refusal(code, f"the plugin {self.package.id}: {error.message}", temporary=code >= 500)

    def _check(self, status: int, path: str) -> None:
        """The two ways in which a plugin says no; numbers that are not in the protocol are its own mistake."""
        match status:
            case schema.SubscribeStreamResponse.OK:
                return
            case schema.SubscribeStreamResponse.NOT_FOUND:
                raise Refusal(404, f"the plugin {self.package.id} has no stream {path!r}")
            case schema.SubscribeStreamResponse.PERMISSION_DENIED:
                raise Refusal(403, f"the plugin {self.package.id} does not permit this on {path!r}")
        raise Refusal(500, f"the plugin {self.package.id} answered with the unknown status {status}", temporary=True)


_HEALTH: Mapping[int, Literal["unknown", "ok", "error"]] = {
    schema.CheckHealthResponse.OK: "ok",
    schema.CheckHealthResponse.ERROR: "error",
}


def _spell_query(query: Query) -> schema.DataQuery:
    return schema.DataQuery(
        ref_id=query.ref_id,
        json=query.json,
        query_type=query.query_type,
        max_data_points=query.max_data_points,
        interval_ms=query.interval_ms,
        time_range=schema.TimeRange(from_epoch_ms=query.from_ms, to_epoch_ms=query.to_ms),
    )


def _read_query_answer(response: schema.DataResponse) -> QueryAnswer:
    if response.format != schema.ARROW:
        return QueryAnswer((), 500, "the plugin answered with frames in a format that it was not asked for", "plugin")
    status = response.status or (500 if response.error else 200)
    return QueryAnswer(tuple(response.frames), status, response.error, response.error_source)
