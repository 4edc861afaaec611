"""Every room of one server, built and wired: the one place that knows which implementation plays which role.

Nothing runs in here, and nothing is opened.
"""

import time
from dataclasses import dataclass

import structlog
import trio
from prometheus_client import CollectorRegistry

from framecast import __version__
from framecast._core import Fanout
from framecast.accounts.attempts import Attempts
from framecast.accounts.connected import Connected
from framecast.accounts.entrance import Entrance
from framecast.accounts.grafana.beside import GrafanaBeside, find_grafana
from framecast.accounts.tokens.verifier import TokenVerifier, find_verifier
from framecast.api.accounts.table import build_routes as account_routes
from framecast.api.app import App, Check, GateMiddleware, build_app
from framecast.api.bodies import JsonBodies
from framecast.api.collector import CoreCollector
from framecast.api.dashboards import DashboardRoutes
from framecast.api.datasource_health import HealthRoutes
from framecast.api.datasources import DataSourceRoutes
from framecast.api.folders import FolderRoutes
from framecast.api.forwarded import SeeThroughProxies
from framecast.api.influx import LateWrite
from framecast.api.publish import Publishing
from framecast.api.push import LatePush
from framecast.api.queries import QueryRoutes
from framecast.api.routing import ApiRoute
from framecast.api.search import SearchRoutes
from framecast.api.security_headers import SecurityHeaders
from framecast.api.streaming import Streaming
from framecast.brokers.memory import MemoryBroker
from framecast.channels.hub import Hub
from framecast.channels.lifetime import Lifetimes
from framecast.channels.options import OptionsTable
from framecast.channels.outsiders import Outsiders
from framecast.client.http_stream import HttpStreams
from framecast.client.inbox import waiting_budget
from framecast.client.rooms import Rooms as SubscriberRooms
from framecast.client.roster import Roster
from framecast.client.schedule import Schedule
from framecast.dashboards.archive import Archive
from framecast.dashboards.events import DashboardEvents
from framecast.dashboards.folders import Folders
from framecast.dashboards.library import Library
from framecast.dashboards.search import Search
from framecast.dashboards.watch import DashboardWatch
from framecast.datasources.registry import Registry
from framecast.door.asgi import AppRoom
from framecast.door.connection import Rooms
from framecast.door.outbound import WriterEvents
from framecast.door.proxies import TrustedProxies
from framecast.ingest.http import HttpPush
from framecast.ingest.influx import InfluxWrites
from framecast.ingest.push import Intake
from framecast.ingest.websocket import PushSockets
from framecast.plugins.asking import Asking
from framecast.plugins.grafana import add_backends
from framecast.plugins.health import HealthChecks
from framecast.plugins.host.host import PluginHost
from framecast.plugins.instances import Instances
from framecast.plugins.querying import Querying
from framecast.plugins.table import find_plugins
from framecast.plugins.testdata import PLUGIN_ID, WALKS, walk_frame
from framecast.queries.calls import QueryCalls
from framecast.queries.desk import QueryDesk
from framecast.routes import SubscriberSockets, build_check, build_rooms
from framecast.scopes.changes import DataSourceChanges
from framecast.scopes.dashboard import DashboardRules
from framecast.scopes.last_messages import LastMessages
from framecast.scopes.plugin import PluginScope
from framecast.scopes.table import ScopeTable, build_scopes
from framecast.settings import Settings
from framecast.store.broadcasts import PendingMessages
from framecast.store.columns import PendingColumns
from framecast.store.database import Database
from framecast.store.sealing import KeyRing
from framecast.store.writer import StoreWriter
from framecast.streams.table import ListedChannel, StreamTable

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outside:
    """Whom the server believes besides itself, and what they share with the entrance."""

    connected: Connected
    attempts: Attempts
    verifier: TokenVerifier | None
    grafana: GrafanaBeside | None


@dataclass(frozen=True, slots=True)
class Ground:
    """What is open before there are rooms, and stays open until they are gone."""

    fanout: Fanout
    database: Database
    ring: KeyRing
    outside: Outside
    entrance: Entrance
    outsiders: Outsiders
    plugin_host: PluginHost


@dataclass(frozen=True, slots=True)
class Kept:
    """What is written behind everybody's back, and what writes it."""

    columns: PendingColumns
    last_messages: LastMessages
    writers: tuple[StoreWriter, ...]


