"""One life of a plugin: its process, its handshake, its connection, its health, its end. A restart is another life.

Whatever goes wrong ends in one `Ending` with one reason; what the plugin did to get there reaches nobody else.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog
import trio

from framecast.plugins.host.background import background_nursery
from framecast.plugins.host.certificates import make_certificate
from framecast.plugins.host.dialling import prepare_dial, read_first_line
from framecast.plugins.host.discovery import PluginPackage
from framecast.plugins.host.grpc.channel import Channel, ChannelOptions
from framecast.plugins.host.grpc.session import CallLimits
from framecast.plugins.host.grpc.status import GrpcError, StatusCode
from framecast.plugins.host.guarded import GuardedProcess, guarded_process
from framecast.plugins.host.handshake import HandshakeError, handshake_environment, parse_handshake
from framecast.plugins.host.methods import HEALTH, SHUTDOWN, STREAM_STDIO
from framecast.plugins.host.output import PluginOutput
from framecast.plugins.schema.go_plugin_pb2 import StdioData
from framecast.plugins.schema.health_pb2 import HealthCheckRequest, HealthCheckResponse
from framecast.settings import Plugins

Reason = Literal["start", "handshake", "slow", "exit", "connection", "health", "bug"]

_LAST_BREATH_SECONDS = 1.0
"""A plugin that dies closes its connection a little before its end is told, and its end a little before its last words
are here. Then the end is the reason, and the words belong to it."""

_STDIO_PAUSE_SECONDS = 1.0
"""Before its output is asked for again, where a plugin ended that call."""

_HEALTHY = HealthCheckRequest(service="plugin").SerializeToString()
_NOTHING = b""
"""An empty message, encoded."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a life ended."""

    reason: Reason
    text: str


