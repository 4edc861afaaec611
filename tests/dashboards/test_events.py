"""What is told of dashboards: both of Grafana's shapes in one event, and never anything that subscribers cannot get."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import structlog
import trio
from hypothesis import given
from hypothesis import strategies as st

from framecast.brokers.memory import MemoryBroker
from framecast.channels.broker import Draft
from framecast.channels.history import ALL
from framecast.channels.hub import Hub
from framecast.channels.subscriptions import Delivery
from framecast.dashboards.events import (
    DashboardEvents,
    Deleted,
    Saved,
    dashboard_address,
    editing_started,
    version_after,
)
from framecast.errors import Refusal
from framecast.protocol.codes import UnsubscribeCode
from framecast.settings import History
from live_world import World, live_world

BOARD = dashboard_address(1, "ab12")
PATCH = b'[{"op":"replace","path":"/title","value":"B"}]'


async def told(world: World, *changes: Saved | Deleted, org_id: int = 1, max_event_bytes: int = 1 << 20) -> Any:
    """What subscribers of the plain and the detailed form get of changes."""
    plain, full = world.subscriber(), world.subscriber()
    address = dashboard_address(org_id, changes[0].uid)
    world.hub.subscribe(plain.connection, address, "d")
    world.hub.subscribe(full.connection, address, "d", delivery=Delivery(detailed=True))
    events = DashboardEvents(world.hub, max_event_bytes=max_event_bytes)
    for change in changes:
        await events.announce(org_id, change)
    return [[json.loads(item.data) for item in one.received()] for one in (plain, full)]


async def test_a_save_is_told_with_the_keys_of_both_shapes_and_to_some_with_the_patch() -> None:
    async with live_world() as world:
        saved = Saved(uid="ab12", version=17, previous=16, message='all "red"\n', login="ann", patch=PATCH)
        plain, full = await told(world, saved)
        event = {
            "uid": "ab12",
            "action": "saved",
            "rv": "17",
            "version": 17,
            "previous": 16,
            "message": 'all "red"\n',
            "user": {"login": "ann"},
        }
        assert plain == [event]
        assert full == [event | {"patch": [{"op": "replace", "path": "/title", "value": "B"}]}]


async def test_what_is_not_known_is_left_out() -> None:
    async with live_world() as world:
        plain, full = await told(
            world, Saved(uid="ab12", version=1), Deleted(uid="ab12"), Deleted(uid="ab12", login="b")
        )
        assert plain == full
        assert plain == [
            {"uid": "ab12", "action": "saved", "rv": "1", "version": 1, "message": ""},
            {"uid": "ab12", "action": "deleted"},
            {"uid": "ab12", "action": "deleted", "user": {"login": "b"}},
        ]


async def test_an_event_too_large_for_subscribers_goes_without_its_patch() -> None:
    async with live_world() as world:
        saved = Saved(uid="ab12", version=2, previous=1, patch=PATCH)
        _, [event] = await told(world, saved)
        largest = len(json.dumps(event, separators=(",", ":")))
        for max_event_bytes, fits in ((largest, True), (largest - 1, False)):
            _, [event] = await told(world, saved, max_event_bytes=max_event_bytes)
            assert ("patch" in event) is fits


async def test_orgs_are_told_of_their_own_dashboards_only() -> None:
    async with live_world() as world:
        ours = world.subscriber()
        world.hub.subscribe(ours.connection, BOARD, "d")
        plain, _ = await told(world, Saved(uid="ab12", version=1), org_id=2)
        assert len(plain) == 1
        assert ours.received() == []


async def test_events_are_kept_for_those_who_are_away() -> None:
    async with live_world() as world:
        await told(world, Saved(uid="ab12", version=2, previous=1, patch=PATCH), Deleted(uid="ab12"))
        _, page = await world.hub.page(BOARD, since=None, limit=ALL, reverse=False)
        assert ["patch" in json.loads(kept.payload(detailed=True)) for kept in page] == [True, False]
        assert [json.loads(kept.data)["action"] for kept in page] == ["saved", "deleted"]


class RefusingBroker(MemoryBroker):
    """Plays one that has lost its server."""

    refusing = False

    async def publish(self, drafts: Sequence[Draft]) -> Sequence[int]:
        if self.refusing:
            raise Refusal(503, "no Redis")
        return await super().publish(drafts)


async def test_where_a_change_cannot_be_told_everybody_is_sent_to_ask_for_the_version() -> None:
    async with live_world() as world, trio.open_nursery() as nursery:
        broker = RefusingBroker()
        hub = Hub(world.fanout, broker, max_channels=10, retention=History())
        await nursery.start(broker.run, hub.deliver)
        ends: list[UnsubscribeCode] = []
        subscriber = world.subscriber()
        hub.watch(subscriber.connection, lambda _, code: ends.append(code))
        hub.subscribe(subscriber.connection, BOARD, "d")
        events = DashboardEvents(hub, max_event_bytes=1_000)
        await events.announce(1, Saved(uid="ab12", version=1))
        before = await hub.open(BOARD)
        broker.refusing = True
        with structlog.testing.capture_logs() as logs:
            await events.announce(1, Saved(uid="ab12", version=2, previous=1))
        assert [(one["event"], one["channel"]) for one in logs] == [("dashboard change not told", str(BOARD))]
        assert ends == [UnsubscribeCode.INSUFFICIENT_STATE]
        assert (await hub.open(BOARD)).position.epoch != before.position.epoch
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("session_id", "login", "expected"),
    [
        ("s1", "ann", {"sessionId": "s1", "user": {"login": "ann"}}),
        (None, "", {}),
    ],
)
def test_who_edits_is_told_as_far_as_it_is_known(session_id: str | None, login: str, expected: dict[str, Any]) -> None:
    event = json.loads(editing_started("ab12", session_id=session_id, login=login))
    assert event == {"uid": "ab12", "action": "editing-started", **expected}


def saved(version: int) -> bytes:
    return json.dumps({"uid": "a", "action": "saved", "version": version}).encode()


DELETED = b'{"uid":"a","action":"deleted"}'
EDITING = editing_started("a", session_id=None, login="")


@pytest.mark.parametrize(
    ("read", "events", "expected"),
    [
        (3, [], 3),
        (3, [saved(4), EDITING, saved(5)], 5),
        # The store was asked when both had taken place already.
        (5, [saved(4), saved(5)], 5),
        (3, [DELETED], None),
        (3, [saved(4), DELETED, saved(1)], 1),
        (None, [saved(1)], 1),
    ],
)
def test_what_was_told_meanwhile_counts(read: int | None, events: list[bytes], expected: int | None) -> None:
    assert version_after(read, events) == expected


@given(count=st.integers(1, 20), told_before=st.integers(0, 20), read_at=st.integers(0, 20))
def test_whenever_the_store_is_asked_the_version_is_that_of_the_last_change_told_or_newer(
    count: int, told_before: int, read_at: int
) -> None:
    since = min(told_before, count)
    read = min(max(read_at, since), count)
    events = [saved(version) for version in range(since + 1, count + 1)]
    for end in range(len(events) + 1):
        assert version_after(read, events[:end]) == max(read, since + end)
