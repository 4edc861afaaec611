"""Channels of dashboards: who is told what, and that nobody misses a change, whenever it comes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from framecast.accounts.identity import DEVELOPER, Identity, Reach, Role
from framecast.channels.address import Address, parse_address
from framecast.channels.beginning import Begin, Beginning
from framecast.channels.broker import Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.options import override
from framecast.channels.subscriptions import Delivery
from framecast.dashboards.events import DashboardEvents, Deleted, Saved, dashboard_address
from framecast.errors import Refusal
from live_world import World, live_world

BOARD = dashboard_address(1, "ab12")
EDITOR = Identity(1, "ann", Role.EDITOR)
NOTICE = {"uid": "ab12", "action": "editing-started", "sessionId": "0b0f-1"}


@dataclass
class Shelf:
    """Plays the room of dashboards: what is committed, and how long it takes to say so."""

    versions: dict[tuple[int, str], int] = field(default_factory=lambda: {(1, "ab12"): 3})
    asked: list[tuple[int, str]] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    """Those that it shows to nobody."""
    readers: set[str] = field(default_factory=set)
    """Logins that may edit nothing, whatever their role."""
    before: Callable[[], Any] | None = None
    """What happens before the version is read."""
    after: Callable[[], Any] | None = None
    """What happens between that and its being told."""

    async def version(self, identity: Identity, uid: str, *, editing: bool = False) -> int | None:
        self.asked.append((identity.org_id, uid))
        if self.before is not None:
            await self.before()
        found = self.versions.get((identity.org_id, uid))
        if uid in self.closed or (editing and identity.login in self.readers):
            raise Refusal(403, "Forbidden: not yours")
        if self.after is not None:
            await self.after()
        return found


async def prepare(
    world: World, address: Address = BOARD, data: bytes | None = None, *, identity: Identity = DEVELOPER
) -> Begin:
    return await world.scopes.find(address).subscribe(identity, address, data)


async def publish(world: World, said: Any, *, identity: Identity = EDITOR, address: Address = BOARD) -> None:
    info = ClientInfo(identity.login, "c1")
    await world.scopes.find(address).publish(identity, address, json.dumps(said).encode(), info)


def events_of(world: World) -> DashboardEvents:
    return DashboardEvents(world.hub, max_event_bytes=1 << 20)


def save(version: int) -> Saved:
    return Saved(uid="ab12", version=version, previous=version - 1, patch=b"[%d]" % version)


def told_version(beginning: Beginning) -> int | None:
    if beginning.data is None:
        return None
    told = json.loads(beginning.data)
    assert told["uid"] == "ab12"
    assert isinstance(told["version"], int)
    return told["version"]


async def test_whoever_has_the_dashboards_may_show_one_to_fewer_and_let_fewer_edit_it() -> None:
    shelf = Shelf(versions={(1, "ab12"): 3, (1, "secret"): 1}, closed={"secret"}, readers={"ann"})
    async with live_world(dashboards=shelf) as world:
        await prepare(world, identity=EDITOR)
        with pytest.raises(Refusal) as caught:
            await prepare(world, dashboard_address(1, "secret"), identity=EDITOR)
        assert caught.value.code == 403
        with pytest.raises(Refusal) as caught:
            await publish(world, NOTICE)
        assert caught.value.code == 403
        await publish(world, NOTICE, identity=Identity(1, "bob", Role.EDITOR))


@pytest.mark.parametrize("role", list(Role))
async def test_everybody_of_the_org_may_subscribe_and_begins_with_the_version(role: Role) -> None:
    async with live_world(dashboards=Shelf()) as world:
        beginning = (await prepare(world, identity=Identity(1, "x", role)))(None)
        assert (told_version(beginning), beginning.recoverable, beginning.detailed) == (3, True, False)


@pytest.mark.parametrize(
    "path", ["uid", "uid/", "uid/ab12/", "uid/ab12/x", "ab12", "gitops", "UID/ab12", "uid/other", "uid/uid/ab12"]
)
async def test_what_is_no_dashboard_is_not_found_for_good_and_leaves_nothing_behind(path: str) -> None:
    async with live_world(dashboards=Shelf()) as world:
        address = Address(1, "grafana", "dashboard", path)
        notice = {**NOTICE, "uid": path.removeprefix("uid/")}
        for attempt in (prepare(world, address), publish(world, notice, address=address)):
            with pytest.raises(Refusal, match="Not Found") as caught:
                await attempt
            assert (caught.value.code, caught.value.temporary) == (404, False)
        assert world.hub.history(address) is None


async def test_without_a_room_of_dashboards_there_are_no_such_channels() -> None:
    async with live_world() as world:
        with pytest.raises(Refusal, match="no channels grafana/dashboard/"):
            world.scopes.find(BOARD)


async def test_the_dashboard_of_another_org_is_not_asked_for() -> None:
    shelf = Shelf({(2, "ab12"): 7, (1, "ab12"): 3})
    async with live_world(dashboards=shelf) as world:
        with pytest.raises(Refusal) as caught:
            await prepare(world, dashboard_address(2, "ab12"))
        assert caught.value.code == 403
        assert shelf.asked == []


async def test_who_gives_up_while_the_version_is_read_leaves_nothing_behind() -> None:
    async with live_world(dashboards=Shelf(before=trio.sleep_forever)) as world, trio.open_nursery() as nursery:
        nursery.start_soon(prepare, world)
        await wait_all_tasks_blocked()
        assert world.hub.history(BOARD) is not None
        nursery.cancel_scope.cancel()
    assert world.hub.history(BOARD) is None


# What a subscriber gets


@pytest.mark.parametrize(
    ("data", "detailed"),
    [
        (None, False),
        (b'{"patch":true}', True),
        (b' {"patch":true,"more":[1]}', True),
        (b'{"patch":false}', False),
        (b"{}", False),
        (b"[true]", False),
        (b'"patch"', False),
    ],
)
async def test_who_asks_for_patches_gets_them(data: bytes | None, detailed: bool) -> None:
    async with live_world(dashboards=Shelf()) as world:
        assert (await prepare(world, data=data))(None).detailed is detailed
        await events_of(world).announce(1, save(4))
        missed = (await prepare(world, data=data))(Position(world.hub.history(BOARD).position.epoch, 0))  # type: ignore[union-attr] # it has begun
        [event] = [json.loads(kept.payload(detailed=missed.detailed)) for kept in missed.missed]
        assert event.get("patch") == ([4] if detailed else None)


async def test_a_wish_that_is_none_is_refused() -> None:
    async with live_world(dashboards=Shelf()) as world:
        with pytest.raises(Refusal, match=r"patch of the subscribe data must be true or false.*\$\.patch") as caught:
            await prepare(world, data=b'{"patch":1}')
        assert caught.value.code == 400


async def test_who_recovers_what_it_missed_is_told_no_version() -> None:
    async with live_world(dashboards=Shelf()) as world:
        here = (await prepare(world))(None).position
        await events_of(world).announce(1, save(4))
        beginning = (await prepare(world))(here)
        assert (beginning.recovered, beginning.data, len(beginning.missed)) == (True, None, 1)
        again = (await prepare(world))(beginning.position)
        assert (again.recovered, again.data, len(again.missed)) == (True, None, 0)


@pytest.mark.parametrize("returning", [Position("another life", 1), Position("", 0), Position("", 1)])
async def test_whose_place_is_not_known_is_told_the_version(returning: Position) -> None:
    async with live_world(dashboards=Shelf()) as world:
        await events_of(world).announce(1, save(3))
        beginning = (await prepare(world))(returning)
        assert (beginning.recovered, told_version(beginning), beginning.missed) == (False, 3, ())


@pytest.mark.parametrize(("recovery", "recoverable"), [("cache", True), ("off", False)])
async def test_where_nothing_is_recovered_the_version_is_the_state(recovery: str, recoverable: bool) -> None:
    channels = {"grafana/dashboard": {"recovery": recovery}}
    async with live_world(dashboards=Shelf(), channels=channels) as world:
        here = (await prepare(world))(None).position
        await events_of(world).announce(1, save(3))
        beginning = (await prepare(world))(here)
        assert (beginning.recovered, told_version(beginning)) == (False, 3)
        assert beginning.recoverable is recoverable
        mine = override(world.hub.options.find(BOARD), recovery=True)
        begin = await world.scopes.find(BOARD).subscribe(DEVELOPER, BOARD, None, mine)
        assert begin(here).recovered is (recovery == "off")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_save_while_the_version_is_read_is_in_the_version_or_comes_as_an_event(when: str) -> None:
    shelf = Shelf()
    async with live_world(dashboards=shelf) as world:

        async def meanwhile() -> None:
            shelf.versions[1, "ab12"] = 4
            await events_of(world).announce(1, save(4))

        setattr(shelf, when, meanwhile)
        begin = await prepare(world)
        assert told_version(begin(None)) == 4


async def test_who_comes_while_its_dashboard_is_deleted_is_sent_to_ask_again() -> None:
    shelf = Shelf()
    async with live_world(dashboards=shelf) as world:
        begin = await prepare(world)
        del shelf.versions[1, "ab12"]
        await events_of(world).announce(1, Deleted(uid="ab12"))
        with pytest.raises(Refusal) as caught:
            begin(None)
        assert (caught.value.code, caught.value.temporary) == (111, True)
        with pytest.raises(Refusal) as caught:
            await prepare(world)
        assert (caught.value.code, caught.value.temporary) == (404, False)


async def test_a_beginning_is_void_once_its_channel_has_ended() -> None:
    async with live_world(dashboards=Shelf()) as world:
        begin = await prepare(world)
        world.hub.forget(BOARD)
        await prepare(world)
        with pytest.raises(Refusal) as caught:
            begin(None)
        assert (caught.value.code, caught.value.temporary) == (111, True)


async def test_who_cannot_know_what_was_told_meanwhile_is_sent_to_ask_again() -> None:
    shelf = Shelf()
    async with live_world(dashboards=shelf, channels={"grafana/dashboard": {"history_rows": 1}}) as world:
        begin = await prepare(world)
        for version in (4, 5):
            shelf.versions[1, "ab12"] = version
            await events_of(world).announce(1, save(version))
        with pytest.raises(Refusal) as caught:
            begin(None)
        assert (caught.value.code, caught.value.temporary) == (111, True)
        assert told_version((await prepare(world))(None)) == 5


# What clients may publish


async def test_a_notice_is_written_anew_and_told_to_all_with_its_publisher() -> None:
    async with live_world(dashboards=Shelf()) as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, BOARD, "d")
        await publish(world, {**NOTICE, "timestamp": 5, "user": {"login": "root"}, "dashboard": {}})
        await publish(world, {"uid": "ab12", "action": "editing-started"}, identity=replace(EDITOR, login=""))
        first, second = subscriber.received()
        assert json.loads(first.data) == {**NOTICE, "user": {"login": "ann"}}
        assert first.info == {"user": "ann", "client": "c1"}
        assert json.loads(second.data) == {"uid": "ab12", "action": "editing-started"}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({**NOTICE, "action": "saved"}, 403),
        ({**NOTICE, "action": "editing-cancelled"}, 403),
        ({**NOTICE, "uid": "other"}, 400),
        ({"action": "editing-started"}, 400),
        ({"uid": "ab12"}, 400),
        ({**NOTICE, "sessionId": 7}, 400),
        ({**NOTICE, "sessionId": "x" * 129}, 400),
        ({**NOTICE, "uid": ["ab12"]}, 400),
        ([NOTICE], 400),
        (None, 400),
        ("editing-started", 400),
    ],
)
async def test_anything_else_is_refused_for_good_and_told_to_nobody(said: Any, code: int) -> None:
    async with live_world(dashboards=Shelf()) as world:
        with pytest.raises(Refusal) as caught:
            await publish(world, said)
        assert (caught.value.code, caught.value.temporary) == (code, False)
        assert caught.value.message.startswith(("Bad Request", "Forbidden"))
        assert world.hub.history(BOARD) is None


@pytest.mark.parametrize(
    ("identity", "allowed"),
    [
        (Identity(1, "v", Role.VIEWER), False),
        (Identity(1, "e", Role.EDITOR), True),
        (Identity(1, "a", Role.ADMIN), True),
        (Identity(2, "a", Role.ADMIN), False),
        (Identity(1, "t", Role.ADMIN, reach=Reach(read=("grafana/dashboard/*",))), False),
    ],
)
async def test_editors_may_say_that_they_edit(identity: Identity, allowed: bool) -> None:
    async with live_world(dashboards=Shelf()) as world:
        if allowed:
            await publish(world, NOTICE, identity=identity)
            return
        with pytest.raises(Refusal) as caught:
            await publish(world, NOTICE, identity=identity)
        assert caught.value.code == 403


async def test_notices_can_be_switched_off() -> None:
    async with live_world(dashboards=Shelf(), channels={"grafana/dashboard": {"publish": "nobody"}}) as world:
        with pytest.raises(Refusal, match="its option publish is nobody"):
            await publish(world, NOTICE)


# Every order of events


@dataclass
class Device:
    """Shows a dashboard as docs/dashboard-events.md tells a client to."""

    world: World
    detailed: bool
    position: Position | None = None
    shown: int = 0
    """The version it shows; 0 when it is gone."""

    def __post_init__(self) -> None:
        self.connection = self.world.subscriber()
        self.there = False

    def begin(self, begin: Begin) -> bool:
        """Whether it is subscribed now; the server may have it try again, or tell it that there is nothing."""
        try:
            beginning = begin(self.position)
        except Refusal as refusal:
            assert refusal.code == 111
            return False
        delivery = Delivery(detailed=self.detailed)
        self.world.hub.subscribe(self.connection.connection, BOARD, "d", delivery=delivery)
        self.there = True
        version = told_version(beginning)
        if version is not None and version != self.shown:
            self.shown = version  # loaded anew
        for kept in beginning.missed:
            self.hear(kept.offset, kept.payload(detailed=self.detailed))
        self.position = beginning.position
        return True

    def read(self) -> None:
        for item in self.connection.received():
            assert self.position is not None
            assert item.offset == self.position.offset + 1
            self.hear(item.offset, item.data)

    def hear(self, offset: int, data: bytes) -> None:
        event = json.loads(data)
        if event["action"] == "deleted":
            self.shown = 0
        elif event["action"] == "saved" and event["version"] > self.shown:
            assert event.get("previous") == (self.shown or None), "a change was missed"
            assert ("patch" in event) is self.detailed
            self.shown = event["version"]
        if self.position is not None:
            self.position = Position(self.position.epoch, offset)

    def lose(self) -> None:
        """The connection is cut, with what was on its way."""
        self.connection.received()
        self.world.hub.leave(self.connection.connection)
        self.there = False


steps = st.lists(
    st.one_of(
        st.sampled_from(["commit", "commit", "delete", "tell", "tell", "edit", "restart"]).map(lambda what: (what, 0)),
        st.tuples(st.sampled_from(["ask", "answer", "begin", "read", "lose"]), st.integers(0, 1)),
    ),
    max_size=60,
)


class Life:
    """A dashboard that is saved and deleted, told of a while later, and watched by two devices."""

    def __init__(self, world: World, shelf: Shelf, nursery: trio.Nursery) -> None:
        self.world = world
        self.shelf = shelf
        self.nursery = nursery
        self.untold: list[Saved | Deleted] = []
        self.last = 3
        self.devices = [Device(world, detailed) for detailed in (False, True)]
        self.gates: dict[int, trio.Event] = {}
        self.begins: dict[int, Begin | None] = {}

    @property
    def version(self) -> int | None:
        return self.shelf.versions.get((1, "ab12"))

    def commit(self) -> None:
        before = self.version
        self.last += 1
        self.shelf.versions[1, "ab12"] = self.last
        self.untold.append(Saved(uid="ab12", version=self.last, previous=before, patch=b"[]"))

    def delete(self) -> None:
        if self.shelf.versions.pop((1, "ab12"), None) is not None:
            self.untold.append(Deleted(uid="ab12"))

    async def tell(self) -> None:
        if self.untold:
            await events_of(self.world).announce(1, self.untold.pop(0))

    async def edit(self) -> None:
        if self.version is not None:
            await publish(self.world, NOTICE)

    def restart(self) -> None:
        """Of the server, as far as positions know; what it had not told, it never tells."""
        self.untold = []
        for device in self.devices:
            device.lose()
        self.world.hub.forget(BOARD)

    async def ask(self, who: int) -> None:
        """Subscribing has begun; the version is read at `answer`."""
        if self.devices[who].there or who in self.gates or who in self.begins:
            return
        gate = self.gates[who] = trio.Event()

        async def subscribe() -> None:
            try:
                self.begins[who] = await prepare(self.world)
            except Refusal as refusal:
                assert refusal.code == 404
                self.devices[who].shown = 0

        self.shelf.before = gate.wait
        self.nursery.start_soon(subscribe)
        await wait_all_tasks_blocked()
        self.shelf.before = None

    async def answer(self, who: int) -> None:
        if who in self.gates:
            self.gates.pop(who).set()
            await wait_all_tasks_blocked()

    def begin(self, who: int) -> None:
        begin = self.begins.pop(who, None)
        if begin is not None:
            self.devices[who].begin(begin)

    async def settle(self) -> None:
        """All is told, and everybody is there and has read it."""
        for who, device in enumerate(self.devices):
            await self.answer(who)
            self.begin(who)
            while self.untold:
                await self.tell()
            if not device.there:
                await self.ask(who)
                await self.answer(who)
                self.begin(who)
            if device.there:
                device.read()


@given(steps=steps, rows=st.sampled_from([1, 3, 1_000]))
async def test_every_device_shows_the_newest_version_in_the_end(steps: list[tuple[str, int]], rows: int) -> None:
    shelf = Shelf()
    channels = {"grafana/dashboard": {"history_rows": rows}}
    async with live_world(dashboards=shelf, channels=channels) as world, trio.open_nursery() as nursery:
        life = Life(world, shelf, nursery)
        for what, who in steps:
            match what:
                case "commit" | "delete" | "restart":
                    getattr(life, what)()
                case "tell" | "edit":
                    await getattr(life, what)()
                case "ask" | "answer":
                    await getattr(life, what)(who)
                case "begin":
                    life.begin(who)
                case "read":
                    life.devices[who].read()
                case "lose":
                    life.devices[who].lose()
        await life.settle()
        assert [device.shown for device in life.devices] == [life.version or 0] * 2


async def test_a_channel_as_clients_spell_it_is_a_dashboards() -> None:
    assert parse_address("grafana/dashboard/uid/ab12", 1) == BOARD