@dataclass(frozen=True, slots=True)
class Dashboards:
    """The server's own dashboards, or those of a Grafana beside it: there is one truth about them."""

    archive: Archive
    rules: DashboardRules
    watch: DashboardWatch | None
    """What is told of the Grafana's."""
    routes: list[ApiRoute]


@dataclass(frozen=True, slots=True)
class Plugins:
    """Streams that run while somebody is subscribed, and what answers queries."""

    host: PluginHost
    """Those that are processes of their own."""
    instances: Instances
    asking: Asking
    lifetimes: Lifetimes
    scope: PluginScope
    desk: QueryDesk


@dataclass(frozen=True, slots=True)
class House:
    """Every room of one server, built and wired; nothing runs yet."""

    outside: Outside
    entrance: Entrance
    events: WriterEvents
    broker: MemoryBroker
    hub: Hub
    streams: StreamTable
    kept: Kept
    dashboards: Dashboards
    plugins: Plugins
    api: App
    """What is behind `app`."""
    datasources: Registry
    app: AppRoom
    push_sockets: PushSockets
    subscribers: SubscriberSockets
    rooms: Rooms


def find_outside(settings: Settings) -> Outside:
    """Whom the settings name. ConfigurationError for keys and addresses that cannot be used."""
    connected = Connected()
    attempts = Attempts(settings.accounts)
    grafana = find_grafana(settings.grafana, connected, attempts)
    return Outside(connected, attempts, find_verifier(settings.tokens), grafana)


def build_house(settings: Settings, ground: Ground) -> House:
    """Build every room over what is open already. ConfigurationError for settings that cannot be used."""
    fanout, database, outside, entrance = ground.fanout, ground.database, ground.outside, ground.entrance
    broker = MemoryBroker()
    hub, kept = _build_hub(settings, fanout, broker), _build_kept(settings, database)
    streams = StreamTable(hub, settings, kept.columns)
    bodies = JsonBodies(settings.api)
    dashboards = _build_dashboards(settings, hub, database, outside, bodies)
    datasources = Registry(database, ground.ring, settings.datasources, time.time)
    plugins = _build_plugins(settings, hub, ground, datasources)
    scopes = build_scopes(
        hub, settings, last_messages=kept.last_messages, dashboards=dashboards.rules, plugins=plugins.scope
    )
    events = WriterEvents(fanout)
    stopping = trio.Event()
    subscriber_rooms = _build_subscriber_rooms(settings, scopes, entrance, stopping, hub=hub, desk=plugins.desk)
    roster = Roster(settings.live, stopping)
    openers = entrance.rates.counting_known(entrance.visitors)
    subscribers = SubscriberSockets(openers, subscriber_rooms, roster, events, settings.server)
    http_streams = HttpStreams(subscriber_rooms, roster, events)
    intake, denials = _build_intake(settings, streams, entrance), entrance.denials
    push, writes = HttpPush(intake), InfluxWrites(intake)
    push_sockets = PushSockets(intake, settings.server)
    outside.connected.add(roster)
    outside.connected.add(push_sockets)
    check, proxies = build_check(settings), TrustedProxies(settings.proxy.addresses)
    routes = [
        *Streaming(http_streams, entrance.visitors, settings.live, subscriber_rooms.waiting, openers=openers).routes(),
        *Publishing(scopes, settings.live, subscriber_rooms.waiting).routes(),
        *dashboards.routes,
        *account_routes(entrance, bodies, settings),
        *_datasource_routes(datasources, bodies, settings, plugins),
    ]
    late = (LatePush(push).serve, LateWrite(writes).serve)
    registry, listed = _build_registry(fanout, hub, streams), _list_testdata(settings)
    api = build_app(streams, registry, routes, *late, listed=listed, denials=denials)
    app = _build_app_room(api, settings, entrance, check, proxies)
    rooms = build_rooms(check, subscribers, (push.find_room, writes.find_room), push_sockets, app, proxies=proxies)
    return House(
        outside=outside,
        entrance=entrance,
        events=events,
        broker=broker,
        hub=hub,
        streams=streams,
        kept=kept,
        dashboards=dashboards,
        plugins=plugins,
        api=api,
        datasources=datasources,
        app=app,
        push_sockets=push_sockets,
        subscribers=subscribers,
        rooms=rooms,
    )


def _build_intake(settings: Settings, streams: StreamTable, entrance: Entrance) -> Intake:
    directory = entrance.register.directory
    return Intake(
        streams,
        entrance.gate,
        settings.push,
        directory.stands,
        unchanged=directory.is_unchanged,
        rates=entrance.rates,
        denials=entrance.denials,
    )


