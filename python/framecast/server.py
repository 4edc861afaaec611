"""The supervisor: what runs, inside what, and in which order it ends. What there is to run is built by `house`.

Nurseries, from the outside: the background (`_run_background`) outlives the connections, which outlive the accepting.
Stopping goes the other way round.
"""

import gc
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import structlog
import trio

from framecast import __version__
from framecast._core import Fanout, build_info
from framecast.accounts.entrance import open_entrance
from framecast.channels.hold_ups import HoldUps
from framecast.channels.outsiders import Outsiders
from framecast.datasources.provisioning.provision import provision
from framecast.door.certificate import load_certificate
from framecast.door.connection import serve_connection
from framecast.door.listen import Handle, listening_places, open_listeners
from framecast.door.listen import serve as accept
from framecast.door.tls import TlsDoor
from framecast.house import Ground, House, build_house, find_outside
from framecast.plugins.host.host import load_plugins
from framecast.preflight import check_settings
from framecast.scopes.last_messages import restore_messages
from framecast.settings import Live, Server, Settings
from framecast.store.database import open_database
from framecast.store.datasources import read_types
from framecast.store.directory import hold_data_directory
from framecast.store.secret_keys import prepare_keys
from framecast.streams.restoring import restore_streams

log = structlog.get_logger(__name__)

FIRST_START = """
This is the first start. Here is a token for whoever runs this server; nobody can show it again:

  export FRAMECAST_TOKEN={token}

With that, `framecast token create NAME --push STREAM` makes one for each program that pushes.
"""


async def serve(settings: Settings, *, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED) -> None:
    """Run the server until SIGINT, SIGTERM or cancellation; `started` with the HOST:PORT texts it listens on.

    ConfigurationError for settings that cannot be used: a foreign address with --dev, a data directory in use, a
    database that is damaged, a key that its secrets need and is not there, a port that cannot be bound.
    """
    check_settings(settings)
    async with AsyncExitStack() as stack:
        outsiders = Outsiders(HoldUps(settings.sources))
        # The first to come and the last to go: what is not our code may not end, and nothing of ours waits for it.
        await stack.enter_async_context(outsiders.open(settings.sources.stop_seconds))
        data = stack.enter_context(hold_data_directory(Path(settings.server.data)))
        database = await stack.enter_async_context(open_database(data, settings.store))
        ring = await prepare_keys(database, data, settings.store)
        fanout = stack.enter_context(_fanout(settings.live))
        outside = find_outside(settings)
        visitors = None if outside.grafana is None else outside.grafana.visitors
        entrance = await open_entrance(
            settings, database, outside.connected, outside.attempts, verifier=outside.verifier, grafana=visitors
        )
        plugin_host = await load_plugins(settings.plugins)  # before anything is changed: it may refuse the start
        await provision(database, ring, settings, time.time)
        house = build_house(settings, Ground(fanout, database, ring, outside, entrance, outsiders, plugin_host))
        await restore_streams(database, house.streams, house.kept.columns)
        await restore_messages(database, house.kept.last_messages)
        house.plugins.instances.tell_orphans(await database.read(read_types))
        tls = _build_tls(settings, house)
        listeners = await open_listeners(settings.server.listen)
        for listener in listeners:  # whoever accepts closes them as well, but may never come to it
            stack.callback(listener.socket.close)
        async with trio.open_nursery() as outermost:
            background = await outermost.start(_run_background, house, tls, settings.server)
            background.shield = True  # not earlier: a start that is cancelled must end
            try:
                async with trio.open_nursery() as connections:
                    handle = _build_handle(settings, house, tls)
                    with (
                        trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
                        outsiders.signals_received(),
                    ):
                        async with trio.open_nursery() as accepting:
                            await accepting.start(
                                partial(accept, listeners, handle, connections=connections, limits=settings.server)
                            )
                            places = listening_places(listeners)
                            _announce(places, settings.server.scheme, entrance.first_token, task_status)
                            log.info("stopping", signal=signal.Signals(await anext(signals)).name)
                            accepting.cancel_scope.cancel()
                    await _end_connections(house, connections, settings.server.shutdown_grace_seconds)
            finally:
                background.cancel()
    log.info("stopped")