class Life:
    """Runs a plugin once. `run` is its task; `on_ready` gets the channel as soon as it is good for calls."""

    def __init__(
        self,
        package: PluginPackage,
        environment: Mapping[str, str],
        settings: Plugins,
        on_ready: Callable[[Channel], None],
    ) -> None:
        self._package = package
        self._environment = environment
        self._settings = settings
        self._on_ready = on_ready
        self._log = structlog.get_logger(__name__).bind(plugin=package.id)
        self._output = PluginOutput(package.id, settings)
        self._certificate = make_certificate() if settings.mutual_tls else None
        self._channel: Channel | None = None
        self._starting = trio.CancelScope()
        self._awaited = "its handshake"
        self._over = trio.Event()
        self._ending = Ending("exit", "it was given up")

    async def run(self) -> Ending:
        """Live until it ends; cancelled, end it in an orderly way, within the deadlines of the settings."""
        try:
            folder = Path(tempfile.mkdtemp(prefix="framecast-"))
        except OSError as error:
            return Ending("start", f"there is no place for its socket: {error}")
        pem = self._certificate.pem.decode() if self._certificate else None
        try:
            async with guarded_process(
                self._package.executable,
                {**self._environment, **handshake_environment(folder, pem)},
                working_folder=self._package.folder,
                own_folder=folder,
                kill_seconds=self._settings.kill_seconds,
            ) as process:
                await self._live_and_stop(process, folder)
        except OSError as error:
            self._end("start", f"its guard could not be started: {error}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # the guard did it, if it came to that
        return self._ending

    async def _live_and_stop(self, process: GuardedProcess, folder: Path) -> None:
        async with background_nursery() as background:
            try:
                await self._live(process, folder, background)
            finally:
                with trio.CancelScope(shield=True):  # each of its steps has a deadline
                    await self._stop(process)

    async def _live(self, process: GuardedProcess, folder: Path, background: trio.Nursery) -> None:
        began = trio.current_time()
        background.start_soon(self._watch_process, process)
        self._starting.deadline = began + self._settings.start_seconds
        with self._starting:
            try:
                self._channel = await self._reach(process, folder, background)
            except HandshakeError as error:
                self._end("handshake", str(error))
            except GrpcError as error:
                await self._blame_connection(process, error.message)
        if self._channel is None:
            self._end("slow", f"it was not ready within {self._settings.start_seconds:g} s: {self._awaited} is missing")
        if self._over.is_set() or self._channel is None:
            return
        seconds = trio.current_time() - began
        self._log.info("plugin started", pid=process.pid, version=self._package.version, seconds=round(seconds, 3))
        self._on_ready(self._channel)
        background.start_soon(self._watch_health, self._channel)
        await self._over.wait()

    async def _reach(self, process: GuardedProcess, folder: Path, background: trio.Nursery) -> Channel:
        """Wait for the handshake, dial, and wait until the plugin says that it serves."""
        begun = await read_first_line(process.stdout, self._settings.handshake_bytes)
        if begun is None:  # its end is about to be told; if not, it has closed its stdout, and will be too slow
            await trio.sleep_forever()
        line, rest = begun
        background.start_soon(self._output.follow, process.stdout, "stdout", rest)
        handshake = parse_handshake(line, wants_certificate=self._certificate is not None)
        dial = prepare_dial(handshake, self._certificate, folder=folder)
        self._awaited = "its gRPC server"
        channel = Channel(dial, _channel_options(self._settings, tls=self._certificate is not None))
        await background.start(self._carry, channel, process)
        background.start_soon(self._follow_stdio, channel)
        self._awaited = "its word that it serves"
        await self._check_health(channel, 2 * self._settings.start_seconds)  # the start's own deadline comes first
        return channel

    async def _carry(self, channel: Channel, process: GuardedProcess, *, task_status: trio.TaskStatus[None]) -> None:
        await self._blame_connection(process, await channel.run(task_status=task_status))

    async def _blame_connection(self, process: GuardedProcess, text: str) -> None:
        """End because of the connection; where the process ends just now, that is the better reason."""
        with trio.move_on_after(_LAST_BREATH_SECONDS):
            await process.ended.wait()
            await self._over.wait()
        self._end("connection", text)

    async def _watch_process(self, process: GuardedProcess) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._output.follow, process.stderr, "stderr")
            await process.ended.wait()
            nursery.cancel_scope.deadline = trio.current_time() + _LAST_BREATH_SECONDS
        words = self._output.last_words
        said = f"; its last words: {words}" if words else "; it said nothing"
        self._end("exit" if process.pid is not None else "start", f"it {process.ending}{said}")

    async def _check_health(self, channel: Channel, seconds: float) -> None:
        """GrpcError when it does not say that it serves."""
        answer = HEALTH.read(await channel.ask(HEALTH.path, _HEALTHY, seconds=seconds))
        if answer.status != HealthCheckResponse.SERVING:
            state = HealthCheckResponse.ServingStatus.Name(answer.status)
            raise GrpcError(StatusCode.UNAVAILABLE, f"the plugin says that it is {state}")

    async def _watch_health(self, channel: Channel) -> None:
        failures = 0
        while failures < self._settings.health_failures:
            await trio.sleep(self._settings.health_seconds)
            try:
                await self._check_health(channel, self._settings.call_seconds)
                failures = 0
            except GrpcError as error:
                failures += 1
                self._log.warning("plugin gave no good sign of life", error=str(error), in_a_row=failures)
        self._end("health", f"it gave no good sign of life {failures} times in a row")

    async def _follow_stdio(self, channel: Channel) -> None:
        """Log what it prints once it serves: go-plugin sends that by gRPC, and blocks the plugin until it is taken."""
        readers = {
            StdioData.STDOUT: self._output.reader("stdout"),
            StdioData.STDERR: self._output.reader("stderr"),
        }
        while not self._over.is_set():
            try:
                async with channel.listen(
                    STREAM_STDIO.path, _NOTHING, begin_seconds=self._settings.call_seconds
                ) as call:
                    while (message := await call.receive()) is not None:
                        piece = STREAM_STDIO.read(message)
                        if piece.channel in readers:
                            await readers[piece.channel].take(piece.data)
            except GrpcError as error:
                if error.code is StatusCode.UNIMPLEMENTED:
                    return  # it prints to its stdout and stderr, then
            await trio.sleep(_STDIO_PAUSE_SECONDS)

    async def _stop(self, process: GuardedProcess) -> None:
        """Ask it to exit, then tell it to; what is left when this returns is killed."""
        settings = self._settings
        if process.ended.is_set():
            return
        if self._channel is not None and not self._channel.over and self._ending.reason != "health":
            with trio.move_on_after(settings.shutdown_seconds):
                with suppress(GrpcError):  # most answer by closing the connection
                    await self._channel.ask(SHUTDOWN.path, _NOTHING, seconds=settings.shutdown_seconds)
                await process.ended.wait()
                return
        with trio.move_on_after(settings.terminate_seconds):
            await process.terminate()
            await process.ended.wait()
            return
        self._log.warning("plugin had to be killed", pid=process.pid)

    def _end(self, reason: Reason, text: str) -> None:
        """The first ending counts."""
        if not self._over.is_set():
            self._ending = Ending(reason, text)
            self._over.set()
            self._starting.cancel()
            if self._channel is not None:
                self._channel.end(text)


def _channel_options(settings: Plugins, *, tls: bool) -> ChannelOptions:
    return ChannelOptions(
        limits=CallLimits(
            window_bytes=settings.window_bytes,
            message_bytes=settings.message_bytes,
            max_held_bytes=settings.held_bytes,
            max_calls=settings.max_calls,
        ),
        scheme="https" if tls else "http",
        dial_seconds=settings.start_seconds,
        send_seconds=settings.send_seconds,
        redial_seconds=settings.restart_seconds,
    )
