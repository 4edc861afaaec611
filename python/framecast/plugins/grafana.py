"""A real Grafana plugin in the role of one written in Python: the same scope, the same lifetimes, the same limits.

Its stream is that of one subscribe data: Grafana hands the first subscriber's to the plugin, whose data sources put a
hash of it into the path, so that all subscribers of a channel bring the same. It is told of no user: it is everybody's.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from framecast.plugins.host.backend import PacketStream
from framecast.plugins.host.context import CallContext, DataSourceInstance
from framecast.plugins.host.context import User as CallUser
from framecast.plugins.plugin import Context, Plugin
from framecast.plugins.sender import Sender


class Backend(Protocol):
    """What is needed of `plugins.host.backend.BackendPlugin`. Its Refusals are the plugin's own."""

    async def subscribe(self, context: CallContext, path: str, data: bytes) -> bytes:
        """What a subscriber begins with, JSON or empty."""

    async def publish(self, context: CallContext, path: str, data: bytes) -> bytes:
        """What is published, or empty."""

    def running_stream(self, context: CallContext, path: str, data: bytes) -> AbstractAsyncContextManager[PacketStream]:
        """The packets, for as long as the block lasts. What is not taken of them is held back in the plugin."""


class GrafanaPlugin(Plugin):
    """One of them. Asked while it is down, it refuses for the moment; its streams are started again when it is back."""

    sharing = "data"

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def subscribe(self, context: Context, path: str, data: bytes) -> bytes | None:
        """Ask it."""
        return await self._backend.subscribe(call_context(context), path, data) or None

    async def publish(self, context: Context, path: str, data: bytes) -> bytes | None:
        """Ask it."""
        return await self._backend.publish(call_context(context), path, data) or None

    async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
        """Pass on what it sends, as fast as the channel takes it."""
        async with self._backend.running_stream(call_context(context), path, data) as packets:
            async for packet in packets:
                await sender.send(packet)


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
