"""What is saved in a Grafana beside this server is noticed, and told to everybody who looks at it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from framecast.accounts.identity import Identity, Role
from framecast.channels.client_info import ClientInfo
from framecast.dashboards.events import DashboardEvents, dashboard_address
from framecast.dashboards.watch import DashboardWatch
from framecast.errors import Refusal
from framecast.settings import Grafana
from live_world import Subscriber, World, live_world

BOARD = dashboard_address(1, "board")
ANN = Identity(1, "ann", Role.VIEWER, credential="a")
BOB = Identity(1, "bob", Role.VIEWER, credential="b")
WATCH_SECONDS = 10.0


@dataclass
class View:
    version: int


@dataclass
class Shelf:
    """Plays Grafana and what is remembered of it."""

    versions: dict[str, int] = field(default_factory=lambda: {"board": 4})
    remembered: dict[str, int] = field(default_factory=dict)
    """What `version` says instead, by credential."""
    refuses: dict[str, int] = field(default_factory=dict)
    """By credential: the code of each answer."""
    looked: list[str] = field(default_factory=list)

    async def version(self, identity: Identity, uid: str, *, editing: bool = False) -> int | None:
        found = await self._find(identity, uid)
        return self.remembered.get(identity.credential, found.version)

    async def look(self, identity: Identity, uid: str) -> View:
        self.looked.append(identity.credential)
        return await self._find(identity, uid)

    async def _find(self, identity: Identity, uid: str) -> View:
        await trio.sleep(0.1)
        code = self.refuses.get(identity.credential, 0)
        if code or uid not in self.versions:
            raise Refusal(code or 404, "no")
        return View(self.versions[uid])


class Wall:
    """Screens that look at a dashboard of `shelf`."""

    def __init__(self, world: World, shelf: Shelf) -> None:
        self.world = world
        self.shelf = shelf
        self.connected: list[Identity] = []
        self.watch = DashboardWatch(
            shelf,
            DashboardEvents(world.hub, max_event_bytes=1 << 20),
            world.hub,
            Grafana(watch_seconds=WATCH_SECONDS),
            connected=lambda: self.connected,
        )

    async def subscribe(self, identity: Identity) -> tuple[Subscriber, int | None]:
        """A subscriber, and the version that it is told."""
        self.connected.append(identity)
        version = await self.watch.version(identity, "board")
        subscriber = self.world.subscriber()
        self.world.hub.subscribe(
            subscriber.connection, BOARD, str(BOARD), info=ClientInfo(identity.login, identity.login)
        )
        return subscriber, version

    def heard(self, subscriber: Subscriber) -> list[Any]:
        return [json.loads(received.data) for received in subscriber.received()]


@asynccontextmanager
async def wall(shelf: Shelf) -> AsyncIterator[Wall]:
    async with live_world() as world, trio.open_nursery() as nursery:
        made = Wall(world, shelf)
        await nursery.start(made.watch.run)
        yield made
        nursery.cancel_scope.cancel()


def saved(version: int, previous: int | None) -> dict[str, Any]:
    event = {"uid": "board", "action": "saved", "rv": str(version), "version": version, "message": ""}
    return event if previous is None else event | {"previous": previous}


DELETED = {"uid": "board", "action": "deleted"}


async def test_a_save_is_told_to_all_who_look_and_once(autojump_clock: MockClock) -> None:
    async with wall(Shelf()) as made:
        (one, version), (other, _) = await made.subscribe(ANN), await made.subscribe(BOB)
        assert version == 4
        await trio.sleep(3 * WATCH_SECONDS)
        assert made.heard(one) == []
        made.shelf.versions["board"] = 7
        await trio.sleep(1.5 * WATCH_SECONDS)
        assert made.heard(one) == made.heard(other) == [saved(7, 4)]
        await trio.sleep(3 * WATCH_SECONDS)
        assert made.heard(one) == []
        assert set(made.shelf.looked) == {"b"}


async def test_what_a_new_subscriber_is_told_is_news_to_the_others(autojump_clock: MockClock) -> None:
    async with wall(Shelf()) as made:
        one, _ = await made.subscribe(ANN)
        made.shelf.versions["board"] = 5
        other, version = await made.subscribe(BOB)
        await wait_all_tasks_blocked()
        assert version == 5
        assert made.heard(one) == [saved(5, 4)]
        assert made.heard(other) == []


async def test_an_answer_that_is_remembered_takes_nobody_back(autojump_clock: MockClock) -> None:
    async with wall(Shelf()) as made:
        one, _ = await made.subscribe(ANN)
        made.shelf.versions["board"] = 5
        await trio.sleep(1.5 * WATCH_SECONDS)
        made.shelf.remembered["b"] = 4
        other, version = await made.subscribe(BOB)
        await wait_all_tasks_blocked()
        assert version == 5
        assert made.heard(one) == [saved(5, 4)]
        assert made.heard(other) == []


async def test_a_delete_is_told_and_so_is_what_is_made_in_its_place(autojump_clock: MockClock) -> None:
    async with wall(Shelf()) as made:
        one, _ = await made.subscribe(ANN)
        del made.shelf.versions["board"]
        await trio.sleep(3 * WATCH_SECONDS)
        assert made.heard(one) == [DELETED]
        made.shelf.versions["board"] = 1
        await trio.sleep(1.5 * WATCH_SECONDS)
        assert made.heard(one) == [saved(1, None)]
        made.shelf.versions["board"] = 9
        await trio.sleep(1.5 * WATCH_SECONDS)
        made.shelf.versions["board"] = 2  # deleted and made again between two looks
        await trio.sleep(1.5 * WATCH_SECONDS)
        assert made.heard(one) == [saved(9, 1), DELETED, saved(2, None)]


async def test_a_look_that_was_overtaken_says_nothing(autojump_clock: MockClock) -> None:
    async with wall(Shelf(versions={"board": 4})) as made:
        one, _ = await made.subscribe(ANN)
        made.shelf.remembered["b"] = 5  # what Grafana says to the one who asks meanwhile
        await trio.sleep(
            WATCH_SECONDS - 0.15
        )  # each answer takes 0.1 s, the first one took it, and a look begins at 10
        await made.subscribe(BOB)
        assert made.shelf.looked == ["a"]
        await trio.sleep(0.25)
        assert made.heard(one) == [saved(5, 4)]


@pytest.mark.parametrize("code", [403, 503])
async def test_a_witness_that_cannot_tell_tells_nothing(autojump_clock: MockClock, code: int) -> None:
    async with wall(Shelf()) as made:
        one, _ = await made.subscribe(ANN)
        await made.subscribe(BOB)
        made.shelf.refuses["b"] = code
        made.shelf.versions["board"] = 5
        await trio.sleep(1.5 * WATCH_SECONDS)
        assert made.heard(one) == []
        made.shelf.refuses.clear()
        await trio.sleep(WATCH_SECONDS)
        assert made.heard(one) == [saved(5, 4)]
        assert made.shelf.looked == ["b", "a" if code == 403 else "b"]


async def test_grafana_is_asked_as_nobody_who_left(autojump_clock: MockClock) -> None:
    async with wall(Shelf()) as made:
        await made.subscribe(ANN)
        await made.subscribe(BOB)
        made.connected[:] = [ANN, Identity(2, "bob", Role.VIEWER, credential="b")]  # he is in another org now
        await trio.sleep(1.5 * WATCH_SECONDS)
        assert made.shelf.looked == ["a"]
        made.connected.clear()
        await trio.sleep(3 * WATCH_SECONDS)
        assert made.shelf.looked == ["a"]


async def test_a_dashboard_that_nobody_looks_at_is_looked_at_no_more(autojump_clock: MockClock) -> None:
    async with wall(Shelf()) as made:
        one, _ = await made.subscribe(ANN)
        await trio.sleep(2.5 * WATCH_SECONDS)
        made.world.hub.leave(one.connection)
        await trio.sleep(10 * WATCH_SECONDS)
        assert made.shelf.looked == ["a"] * 2
        assert made.watch._watched == {}


async def test_who_only_asks_whether_it_may_edit_is_no_subscriber(autojump_clock: MockClock) -> None:
    async with wall(Shelf()) as made:
        assert await made.watch.version(ANN, "board", editing=True) == 4
        assert made.watch._watched == {}


async def test_what_is_watched_is_bounded(autojump_clock: MockClock) -> None:
    versions = {f"u{number}": 1 for number in range(20)}
    async with live_world() as world:
        events = DashboardEvents(world.hub, max_event_bytes=1 << 20)
        settings = Grafana(max_dashboards=3)
        watch = DashboardWatch(Shelf(versions=versions), events, world.hub, settings, connected=list)
        for uid in versions:
            assert await watch.version(ANN, uid) == 1
        assert len(watch._watched) == 3
        for number in range(50):
            await watch.version(Identity(1, "x", Role.VIEWER, credential=f"c{number}"), "u0")
        assert len(watch._watched[1, "u0"].witnesses) == 16
