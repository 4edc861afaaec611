"""Channels that take their messages from clients: ``grafana/broadcast/…``, and the scopes that the settings name.

Everybody of the org may subscribe; who may publish is an option of the channel. A message is any JSON. Broadcasts begin
with the last message, as in Grafana Live (features/broadcast.go), also when the channel's past is gone, or the server
was started again. Who returns and gets what it missed is not given the last message besides.
"""

from collections.abc import Sequence
from functools import partial

from framecast.accounts.identity import Identity
from framecast.channels.address import Address, parse_key
from framecast.channels.beginning import Begin, Beginning
from framecast.channels.broker import Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ChannelHistory, Kept
from framecast.channels.hub import Hub
from framecast.protocol.codes import ErrorCode
from framecast.scopes.last_messages import LastMessages
from framecast.scopes.turns import Turns
from framecast.settings import ChannelOptions


class OpenScope:
    """A channel begins with its first subscriber or message, and ends when nothing of it is left to see."""

    def __init__(self, hub: Hub, *, max_message_bytes: int, last_messages: LastMessages | None = None) -> None:
        """With `last_messages` new subscribers begin with what was said last, which is kept there."""
        self._hub = hub
        self._max_message_bytes = max_message_bytes
        self._last_messages = last_messages
        self._turns = Turns()

    async def subscribe(
        self, identity: Identity, address: Address, data: bytes | None, options: ChannelOptions | None = None
    ) -> Begin:
        """Allow it: the address is of the subscriber's own org already."""
        await self._turns.wait(self._hub.history(address))
        history = await self._hub.open(address)
        return partial(self._begin, history, options or history.options)

    async def publish(
        self,
        identity: Identity,
        address: Address,
        data: bytes,
        info: ClientInfo | None = None,
        *,
        subscribed: bool = False,
    ) -> None:
        """Publish one message.

        Refusal 403 where clients may not publish, or not without being subscribed; 106 for a message too large for
        subscribers' queues, or on one channel too many.
        """
        self._hub.options.check_publish(address, subscribed=subscribed)
        if len(data) > self._max_message_bytes:
            raise ErrorCode.LIMIT_EXCEEDED.refusal(
                f"limit exceeded: a message of {len(data)} bytes; {self._max_message_bytes} fit subscribers' queues"
            )
        await self._hub.publish_message(address, data, info)
        if self._last_messages is not None:
            self._last_messages.keep(address, data)

    def _begin(self, history: ChannelHistory, options: ChannelOptions, returning: Position | None) -> Beginning:
        self._hub.check_current(history)
        missed = _missed(history, options, returning)
        if missed is not None:
            return Beginning(history.position, recovered=True, missed=missed)
        return Beginning(history.position, self._find_last(history), recoverable=options.recovery != "off")

    def _find_last(self, history: ChannelHistory) -> bytes | None:
        if self._last_messages is None:
            return None
        # The newest of the past was delivered, and stands where the subscriber begins.
        newest = history.newest
        return self._last_messages.find(parse_key(history.channel)) if newest is None else newest.data


def _missed(history: ChannelHistory, options: ChannelOptions, returning: Position | None) -> Sequence[Kept] | None:
    if returning is None or options.recovery == "off":
        return None
    return history.newest_since(returning) if options.recovery == "cache" else history.missed_since(returning)
