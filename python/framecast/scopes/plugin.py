"""``plugin/{plugin id}/{path}`` and ``ds/{uid}/{path}``: streams that a plugin fills while somebody is subscribed.

The plugin is asked about every subscriber and every message; an unknown plugin or path is 404, which clients take as
final. A new subscriber begins with the window where the channel has one, else with what the plugin gives it.
Channels of a data source differ in where the plugin is found (plugins/instances.py), and in nothing else.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import msgspec
import trio

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.channels.beginning import Begin, Beginning
from framecast.channels.broker import Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ChannelHistory
from framecast.channels.hub import Hub
from framecast.channels.lifetime import Lifetimes
from framecast.errors import Refusal
from framecast.plugins import Frame
from framecast.plugins.answers import packet_of_answer
from framecast.plugins.asking import Asking, Question
from framecast.plugins.instances import FindInstance, Instance
from framecast.plugins.packets import Packet
from framecast.plugins.stream import PluginStream, check_owner, tell_stream
from framecast.protocol.codes import ErrorCode
from framecast.scopes.framed import FrameBeginnings
from framecast.scopes.turns import Turns
from framecast.scopes.window import Extent, parse_extent
from framecast.settings import ChannelOptions, Settings


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What was found out before the subscription is made."""

    address: Address
    instance: Instance
    initial: Packet | None
    extent: Extent
    options: ChannelOptions
    stream: PluginStream


class PluginScope:
    """Subscribing starts a stream, and the last to leave ends it after a while (channels/lifetime.py)."""

    def __init__(
        self,
        hub: Hub,
        lifetimes: Lifetimes,
        asking: Asking,
        find: FindInstance,
        settings: Settings,
        *,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._hub = hub
        self._lifetimes = lifetimes
        self._asking = asking
        self._find = find
        packet_bytes = min(settings.sources.packet_bytes, settings.live.room_bytes)  # what fits subscribers' queues
        self._limits = msgspec.structs.replace(settings.sources, packet_bytes=packet_bytes)
        self._max_message_bytes = settings.live.room_bytes
        self._beginnings = FrameBeginnings(settings.streams.packet_bytes, clock, columns_only_grow=False)
        self._turns = Turns()

    async def subscribe(
        self, identity: Identity, address: Address, data: bytes | None, options: ChannelOptions | None = None
    ) -> Begin:
        """Allow it where the plugin does; Refusal as it says, 404 where there is none, and as of `Asking.ask`."""
        instance = await self._find(address)
        check_owner(instance.plugin, address, identity)
        context = instance.context(identity, str(address))
        asked = partial(instance.plugin.subscribe, context, address.path, data or b"")
        question = Question(instance.plugin_id, "subscribe", str(address))
        initial = await self._asking.ask(question, partial(_as_packet, question.method, asked))
        told = tell_stream(instance.plugin, context, data or b"")
        stream = PluginStream(self._hub, self._limits, self._find, address, told)
        await self._turns.wait(self._hub.history(address))
        history = await self._hub.open(address)
        prepared = _Prepared(address, instance, initial, _extent(data), options or history.options, stream)
        return partial(self._begin, history, prepared)

    async def publish(
        self,
        identity: Identity,
        address: Address,
        data: bytes,
        info: ClientInfo | None = None,
        *,
        subscribed: bool = False,
    ) -> None:
        """Publish what the plugin makes of a message, if anything; Refusal as it says, and as `OpenScope.publish`."""
        instance = await self._find(address)
        check_owner(instance.plugin, address, identity)
        self._hub.options.check_publish(address, subscribed=subscribed)
        asked = partial(instance.plugin.publish, instance.context(identity, str(address)), address.path, data)
        question = Question(instance.plugin_id, "publish", str(address))
        answer = await self._asking.ask(question, partial(_as_packet, question.method, asked))
        if answer is None:
            return
        if len(answer.whole) > self._max_message_bytes:
            raise ErrorCode.LIMIT_EXCEEDED.refusal(
                f"limit exceeded: a message of {len(answer.whole)} bytes; {self._max_message_bytes} fit queues"
            )
        await self._hub.publish_message(address, answer.whole, info)

    def _begin(self, history: ChannelHistory, prepared: _Prepared, returning: Position | None) -> Beginning:
        address, initial = prepared.address, prepared.initial
        if prepared.instance.overtaken:
            raise ErrorCode.TOO_MANY_REQUESTS.refusal(
                f"too many requests: the data source of {address} has just changed, try again"
            )
        self._lifetimes.claim(address, prepared.stream)
        self._hub.check_current(history)
        beginning = self._beginnings.begin(history, prepared.extent, prepared.options, returning)
        if beginning.recovered or initial is None:
            return beginning
        if initial.schema is None or initial.data is not None or initial.schema != history.schema:
            beginning = msgspec.structs.replace(beginning, data=initial.whole)
        if initial.schema is not None and history.schema is None and not self._hub.subscriber_count(address):
            # Nobody is there who was not told of it, so packets need not bring it.
            history.introduce(initial.schema)
        return beginning


async def _as_packet(method: str, asked: Callable[[], Awaitable[Frame | bytes | None]]) -> Packet | None:
    return packet_of_answer(method, await asked())


def _extent(data: bytes | None) -> Extent:
    """How much of the window is wanted. The data is the plugin's own: what does not fit means all of it."""
    try:
        return parse_extent(data)
    except (Refusal, msgspec.DecodeError):
        return Extent()
