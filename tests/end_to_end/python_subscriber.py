"""A subscriber around centrifuge-python: commands on stdin, events on stdout, as JSON lines.

Run as ``python_subscriber.py WEBSOCKET_URL``; ends when stdin does. Numbers are passed on as the server wrote them.
"""

import asyncio
import json
import sys
from decimal import Decimal
from typing import Any

import msgspec
from centrifuge import (  # type: ignore[import-untyped]  # it ships no types
    CentrifugeError,
    Client,
    ClientEventHandler,
    ReplyError,
    SubscriptionEventHandler,
)
from centrifuge.codecs import _JsonCodec  # type: ignore[import-untyped]  # it ships no types

encoder = msgspec.json.Encoder(decimal_format="number")


def tell(event: str, **details: Any) -> None:
    sys.stdout.buffer.write(encoder.encode({"event": event, **details}) + b"\n")
    sys.stdout.buffer.flush()


def decode_exactly(data: str) -> list[Any]:
    return [json.loads(reply, parse_float=Decimal) for reply in data.strip().split("\n")]


class ClientEvents(ClientEventHandler):  # type: ignore[misc]  # it ships no types
    async def on_connecting(self, ctx: Any) -> None:
        tell("connecting", code=ctx.code, reason=ctx.reason)

    async def on_connected(self, ctx: Any) -> None:
        tell("connected", client=ctx.client)

    async def on_disconnected(self, ctx: Any) -> None:
        tell("disconnected", code=ctx.code, reason=ctx.reason)

    async def on_error(self, ctx: Any) -> None:
        tell("error", code=ctx.code, message=str(ctx.error))


class ChannelEvents(SubscriptionEventHandler):  # type: ignore[misc]  # it ships no types
    def __init__(self, channel: str) -> None:
        self.channel = channel

    async def on_subscribed(self, ctx: Any) -> None:
        tell(
            "subscribed",
            channel=self.channel,
            data=ctx.data,
            returned=ctx.was_recovering,
            recovered=ctx.recovered,
        )

    async def on_unsubscribed(self, ctx: Any) -> None:
        tell("unsubscribed", channel=self.channel, code=ctx.code, reason=ctx.reason)

    async def on_publication(self, ctx: Any) -> None:
        tell("publication", channel=self.channel, data=ctx.pub.data, offset=ctx.pub.offset)

    async def on_error(self, ctx: Any) -> None:
        tell("error", channel=self.channel, code=ctx.code, message=str(ctx.error))


class Commands:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._subscriptions: dict[str, Any] = {}

    async def run(self, command: dict[str, Any]) -> None:
        match command["do"]:
            case "connect":
                await self._client.connect()
            case "subscribe":
                channel = command["channel"]
                if channel not in self._subscriptions:
                    self._subscriptions[channel] = self._client.new_subscription(channel, ChannelEvents(channel))
                await self._subscriptions[channel].subscribe()
            case "unsubscribe":
                await self._subscriptions[command["channel"]].unsubscribe()
            case "publish":
                await self._publish(command["channel"], command["data"])
            case unknown:
                raise ValueError(unknown)

    async def _publish(self, channel: str, data: Any) -> None:
        try:
            await self._client.publish(channel, data)
        except ReplyError as error:
            tell("publish_failed", channel=channel, code=error.code, message=error.message)
        except CentrifugeError as error:
            tell("publish_failed", channel=channel, code=None, message=repr(error))
        else:
            tell("published", channel=channel)


async def main() -> None:
    _JsonCodec.decode_replies = staticmethod(decode_exactly)
    client = Client(sys.argv[1], events=ClientEvents(), min_reconnect_delay=0.05, max_reconnect_delay=0.3, proxy=None)
    commands = Commands(client)
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin.buffer)
    while line := await stdin.readline():
        await commands.run(json.loads(line))
    await client.disconnect()


asyncio.run(main())