def _build_app_room(api: App, settings: Settings, entrance: Entrance, check: Check, proxies: TrustedProxies) -> AppRoom:
    """What stands in front of the routes, from the outside in."""
    counted = GateMiddleware(api, entrance.rates.counting(entrance.gate), check, entrance.register.directory.stands)
    seen = SecurityHeaders(SeeThroughProxies(counted, proxies), settings.server)
    return AppRoom(seen, settings.server, body_seconds=settings.push.body_seconds)


def _build_registry(fanout: Fanout, hub: Hub, streams: StreamTable) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(CoreCollector(fanout, hub, streams))
    return registry


def _build_hub(settings: Settings, fanout: Fanout, broker: MemoryBroker) -> Hub:
    return Hub(
        fanout,
        broker,
        max_channels=settings.live.max_channels,
        retention=settings.history,
        options=OptionsTable(settings.channels, settings.history),
        presence_bytes=settings.live.room_bytes,
    )


def _build_kept(settings: Settings, database: Database) -> Kept:
    columns, messages = PendingColumns(), PendingMessages()
    writers = (
        StoreWriter(database, columns, "columns", settings.store),
        StoreWriter(database, messages, "last messages", settings.store),
    )
    return Kept(columns, LastMessages(settings.store, messages), writers)


def _build_dashboards(
    settings: Settings, hub: Hub, database: Database, outside: Outside, bodies: JsonBodies
) -> Dashboards:
    events = DashboardEvents(hub, max_event_bytes=settings.live.room_bytes)
    archive = Archive(database, events.announce, settings.dashboards)
    library = Library(archive, settings.dashboards, time.time)
    grafana = outside.grafana
    if grafana is not None:
        seen = outside.connected.identities
        watch = DashboardWatch(grafana.dashboards, events, hub, settings.grafana, connected=seen)
        return Dashboards(archive, watch, watch, [])
    folders = Folders(archive, settings.dashboards, time.time)
    routes = [
        *DashboardRoutes(library, bodies, settings).routes(),
        *FolderRoutes(folders, bodies, settings.api).routes(),
        *SearchRoutes(Search(archive)).routes(),
    ]
    return Dashboards(archive, library, None, routes)


def _build_plugins(settings: Settings, hub: Hub, ground: Ground, datasources: Registry) -> Plugins:
    table, host = find_plugins(settings.plugins), ground.plugin_host
    for problem in add_backends(table, host):
        log.warning("plugin not loaded", problem=problem)
    for one in table.known.values():
        if one.instead_of:
            log.info(
                "a plugin stands instead of another", plugin=one.plugin_id, origin=one.origin, other=one.instead_of
            )
    lifetimes = Lifetimes(hub, ground.outsiders, settings.sources)
    asking = Asking(ground.outsiders, settings.sources)
    instances = Instances(table, datasources)
    datasources.announce = DataSourceChanges(instances, lifetimes).take
    scope = PluginScope(hub, lifetimes, asking, instances.of_channel, settings)
    desk = QueryDesk(instances, datasources, Querying(asking, settings.queries), settings.queries, time.time)
    return Plugins(host, instances, asking, lifetimes, scope, desk)


def _datasource_routes(
    datasources: Registry, bodies: JsonBodies, settings: Settings, plugins: Plugins
) -> list[ApiRoute]:
    """None beside a Grafana: its data sources are not known here, and an empty list would say that it has none."""
    if settings.grafana.url:
        return []
    return [
        *DataSourceRoutes(datasources, bodies, settings.datasources).routes(),
        *HealthRoutes(datasources, HealthChecks(plugins.instances, plugins.asking)).routes(),
        *QueryRoutes(plugins.desk, bodies, settings.queries).routes(),
    ]


def _list_testdata(settings: Settings) -> list[ListedChannel]:
    """The rows that Grafana's list always ends with, all with one schema."""
    schema = walk_frame([]).schema
    rows = [ListedChannel(f"plugin/{PLUGIN_ID}/{path}", walk.minute_rate, schema) for path, walk in WALKS.items()]
    return rows if settings.plugins.testdata else []


def _build_subscriber_rooms(
    settings: Settings,
    scopes: ScopeTable,
    entrance: Entrance,
    stopping: trio.Event,
    *,
    hub: Hub,
    desk: QueryDesk,
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
        rates=entrance.rates,
        denials=entrance.denials,
        schedule=Schedule(),
        methods=QueryCalls(desk, nesting=settings.api.nesting).methods(),
    )