@contextmanager
def _fanout(live: Live) -> Iterator[Fanout]:
    fanout = Fanout(max_total_bytes=live.total_queue_bytes, coalesce_seconds=live.coalesce_seconds)
    try:
        yield fanout
    finally:
        fanout.close()


def _build_tls(settings: Settings, house: House) -> TlsDoor | None:
    certificate = load_certificate(settings.server)
    return None if certificate is None else TlsDoor(certificate, settings.server, house.rooms.closing)


def _build_handle(settings: Settings, house: House, tls: TlsDoor | None) -> Handle:
    """What serves an accepted connection to its end."""
    handle = partial(serve_connection, rooms=house.rooms, limits=settings.server)
    return handle if tls is None else partial(tls.serve, handle=handle)


def _announce(places: list[str], scheme: str, first_token: str | None, task_status: trio.TaskStatus[list[str]]) -> None:
    # What exists now lives as long as the server: full collections need not walk it.
    gc.collect()
    gc.freeze()
    for place in places:
        print(f"listening on {scheme}://{place}", flush=True)  # noqa: T201 - the one line that scripts wait for
    if first_token is not None:
        # Here and in no log, which others read and keep. Whoever reads the first line only may have closed the pipe.
        with suppress(OSError):
            print(FIRST_START.format(token=first_token), flush=True)  # noqa: T201 - see above
    log.info("listening", places=places, version=__version__, **build_info())
    task_status.started(places)


async def _run_background(
    house: House, tls: TlsDoor | None, limits: Server, *, task_status: trio.TaskStatus[trio.CancelScope]
) -> None:
    """Run what connections stand on; `started` with the scope that ends it, to be cancelled when the last is gone.

    The caller shields it: a connection that is cancelled still waits, within its own deadlines, for the writer to let
    go of its socket, and a push that is being parsed is still published.
    """
    with trio.CancelScope() as background:
        async with trio.open_nursery() as nursery:
            await nursery.start(_reload_when_told, tls)
            for writer in house.kept.writers:
                await nursery.start(writer.run)
            await nursery.start(house.rooms.closing.run, limits)
            await nursery.start(house.events.run)
            await nursery.start(house.broker.run, house.hub.deliver)
            await nursery.start(house.hub.run)
            await nursery.start(house.subscribers.rooms.schedule.run)
            await nursery.start(house.subscribers.roster.run)
            await nursery.start(house.streams.run)
            await nursery.start(house.plugins.host.run)
            await nursery.start(house.plugins.lifetimes.run)
            await nursery.start(house.dashboards.archive.run)
            await nursery.start(house.datasources.run)
            await nursery.start(house.entrance.register.run)
            if house.outside.verifier is not None:
                await nursery.start(house.outside.verifier.run)
            if house.outside.grafana is not None:
                await nursery.start(house.outside.grafana.run)
            if house.dashboards.watch is not None:
                await nursery.start(house.dashboards.watch.run)
            task_status.started(background)


async def _reload_when_told(
    tls: TlsDoor | None, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Read the certificate again at each SIGHUP, which would end the process if nobody took it."""
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        task_status.started()
        async for _ in signals:
            if tls is None:
                log.warning("nothing to reload", signal="SIGHUP", reason="server.tls_cert is not set")
            else:
                await tls.reload()


async def _end_connections(house: House, connections: trio.Nursery, grace_seconds: float) -> None:
    """Say goodbye to everybody at once, let running pushes finish, and cancel what is left after the grace time."""
    connections.cancel_scope.deadline = trio.current_time() + grace_seconds
    house.rooms.closing.begin(grace_seconds=grace_seconds)
    house.subscribers.rooms.stopping.set()
    house.push_sockets.stop()
    await house.app.terminate()
