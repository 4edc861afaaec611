"""The supervisor: what runs, inside what, and in which order it ends. Reads as a table of contents.

Nurseries, from the outside: the background (`_run_background`) outlives the connections, which outlive the accepting.
Stopping goes the other way round.
"""

import gc
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
import trio
from prometheus_client import CollectorRegistry

from framecast import __version__
from framecast._core import Fanout, build_info
from framecast.accounts.attempts import Attempts
from framecast.accounts.connected import Connected
from framecast.accounts.entrance import Entrance, open_entrance
from framecast.accounts.grafana.beside import GrafanaBeside, find_grafana
from framecast.accounts.tokens.verifier import TokenVerifier, find_verifier
from framecast.api.app import GateMiddleware, build_app
from framecast.api.bodies import JsonBodies
from framecast.api.collector import CoreCollector
from framecast.api.dashboards import DashboardRoutes
from framecast.api.folders import FolderRoutes
from framecast.api.forwarded import SeeThroughProxies
from framecast.api.influx import LateWrite
from framecast.api.publish import Publishing
from framecast.api.push import LatePush
from framecast.api.routing import ApiRoute
from framecast.api.search import SearchRoutes
from framecast.api.streaming import Streaming
from framecast.brokers.memory import MemoryBroker
from framecast.channels.hub import Hub
from framecast.channels.options import OptionsTable
from framecast.client.http_stream import HttpStreams
from framecast.client.inbox import waiting_budget
from framecast.client.rooms import Rooms as SubscriberRooms
from framecast.client.roster import Roster
from framecast.dashboards.archive import Archive
from framecast.dashboards.events import DashboardEvents
from framecast.dashboards.folders import Folders
from framecast.dashboards.library import Library
from framecast.dashboards.search import Search
from framecast.dashboards.watch import DashboardWatch
from framecast.door.asgi import AppRoom
from framecast.door.connection import Rooms, serve_connection
from framecast.door.listen import listening_places, open_listeners
from framecast.door.listen import serve as accept
from framecast.door.outbound import WriterEvents
from framecast.door.proxies import TrustedProxies
from framecast.ingest.http import HttpPush
from framecast.ingest.influx import InfluxWrites
from framecast.ingest.push import Intake
from framecast.ingest.websocket import PushSockets
from framecast.preflight import check_settings
from framecast.routes import SubscriberSockets, build_check, build_rooms
from framecast.scopes.last_messages import LastMessages, restore_messages
from framecast.scopes.table import ScopeTable, build_scopes
from framecast.settings import Settings
from framecast.store.broadcasts import PendingMessages
from framecast.store.columns import PendingColumns
from framecast.store.database import Database, open_database
from framecast.store.directory import hold_data_directory
from framecast.store.writer import StoreWriter
from framecast.streams.restoring import restore_streams
from framecast.streams.table import StreamTable

log = structlog.get_logger(__name__)

FIRST_START = """
This is the first start. Here is a token for whoever runs this server; nobody can show it again:

  export FRAMECAST_TOKEN={token}

With that, `framecast token create NAME --push STREAM` makes one for each program that pushes.
"""


@dataclass(frozen=True, slots=True)
class Outside:
    """Whom the server believes besides itself, and what they share with the entrance."""

    connected: Connected
    attempts: Attempts
    verifier: TokenVerifier | None
    grafana: GrafanaBeside | None


@dataclass(frozen=True, slots=True)
class House:
    """Every room of one server, built and wired; nothing runs yet."""

    outside: Outside
    entrance: Entrance
    events: WriterEvents
    broker: MemoryBroker
    hub: Hub
    watch: DashboardWatch | None
    streams: StreamTable
    columns: PendingColumns
    last_messages: LastMessages
    writers: tuple[StoreWriter, ...]
    archive: Archive
    app: AppRoom
    push_sockets: PushSockets
    rooms: Rooms
    stopping: trio.Event


