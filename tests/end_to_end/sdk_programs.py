"""The published SDKs as programs with one vocabulary: JavaScript, Python and Go, each in JSON and in Protobuf.

Options: ``protocol`` ("json", "protobuf"), ``token``, ``tokens`` (handed out one after another when the SDK wants one,
each time with an event ``token_wanted``; then the user is no longer authorized), ``data`` (of the connect command);
JavaScript also ``transport`` ("websocket", "http_stream", "sse") and ``emulation`` (a URL). JavaScript and Python also
``headers`` of the upgrade to a WebSocket; with the command ``headers`` JavaScript's next upgrades have others.

Commands: ``connect`` (token, if another than that of the options), ``disconnect``, ``subscribe`` (channel; the first
time also data, token, tokens, recoverable, positioned, join_leave, delta "fossil", since {offset, epoch}),
``unsubscribe`` (channel). And those that are answered (`Program.ask`), about a channel with ``by="subscription"``
through its subscription: ``publish`` (data), ``publish_all`` (a list of data, in that order), ``history`` (limit,
since, reverse), ``presence``, ``presence_stats``; ``rpc`` (method, data), ``send`` (data; centrifuge-python has none).

Events: ``ready`` (for the first command); ``connecting`` and ``disconnected`` (code, reason), ``connected`` (client,
data), ``message`` (data), ``error`` (code, message, channel if of a subscription); with a channel each ``subscribing``
and ``unsubscribed`` (code, reason), ``subscribed`` (data, returned, recovered, recoverable, positioned, position),
``publication`` (data, offset, info), ``join`` and ``leave`` (info); of server-side subscriptions
``server_subscribing``, ``server_subscribed``, ``server_unsubscribed``, ``server_publication``, ``server_join``,
``server_leave``. An answer has what was asked for: publications, offset and epoch; clients; clients and users; data.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import trio

from end_to_end.go_builds import build_go
from end_to_end.programs import JAVASCRIPT_SUBSCRIBER, PYTHON_SUBSCRIBER, Program, run_program

GO_SOURCES = Path(__file__).parent / "go"


@dataclass(frozen=True)
class Sdk:
    """An SDK and the wire it speaks."""

    language: Literal["javascript", "python", "go"]
    protocol: Literal["json", "protobuf"]
    transport: Literal["websocket", "http_stream", "sse"] = "websocket"

    def __str__(self) -> str:
        parts = (self.language, self.protocol, self.transport)
        return "-".join(part for part in parts if part != "websocket")


WEBSOCKET_SDKS = [
    Sdk("javascript", "json"),
    Sdk("javascript", "protobuf"),
    Sdk("python", "json"),
    Sdk("python", "protobuf"),
    Sdk("go", "json"),
    Sdk("go", "protobuf"),
]
EMULATION_SDKS = [
    Sdk("javascript", "json", "http_stream"),
    Sdk("javascript", "protobuf", "http_stream"),
    Sdk("javascript", "json", "sse"),
]
EVERY_SDK = [*WEBSOCKET_SDKS, *EMULATION_SDKS]


class SdkPrograms:
    """Runs the client programs; the Go one is built into `folder` when it is first wanted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _go_subscriber(self) -> str:
        return str(build_go(GO_SOURCES, self._folder / "go-subscriber"))

    def _command(self, language: str) -> tuple[str, ...]:
        if language == "go":
            return (self._go_subscriber,)
        return JAVASCRIPT_SUBSCRIBER if language == "javascript" else PYTHON_SUBSCRIBER

    @asynccontextmanager
    async def begun(
        self, sdk: Sdk, address: str, *, authority: Path | None = None, **options: object
    ) -> AsyncIterator[Program]:
        """A client of the server at `address` (HOST:PORT) that runs, and is not told to connect yet.

        With `authority` it speaks TLS and trusts that file, as its language's programs are told to.
        """
        live, s = f"{address}/api/live", "" if authority is None else "s"
        url = f"ws{s}://{live}/ws" if sdk.transport == "websocket" else f"http{s}://{live}/{sdk.transport}"
        wire = {"protocol": sdk.protocol, "transport": sdk.transport, "emulation": f"http{s}://{live}/emulation"}
        trust = "NODE_EXTRA_CA_CERTS" if sdk.language == "javascript" else "SSL_CERT_FILE"
        environment = {} if authority is None else {trust: str(authority)}
        arguments = (url, json.dumps(wire | options))
        async with run_program(self._command(sdk.language), *arguments, environment=environment) as program:
            await program.wait_for("ready")
            yield program

    @asynccontextmanager
    async def connected(
        self, sdk: Sdk, address: str, *, authority: Path | None = None, **options: object
    ) -> AsyncIterator[Program]:
        """A client that is connected."""
        async with self.begun(sdk, address, authority=authority, **options) as program:
            await program.do("connect")
            await program.wait_for("connected")
            yield program

    @asynccontextmanager
    async def all_connected(self, address: str, sdks: Sequence[Sdk] = EVERY_SDK) -> AsyncIterator[dict[Sdk, Program]]:
        """A client of every SDK that is connected; they are started side by side."""
        programs: dict[Sdk, Program] = {}
        done = trio.Event()

        async def hold(sdk: Sdk, *, task_status: trio.TaskStatus[None]) -> None:
            async with self.connected(sdk, address) as program:
                programs[sdk] = program
                task_status.started()
                await done.wait()

        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as starting:
                for sdk in sdks:
                    starting.start_soon(nursery.start, hold, sdk)
            yield {sdk: programs[sdk] for sdk in sdks}
            done.set()
