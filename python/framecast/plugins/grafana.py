"""A real Grafana plugin in the role of one written in Python: the same scope, the same lifetimes, the same limits.

Its stream is that of one subscribe data: Grafana hands the first subscriber's to the plugin, whose data sources put a
hash of it into the path, so that all subscribers of a channel bring the same. It is told of no user: it is everybody's.
"""

from collections.abc import Awaitable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import msgspec

from framecast.errors import Refusal
from framecast.plugins.columns import FrameError
from framecast.plugins.host.backend import Health as BackendHealth
from framecast.plugins.host.backend import PacketStream, Query, QueryAnswer, StreamBrokenError
from framecast.plugins.host.context import AppInstance, CallContext, DataSourceInstance
from framecast.plugins.host.context import User as CallUser
from framecast.plugins.host.host import PluginHost
from framecast.plugins.plugin import Context, Health, Plugin
from framecast.plugins.sender import Sender
from framecast.plugins.table import Known, PluginTable

T = TypeVar("T")

_NO_SETTINGS = "instance settings cannot be nil"
"""What Grafana's SDK says for a data source plugin that is asked about none; it has no status of its own."""


class Backend(Protocol):
    """What is needed of `plugins.host.backend.BackendPlugin`. Its Refusals are the plugin's own."""

    async def subscribe(self, context: CallContext, path: str, data: bytes) -> bytes:
        """What a subscriber begins with, JSON or empty."""

    async def publish(self, context: CallContext, path: str, data: bytes) -> bytes:
        """What is published, or empty."""

    def running_stream(self, context: CallContext, path: str, data: bytes) -> AbstractAsyncContextManager[PacketStream]:
        """The packets, for as long as the block lasts. What is not taken of them is held back in the plugin."""

    async def check_health(self, context: CallContext) -> BackendHealth:
        """How an instance is."""

    async def query(self, context: CallContext, queries: Iterable[Query]) -> Mapping[str, QueryAnswer]:
        """The answers by `ref_id`."""


class GrafanaPlugin(Plugin):
    """One of them. Asked while it is down, it refuses for the moment; its streams are started again when it is back."""

    sharing = "data"

    def __init__(self, backend: Backend, *, is_app: bool = False) -> None:
        self.backend = backend
        """For what only such a plugin can be asked, with `tell`."""
        self._is_app = is_app

    def tell(self, context: Context) -> CallContext:
        """The context as Grafana's protocol has it. Of an app, settings that nobody made yet: the SDK wants some."""
        told = call_context(context)
        return replace(told, app=AppInstance()) if self._is_app else told

    async def subscribe(self, context: Context, path: str, data: bytes) -> bytes | None:
        """Ask it."""
        return await _asked(context, self.backend.subscribe(self.tell(context), path, data)) or None

    async def publish(self, context: Context, path: str, data: bytes) -> bytes | None:
        """Ask it."""
        return await _asked(context, self.backend.publish(self.tell(context), path, data)) or None

    async def check_health(self, context: Context) -> Health:
        """Ask it. Refusal 404, final, for a plugin that has no answer to that."""
        health = await _asked(context, self.backend.check_health(self.tell(context)))
        try:
            details = msgspec.json.decode(health.details or b"null", type=dict[str, Any] | None)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Refusal(500, f"the plugin {context.plugin_id}: its details are no JSON object") from None
        return Health(health.status, health.message, details or {})

    async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
        """Pass on what it sends, as fast as the channel takes it.

        Refusal 503, temporary, where the stream breaks, or what it sends is no packet.
        """
        async with self.backend.running_stream(self.tell(context), path, data) as packets:
            try:
                async for packet in packets:
                    await sender.send(packet)
            except (StreamBrokenError, FrameError) as error:  # the mistake is in no code that we have a traceback of
                raise Refusal(503, f"the plugin {context.plugin_id}: {error}", temporary=True) from None


async def _asked(context: Context, answer: Awaitable[T]) -> T:
    """The answer. Refusal 400, final, where it would take a data source to have one."""
    try:
        return await answer
    except Refusal as refusal:
        if context.data_source is None and _NO_SETTINGS in refusal.message:
            raise Refusal(
                400,
                f"Bad Request: the plugin {context.plugin_id} answers for data sources only: its channels are "
                "ds/{uid}/… of those that are of its type",
            ) from None
        raise


def add_backends(table: PluginTable, host: PluginHost) -> list[str]:
    """Put the backend plugins into the table. Those whose ids others have already are not run; why is returned."""
    problems = []
    for plugin_id, backend in tuple(host.plugins.items()):
        package = backend.package
        known = Known(plugin_id, GrafanaPlugin(backend, is_app=package.type == "app"), str(package.folder))
        if not table.add(known):
            host.leave_out(plugin_id)
            problems.append(
                f"{package.folder}: {plugin_id} is the id of another plugin: {table.known[plugin_id].origin}"
            )
    return problems


def call_context(context: Context) -> CallContext:
    """The context as Grafana's protocol has it."""
    user = None if context.user is None else CallUser(context.user.login, role=context.user.role)
    source = context.data_source
    if source is None:
        return CallContext(context.org_id, user)
    instance = DataSourceInstance(
        uid=source.uid,
        name=source.name,
        url=source.url,
        user=source.user,
        database=source.database,
        basic_auth=source.basic_auth,
        basic_auth_user=source.basic_auth_user,
        json_data=source.json_text or msgspec.json.encode(source.json_data),
        secure_json_data=source.secrets,
        updated_ms=source.updated_ms,
        id=source.number,
    )
    return CallContext(context.org_id, user, instance)