async def serve(settings: Settings, *, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED) -> None:
    """Run the server until SIGINT, SIGTERM or cancellation; `started` with the HOST:PORT texts it listens on.

    ConfigurationError for settings that cannot be used: a foreign address with --dev, a data directory in use, a
    database that is damaged, a port that cannot be bound.
    """
    check_settings(settings)
    async with AsyncExitStack() as stack:
        data = stack.enter_context(hold_data_directory(Path(settings.server.data)))
        database = await stack.enter_async_context(open_database(data, settings.store))
        fanout = stack.enter_context(_fanout(settings.live.total_queue_bytes))
        outside = _find_outside(settings)
        visitors = None if outside.grafana is None else outside.grafana.visitors
        entrance = await open_entrance(
            settings, database, outside.connected, outside.attempts, verifier=outside.verifier, grafana=visitors
        )
        house = _build_house(settings, fanout, database, outside, entrance)
        await restore_streams(database, house.streams, house.columns)
        await restore_messages(database, house.last_messages)
        listeners = await open_listeners(settings.server.listen)
        for listener in listeners:  # whoever accepts closes them as well, but may never come to it
            stack.callback(listener.socket.close)
        async with trio.open_nursery() as outermost:
            background = await outermost.start(_run_background, house)
            background.shield = True  # not earlier: a start that is cancelled must end
            try:
                async with trio.open_nursery() as connections:
                    handle = partial(serve_connection, rooms=house.rooms, limits=settings.server)
                    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                        async with trio.open_nursery() as accepting:
                            await accepting.start(
                                partial(accept, listeners, handle, connections=connections, limits=settings.server)
                            )
                            _announce(listening_places(listeners), entrance.first_token, task_status)
                            log.info("stopping", signal=signal.Signals(await anext(signals)).name)
                            accepting.cancel_scope.cancel()
                    await _end_connections(house, connections, settings.server.shutdown_grace_seconds)
            finally:
                background.cancel()
    log.info("stopped")


def _find_outside(settings: Settings) -> Outside:
    connected = Connected()
    attempts = Attempts(settings.accounts)
    grafana = find_grafana(settings.grafana, connected, attempts)
    return Outside(connected, attempts, find_verifier(settings.tokens), grafana)


def _build_house(settings: Settings, fanout: Fanout, database: Database, outside: Outside, entrance: Entrance) -> House:
    gate, visitors, grafana = entrance.gate, entrance.visitors, outside.grafana
    broker = MemoryBroker()
    hub = _build_hub(settings, fanout, broker)
    columns = PendingColumns()
    streams = StreamTable(hub, settings, columns)
    messages = PendingMessages()
    last_messages = LastMessages(settings.store, messages)
    writers = (
        StoreWriter(database, columns, "columns", settings.store),
        StoreWriter(database, messages, "last messages", settings.store),
    )
    events = WriterEvents(fanout)
    stopping = trio.Event()
    events_of_dashboards = DashboardEvents(hub, max_event_bytes=settings.live.room_bytes)
    archive = Archive(database, events_of_dashboards.announce, settings.dashboards)
    library = Library(archive, settings.dashboards, time.time)
    watch = _find_watch(settings, hub, events_of_dashboards, grafana, outside.connected)
    scopes = build_scopes(hub, settings, last_messages=last_messages, dashboards=watch or library)
    subscriber_rooms = _build_subscriber_rooms(settings, hub, scopes, entrance, stopping)
    roster = Roster(settings.live, stopping)
    subscribers = SubscriberSockets(visitors, subscriber_rooms, roster, events, settings.server)
    http_streams = HttpStreams(subscriber_rooms, roster, events)
    streaming = Streaming(http_streams, visitors, settings.live, subscriber_rooms.waiting).routes()
    publishing = Publishing(scopes, settings.live, subscriber_rooms.waiting).routes()
    intake = Intake(streams, gate, settings.push)
    push, writes = HttpPush(intake), InfluxWrites(intake)
    push_sockets = PushSockets(intake, settings.server)
    outside.connected.add(roster)
    outside.connected.add(push_sockets)
    check = build_check(settings)
    proxies = TrustedProxies(settings.proxy.addresses)
    registry = CollectorRegistry()
    registry.register(CoreCollector(fanout, hub, streams))
    shown = [*streaming, *publishing]
    if grafana is None:  # else the dashboards are its own, and there is one truth about them
        shown += _dashboard_routes(settings, archive, library)
    routes = build_app(streams, registry, shown, LatePush(push).serve, LateWrite(writes).serve)
    app = AppRoom(
        SeeThroughProxies(GateMiddleware(routes, gate, check), proxies),
        settings.server,
        body_seconds=settings.push.body_seconds,
    )
    rooms = build_rooms(check, subscribers, (push.find_room, writes.find_room), push_sockets, app, proxies=proxies)
    return House(
        outside=outside,
        entrance=entrance,
        events=events,
        broker=broker,
        hub=hub,
        watch=watch,
        streams=streams,
        columns=columns,
        last_messages=last_messages,
        writers=writers,
        archive=archive,
        app=app,
        push_sockets=push_sockets,
        rooms=rooms,
        stopping=stopping,
    )


