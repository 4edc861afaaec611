"""``framecast watch``: subscribes to channels and shows their rows as they arrive."""

import math
import os
import random
import sys
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

import trio
from cyclopts import Parameter
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

from framecast.cli.failure import CommandError, name_cause
from framecast.cli.frames import FrameError, FrameReader, Row
from framecast.cli.rows import JsonPrinter, Printer, TablePrinter
from framecast.cli.subscriber import (
    Connected,
    ConnectRefused,
    Ended,
    Event,
    ProtocolError,
    Published,
    Subscribed,
    Subscriber,
    may_reconnect,
)
from framecast.cli.trust import find_distrust, trusting_context
from framecast.logs import escape_controls

CONNECT_SECONDS = 10.0
REPLY_SECONDS = 30.0
CLOSE_SECONDS = 2.0
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 20.0
MESSAGE_BYTES = 64 * 1024 * 1024
TRY_LATER = frozenset({408, 429})


def watch(
    *channels: Annotated[str, Parameter(help="For example stream/demo/cpu.", required=True)],
    url: Annotated[str, Parameter(help="The server.")] = "http://127.0.0.1:8300",
    token: Annotated[str | None, Parameter(help="Or $FRAMECAST_TOKEN.")] = None,
    format_: Annotated[
        Literal["auto", "table", "json"],
        Parameter(name="--format", help="auto: a table on a terminal, JSON lines otherwise."),
    ] = "auto",
    utc: Annotated[bool, Parameter(help="The table's times in UTC; JSON's always are.", negative=())] = False,
    count: Annotated[int | None, Parameter(help="End after so many rows.")] = None,
    last: Annotated[int, Parameter(help="Begin with so many rows of each channel's past.")] = 10,
) -> int:
    """Show what arrives on channels, until Ctrl-C or until none is left.

    JSON rows are {"channel", "time", "labels": {…}, "fields": {…}}. Reconnects when the connection is lost.
    """
    if not channels:
        raise CommandError("watch needs a channel, for example stream/demo/cpu", status=2)
    if count is not None and count < 1:
        raise CommandError("--count must be 1 or more", status=2)
    if last < 0:
        raise CommandError("--last must be 0 or more", status=2)
    address = live_url(url)
    table = format_ == "table" or (format_ == "auto" and sys.stdout.isatty())
    printer = TablePrinter(utc=utc) if table else JsonPrinter()
    token = token or os.environ.get("FRAMECAST_TOKEN")
    watcher = Watcher(Subscriber(list(dict.fromkeys(channels)), token, last_rows=last), printer, count)
    trio.run(watcher.run, address)
    return 1 if watcher.failed else 0


def live_url(url: str) -> str:
    """The WebSocket's address on the server `url`."""
    parts = urlsplit(url)
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    try:
        usable = parts.scheme in schemes and parts.hostname and (parts.port or True)
    except ValueError:
        usable = False
    if not usable:
        raise CommandError(f"--url {url} is not of the form http://HOST:PORT or https://HOST:PORT", status=2)
    return urlunsplit((schemes[parts.scheme], parts.netloc, f"{parts.path.rstrip('/')}/api/live/ws", "", ""))


async def open_stream(parts: SplitResult) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    """A connection to the server, its certificate checked when the scheme asks for TLS."""
    host = parts.hostname or ""
    if parts.scheme == "ws":
        return await trio.open_tcp_stream(host, parts.port or 80)
    stream = await trio.open_ssl_over_tcp_stream(
        host, parts.port or 443, https_compatible=True, ssl_context=trusting_context()
    )
    await stream.do_handshake()
    return stream


class ConnectionLostError(Exception):
    """The connection ended in a way that a new one may mend."""


