"""A client around centrifuge-python: commands on stdin, events on stdout, as JSON lines; ends when stdin does.

Run as ``python_subscriber.py URL [OPTIONS]``; sdk_programs.py says what options, commands and events there are.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
from centrifuge import (  # type: ignore[import-untyped]  # it ships no types
    Client,
    ClientEventHandler,
    DeltaType,
    ReplyError,
    StreamPosition,
    SubscriptionEventHandler,
    UnauthorizedError,
)
from centrifuge.codecs import _JsonCodec  # type: ignore[import-untyped]  # it ships no types

MIN_DELAY_SECONDS = 0.05
MAX_DELAY_SECONDS = 0.3
PATIENCE_SECONDS = 60.0
"""For answers and pings: a server that is slow because the machine is busy is not lost."""

encoder = msgspec.json.Encoder(decimal_format="number")


def tell(event: str, **details: Any) -> None:
    sys.stdout.buffer.write(encoder.encode({"event": event, **details}) + b"\n")
    sys.stdout.buffer.flush()


def decode_exactly(data: str) -> list[Any]:
    return [json.loads(reply, parse_float=Decimal) for reply in data.strip().split("\n")]


class Payloads:
    """Payloads are JSON values on JSON connections and bytes that hold JSON on Protobuf ones; told are values."""

    def __init__(self, protocol: str) -> None:
        self._in_bytes = protocol == "protobuf"

    def encode(self, value: Any) -> Any:
        return json.dumps(value).encode() if self._in_bytes and value is not None else value

    def decode(self, data: Any) -> Any:
        if not self._in_bytes:
            return data
        return json.loads(data, parse_float=Decimal) if data else None

    def info(self, info: Any) -> dict[str, Any] | None:
        if info is None:
            return None
        shown = {"client": info.client, "user": info.user}
        extra = {"conn_info": self.decode(info.conn_info), "chan_info": self.decode(info.chan_info)}
        return shown | {name: value for name, value in extra.items() if value is not None}

    def publication(self, publication: Any) -> dict[str, Any]:
        return {
            "data": self.decode(publication.data),
            "offset": publication.offset,
            "info": self.info(publication.info),
        }

    def subscribed(self, ctx: Any) -> dict[str, Any]:
        position = ctx.stream_position
        return {
            "data": self.decode(ctx.data),
            "returned": ctx.was_recovering,
            "recovered": ctx.recovered,
            "recoverable": ctx.recoverable,
            "positioned": ctx.positioned,
            "position": position and {"offset": position.offset, "epoch": position.epoch},
        }


class ClientEvents(ClientEventHandler):  # type: ignore[misc]  # it ships no types
    def __init__(self, payloads: Payloads) -> None:
        self._payloads = payloads

    async def on_connecting(self, ctx: Any) -> None:
        tell("connecting", code=ctx.code, reason=ctx.reason)

    async def on_connected(self, ctx: Any) -> None:
        tell("connected", client=ctx.client, data=self._payloads.decode(ctx.data))

    async def on_disconnected(self, ctx: Any) -> None:
        tell("disconnected", code=ctx.code, reason=ctx.reason)

    async def on_error(self, ctx: Any) -> None:
        tell("error", code=ctx.code, message=str(ctx.error))

    async def on_subscribing(self, ctx: Any) -> None:
        tell("server_subscribing", channel=ctx.channel)

    async def on_subscribed(self, ctx: Any) -> None:
        tell("server_subscribed", channel=ctx.channel, **self._payloads.subscribed(ctx))

    async def on_unsubscribed(self, ctx: Any) -> None:
        tell("server_unsubscribed", channel=ctx.channel)

    async def on_publication(self, ctx: Any) -> None:
        tell("server_publication", channel=ctx.channel, **self._payloads.publication(ctx.pub))

    async def on_join(self, ctx: Any) -> None:
        tell("server_join", channel=ctx.channel, info=self._payloads.info(ctx.info))

    async def on_leave(self, ctx: Any) -> None:
        tell("server_leave", channel=ctx.channel, info=self._payloads.info(ctx.info))


class ChannelEvents(SubscriptionEventHandler):  # type: ignore[misc]  # it ships no types
    def __init__(self, channel: str, payloads: Payloads) -> None:
        self._channel = channel
        self._payloads = payloads

    async def on_subscribing(self, ctx: Any) -> None:
        tell("subscribing", channel=self._channel, code=ctx.code, reason=ctx.reason)

    async def on_subscribed(self, ctx: Any) -> None:
        tell("subscribed", channel=self._channel, **self._payloads.subscribed(ctx))

    async def on_unsubscribed(self, ctx: Any) -> None:
        tell("unsubscribed", channel=self._channel, code=ctx.code, reason=ctx.reason)

    async def on_publication(self, ctx: Any) -> None:
        tell("publication", channel=self._channel, **self._payloads.publication(ctx.pub))

    async def on_join(self, ctx: Any) -> None:
        tell("join", channel=self._channel, info=self._payloads.info(ctx.info))

    async def on_leave(self, ctx: Any) -> None:
        tell("leave", channel=self._channel, info=self._payloads.info(ctx.info))

    async def on_error(self, ctx: Any) -> None:
        tell("error", channel=self._channel, code=ctx.code, message=str(ctx.error))


def hand_out(tokens: list[str] | None, **details: Any) -> Callable[..., Awaitable[str]] | None:
    """A function that hands out the tokens one after another; then the user is no longer authorized."""
    if tokens is None:
        return None
    left = iter(tokens)

    async def get_token(*_: Any) -> str:
        tell("token_wanted", **details)
        for token in left:
            return token
        raise UnauthorizedError("no token left")

    return get_token


def begin_at(since: dict[str, Any] | None) -> Callable[[str], Awaitable[StreamPosition]] | None:
    if since is None:
        return None

    async def get_state(_: str) -> StreamPosition:
        return StreamPosition(**since)

    return get_state


class Commands:
    def __init__(self, client: Client, payloads: Payloads) -> None:
        self._client = client
        self._payloads = payloads
        self._calls: dict[str, Callable[..., Awaitable[dict[str, Any] | None]]] = {
            "publish": self._publish,
            "publish_all": self._publish_all,
            "history": self._history,
            "presence": self._presence,
            "presence_stats": self._presence_stats,
            "rpc": self._rpc,
        }

    async def run(self, command: dict[str, Any]) -> None:
        match command.pop("do"):
            case "connect":
                if "token" in command:
                    self._client.set_token(command["token"])
                await self._client.connect()
            case "disconnect":
                await self._client.disconnect()
            case "subscribe":
                await self._subscribe(**command)
            case "unsubscribe":
                await self._client.get_subscription(command["channel"]).unsubscribe()
            case call:
                await self._answer(call, **command)

    async def _subscribe(
        self,
        channel: str,
        data: Any = None,
        token: str = "",
        tokens: list[str] | None = None,
        since: dict[str, Any] | None = None,
        delta: str | None = None,
        **flags: bool,
    ) -> None:
        subscription = self._client.get_subscription(channel) or self._client.new_subscription(
            channel,
            ChannelEvents(channel, self._payloads),
            data=self._payloads.encode(data),
            token=token,
            get_token=hand_out(tokens, channel=channel),
            get_state=begin_at(since),
            delta=delta and DeltaType(delta),
            min_resubscribe_delay=MIN_DELAY_SECONDS,
            max_resubscribe_delay=MAX_DELAY_SECONDS,
            **flags,
        )
        await subscription.subscribe()

    async def _answer(self, call: str, number: int, **arguments: Any) -> None:
        try:
            tell("answer", number=number, **(await self._calls[call](**arguments) or {}))
        except ReplyError as error:
            tell("answer", number=number, code=error.code, message=error.message)
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises is the test's to judge
            tell("answer", number=number, code=None, message=repr(error))

    def _caller(self, channel: str, by: str) -> tuple[Any, tuple[str, ...]]:
        """Whose method to call, and with which first arguments."""
        if by == "subscription":
            return self._client.get_subscription(channel), ()
        return self._client, (channel,)

    async def _publish(self, channel: str, data: Any, by: str = "client") -> None:
        caller, first = self._caller(channel, by)
        await caller.publish(*first, self._payloads.encode(data))

    async def _publish_all(self, channel: str, data: list[Any]) -> None:
        for one in data:
            await self._client.publish(channel, self._payloads.encode(one))

    async def _history(
        self, channel: str, since: dict[str, Any] | None = None, by: str = "client", **options: Any
    ) -> dict[str, Any]:
        caller, first = self._caller(channel, by)
        page = await caller.history(*first, since=since and StreamPosition(**since), **options)
        publications = [self._payloads.publication(one) for one in page.publications]
        return {"publications": publications, "offset": page.offset, "epoch": page.epoch}

    async def _presence(self, channel: str, by: str = "client") -> dict[str, Any]:
        caller, first = self._caller(channel, by)
        found = await caller.presence(*first)
        return {"clients": {client: self._payloads.info(info) for client, info in found.clients.items()}}

    async def _presence_stats(self, channel: str, by: str = "client") -> dict[str, Any]:
        caller, first = self._caller(channel, by)
        found = await caller.presence_stats(*first)
        return {"clients": found.num_clients, "users": found.num_users}

    async def _rpc(self, method: str, data: Any) -> dict[str, Any]:
        result = await self._client.rpc(method, self._payloads.encode(data))
        return {"data": self._payloads.decode(result.data)}


async def main() -> None:
    options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    protocol = options.get("protocol", "json")
    if options.get("exact_numbers"):
        _JsonCodec.decode_replies = staticmethod(decode_exactly)
    payloads = Payloads(protocol)
    client = Client(
        sys.argv[1],
        events=ClientEvents(payloads),
        token=options.get("token", ""),
        get_token=hand_out(options.get("tokens")),
        use_protobuf=protocol == "protobuf",
        data=payloads.encode(options.get("data")),
        min_reconnect_delay=MIN_DELAY_SECONDS,
        max_reconnect_delay=MAX_DELAY_SECONDS,
        timeout=PATIENCE_SECONDS,
        max_server_ping_delay=PATIENCE_SECONDS,
        proxy=None,
        headers=options.get("headers"),
    )
    commands = Commands(client, payloads)
    stdin = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin.buffer)
    tell("ready")
    while line := await stdin.readline():
        await commands.run(json.loads(line))
    await client.disconnect()


asyncio.run(main())