def _find_watch(
    settings: Settings, hub: Hub, events: DashboardEvents, grafana: GrafanaBeside | None, connected: Connected
) -> DashboardWatch | None:
    """What is told of the dashboards of a Grafana beside this server."""
    if grafana is None:
        return None
    return DashboardWatch(grafana.dashboards, events, hub, settings.grafana, connected=connected.identities)


def _build_hub(settings: Settings, fanout: Fanout, broker: MemoryBroker) -> Hub:
    return Hub(
        fanout,
        broker,
        max_channels=settings.live.max_channels,
        retention=settings.history,
        options=OptionsTable(settings.channels, settings.history),
        presence_bytes=settings.live.room_bytes,
    )


def _dashboard_routes(settings: Settings, archive: Archive, library: Library) -> list[ApiRoute]:
    bodies = JsonBodies(settings.api)
    folders = Folders(archive, settings.dashboards, time.time)
    return [
        *DashboardRoutes(library, bodies, settings).routes(),
        *FolderRoutes(folders, bodies, settings.api).routes(),
        *SearchRoutes(Search(archive)).routes(),
    ]


def _build_subscriber_rooms(
    settings: Settings, hub: Hub, scopes: ScopeTable, entrance: Entrance, stopping: trio.Event
) -> SubscriberRooms:
    return SubscriberRooms(
        scopes=scopes,
        options=hub.options,
        hub=hub,
        admissions=entrance.admissions,
        settings=settings.live,
        version=f"framecast {__version__}",
        waiting=waiting_budget(settings.live),
        stopping=stopping,
    )


@contextmanager
def _fanout(max_total_bytes: int) -> Iterator[Fanout]:
    fanout = Fanout(max_total_bytes=max_total_bytes)
    try:
        yield fanout
    finally:
        fanout.close()


def _announce(places: list[str], first_token: str | None, task_status: trio.TaskStatus[list[str]]) -> None:
    # What exists now lives as long as the server: full collections need not walk it.
    gc.collect()
    gc.freeze()
    for place in places:
        print(f"listening on http://{place}", flush=True)  # noqa: T201 - the one line that scripts wait for
    if first_token is not None:
        # Here and in no log, which others read and keep. Whoever reads the first line only may have closed the pipe.
        with suppress(OSError):
            print(FIRST_START.format(token=first_token), flush=True)  # noqa: T201 - see above
    log.info("listening", places=places, version=__version__, **build_info())
    task_status.started(places)


async def _run_background(house: House, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    """Run what connections stand on; `started` with the scope that ends it, to be cancelled when the last is gone.

    The caller shields it: a connection that is cancelled still waits, within its own deadlines, for the writer to let
    go of its socket, and a push that is being parsed is still published.
    """
    with trio.CancelScope() as background:
        async with trio.open_nursery() as nursery:
            for writer in house.writers:
                await nursery.start(writer.run)
            await nursery.start(house.events.run)
            await nursery.start(house.broker.run, house.hub.deliver)
            await nursery.start(house.hub.run)
            await nursery.start(house.streams.run)
            await nursery.start(house.archive.run)
            await nursery.start(house.entrance.register.run)
            if house.outside.verifier is not None:
                await nursery.start(house.outside.verifier.run)
            if house.outside.grafana is not None:
                await nursery.start(house.outside.grafana.run)
            if house.watch is not None:
                await nursery.start(house.watch.run)
            task_status.started(background)


async def _end_connections(house: House, connections: trio.Nursery, grace_seconds: float) -> None:
    """Say goodbye to everybody at once, let running pushes finish, and cancel what is left after the grace time."""
    connections.cancel_scope.deadline = trio.current_time() + grace_seconds
    house.rooms.closing.begin(grace_seconds=grace_seconds)
    house.stopping.set()
    house.push_sockets.stop()
    await house.app.terminate()