class Watcher:
    """One run of the command: a connection after the other, the subscriber's memory across them."""

    def __init__(self, subscriber: Subscriber, printer: Printer, count: int | None) -> None:
        self._subscriber = subscriber
        token = subscriber.token
        self._headers = [(b"Authorization", f"Bearer {token}".encode())] if token else []
        self._printer = printer
        self._readers = {channel: FrameReader() for channel in subscriber.channels}
        self._newest: dict[str, int] = {}  # by channel, to leave out of a snapshot what was shown
        self._left = math.inf if count is None else count
        self._attempt = 0
        self._was_connected = False
        self._silence_seconds = REPLY_SECONDS
        self._retry_at: dict[str, float] = {}  # channels that were refused for the moment
        self.failed = False

    async def run(self, address: str) -> None:
        """Watch until there is nothing left to watch. CommandError when the server cannot be used."""
        while self._subscriber.active and self._left > 0:
            try:
                await self._watch_connection(address)
            except ConnectionLostError as error:
                ceiling = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(self._attempt, 10))
                delay = random.uniform(ceiling / 2, ceiling)  # noqa: S311 - no secret
                self._attempt += 1
                _say(f"{error}; connecting again in {delay:.1f} s")
                await trio.sleep(delay)

    async def _watch_connection(self, address: str) -> None:
        """Open, use and close one connection. The stream is ours: trio-websocket would leave it open at times."""
        parts = urlsplit(address)
        try:
            with trio.fail_after(CONNECT_SECONDS):
                stream = await open_stream(parts)
        except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            raise self._judge(error, parts.netloc) from None
        failure: BaseException | None = None
        try:
            async with trio.open_nursery() as nursery:
                with trio.fail_after(CONNECT_SECONDS):
                    socket = await wrap_client_stream(
                        nursery,
                        stream,
                        parts.netloc.rpartition("@")[2],
                        parts.path,
                        extra_headers=self._headers,
                        max_message_size=MESSAGE_BYTES,
                    )
                await self._talk(socket)
                with trio.move_on_after(CLOSE_SECONDS):
                    await socket.aclose()
                nursery.cancel_scope.cancel()
        except* (CommandError, ConnectionLostError, HandshakeError, ConnectionClosed, trio.TooSlowError) as group:
            failure = group.exceptions[0]
        finally:
            await trio.aclose_forcefully(stream)
        if failure is not None:
            raise self._judge(failure, parts.netloc)

    def _judge(self, error: BaseException, place: str) -> CommandError | ConnectionLostError:
        """Whether a connection's failure may be mended by a new one."""
        match error:
            case CommandError() | ConnectionLostError():
                return error
            case ConnectionRejected():
                message = (error.body or b"").decode("utf-8", "replace").strip()[:500]
                text = f"{place} answered {error.status_code}{': ' if message else ''}{message}"
                final = error.status_code < 500 and error.status_code not in TRY_LATER
            case ConnectionClosed():
                code = error.reason.code if error.reason else 1006
                words = f"{code} {(error.reason and error.reason.reason) or ''}".strip()
                final = not may_reconnect(code)
                text = f"the server closed the connection for good: {words}" if final else f"connection lost ({words})"
            case _:
                final = not self._was_connected
                text = f"cannot connect to {place}: {find_distrust(error) or name_cause(error)}"
        return CommandError(text) if final else ConnectionLostError(text)

    async def _talk(self, socket: WebSocketConnection) -> None:
        """One connection's life: everything that is received, answered at once."""
        self._silence_seconds = REPLY_SECONDS
        self._retry_at.clear()
        self._subscriber.open()
        heard = trio.current_time()
        while self._subscriber.active and self._left > 0:
            if (message := self._subscriber.take_outgoing()) is not None:
                with trio.move_on_after(REPLY_SECONDS) as sending:
                    await socket.send_message(message.decode())
                if sending.cancelled_caught:
                    raise ConnectionLostError("the server takes nothing any more")
            silent_at = heard + self._silence_seconds
            with trio.move_on_at(min(silent_at, *self._retry_at.values(), math.inf)) as waiting:
                received = await socket.get_message()
            if not waiting.cancelled_caught:
                heard = trio.current_time()
                try:
                    events = self._subscriber.receive(received)
                except ProtocolError as error:
                    raise CommandError(str(error)) from None
                for event in events:
                    self._handle(event)
            elif trio.current_time() >= silent_at:
                raise ConnectionLostError(f"nothing was heard for {self._silence_seconds:.0f} s")
            self._retry_due()

    def _retry_due(self) -> None:
        now = trio.current_time()
        for channel in [channel for channel, at in self._retry_at.items() if at <= now]:
            del self._retry_at[channel]
            self._subscriber.subscribe(channel)

    def _handle(self, event: Event) -> None:
        match event:
            case Connected(silence_seconds):
                if self._was_connected:
                    _say("connected again")
                self._was_connected = True
                self._silence_seconds = math.inf if silence_seconds is None else silence_seconds
            case ConnectRefused(code, message, temporary):
                if temporary:
                    raise ConnectionLostError(f"the server refused the connection for now: {code} {message}")
                raise CommandError(f"the server refused the connection: {code} {message}")
            case Subscribed(channel, data, again, recovered):
                self._attempt = 0  # not before: a server that drops us after the connect reply must not be hammered
                if again and not recovered:
                    _say(f"{channel}: subscribed again; rows may be missing")
                self._show(channel, data, snapshot=True)
            case Published(channel, data):
                self._show(channel, data, snapshot=False)
            case Ended(channel, code, message, temporary):
                _say(f"{channel}: {code} {message}{'; trying again' if temporary else ''}")
                if temporary:
                    self._retry_at[channel] = trio.current_time() + FIRST_DELAY_SECONDS * random.uniform(1, 2)  # noqa: S311
                else:
                    self.failed = True

    def _show(self, channel: str, packet: object, *, snapshot: bool) -> None:
        """Print a packet's rows; of a snapshot only those that are newer than what was shown."""
        try:
            rows = self._readers[channel].read(packet)
        except FrameError as error:
            _say(f"{channel}: a packet cannot be shown: {error}")
            return
        if rows is None:
            if not snapshot or packet is not None:
                self._printer.show_message(channel, packet)
                self._left -= 1
            return
        newest = self._newest.get(channel)
        if snapshot and newest is not None:
            rows = [row for row in rows if row.time_ns is None or row.time_ns > newest]
        shown = rows if self._left >= len(rows) else rows[: int(self._left)]
        self._left -= len(shown)
        self._remember_newest(channel, shown)
        self._printer.show_rows(channel, shown)

    def _remember_newest(self, channel: str, rows: list[Row]) -> None:
        times = [row.time_ns for row in rows if row.time_ns is not None]
        if times:
            self._newest[channel] = max(*times, self._newest.get(channel, times[0]))


def _say(message: str) -> None:
    print(escape_controls(message), file=sys.stderr, flush=True)
