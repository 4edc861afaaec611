"""Streams out of the store: a restart is not seen in the columns, whatever the store may hold."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from trio.testing import MockClock

from framecast.channels.broker import Position
from framecast.errors import Refusal
from framecast.settings import FrameFormat, Store, Streams
from framecast.store.columns import ColumnsChange, StoredColumns
from framecast.store.database import Database, open_database
from framecast.streams.restoring import MAX_LINES, restore_streams
from live_world import World, live_world, stream_address

FORMATS: list[FrameFormat] = ["labels_column", "wide", "series"]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path, Store()) as database:
        yield database


async def save(world: World, database: Database) -> None:
    """What the writer does."""
    while change := world.columns.take():
        await database.write(change.apply)
        world.columns.written()


async def restore(world: World, database: Database) -> list[Any]:
    """Begin as a server does; what was logged."""
    with structlog.testing.capture_logs() as events:
        await restore_streams(database, world.streams, world.columns)
    return events


async def push_and_save(database: Database, *bodies: bytes, stream: str = "s", org_id: int = 1) -> None:
    """A server's life with one stream."""
    async with live_world() as world:
        await restore(world, database)
        for body in bodies:
            await world.push(stream, body, org_id=org_id)
        await save(world, database)


async def put(database: Database, *records: StoredColumns) -> None:
    """Put rows there that no stream wrote."""
    change = ColumnsChange()
    for record in records:
        change.channels[record.stream][record.path] = record
    await database.write(change.apply)


async def channels_of(world: World, org_id: int = 1) -> dict[str, list[str]]:
    """What is listed: the columns' names by channel."""
    rows = await world.streams.list_channels(org_id)
    return {row.channel: [field["name"] for field in json.loads(row.schema)["fields"]] for row in rows}


@pytest.mark.parametrize("frame_format", FORMATS)
async def test_a_stream_goes_on_with_its_columns(database: Database, frame_format: FrameFormat) -> None:
    async with live_world() as world:
        await world.streams.push(1, "s", b'm,h=a b=1,a=t\nm,h=b c="x"\nk\\ l x=1', 0, frame_format=frame_format)
        listed = [(row.channel, row.schema) for row in await world.streams.list_channels(1)]
        await save(world, database)
    async with live_world() as world:
        events = await restore(world, database)
        assert [(event["event"], event["streams"], event["channels"]) for event in events] == [
            ("streams restored", 1, 2)
        ]
        rows = await world.streams.list_channels(1)
        assert [(row.channel, row.schema) for row in rows] == listed
        assert [row.minute_rate for row in rows] == [0, 0]
        schema = rows[1].schema
        beginning = await world.begin(stream_address("m"))
        assert (beginning.data, beginning.position.offset) == (b'{"schema":' + schema + b"}", 0)
        returning = await world.begin(stream_address("m"), Position("of another life", 7))
        assert (returning.data, returning.recovered) == (beginning.data, False)
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, stream_address("m"), "m")
        await world.push("s", b"m,h=a a=f,b=2")
        [received] = subscriber.received()
        frame = json.loads(received.data)
        assert "schema" not in frame
        leading = 2 if frame_format == "labels_column" else 1
        assert frame["data"]["values"][leading:] == [[False], [2], [None]]
        window = json.loads((await world.begin(stream_address("m"))).data or b"")
        assert window == {"schema": json.loads(schema), **frame}
        assert not world.columns.take(), "nothing is new"


async def test_the_settled_format_stays_settled(database: Database) -> None:
    async with live_world() as world:
        await world.streams.push(1, "s", b"m,h=a n=1", 0, frame_format="series")
        await save(world, database)
    async with live_world(streams=Streams(frame_format="wide")) as world:
        await restore(world, database)
        with pytest.raises(Refusal, match="'s' has frames of the format series"):
            await world.streams.push(1, "s", b"m,h=a n=1", 0, frame_format="wide")
        await world.push("s", b"m,h=a n=1\nother,h=a n=1")
        assert await channels_of(world) == {
            "stream/s/m": ["time", "n{h=a}"],
            "stream/s/other": ["time", "n{h=a}"],
        }


async def test_growth_is_kept_over_any_number_of_restarts(database: Database) -> None:
    await push_and_save(database, b"m a=1", b"m b=1")
    await push_and_save(database, b"m c=1\nn a=1")
    await push_and_save(database)
    await push_and_save(database, b"m d=1")
    async with live_world() as world:
        await restore(world, database)
        assert await channels_of(world) == {
            "stream/s/m": ["labels", "time", "a", "b", "c", "d"],
            "stream/s/n": ["labels", "time", "a"],
        }


async def test_only_a_push_that_changes_columns_has_something_to_save(database: Database) -> None:
    async with live_world() as world:
        await world.push("s", b"m a=1\nk a=1")
        await save(world, database)
        await world.push("s", b"m a=2\nbad")
        assert not world.columns.take()
        await world.push("s", b"m b=2\nk a=1")
        assert list(world.columns.take().channels[1, "s"]) == ["m"]


async def test_orgs_do_not_mix(database: Database) -> None:
    await push_and_save(database, b"m a=1")
    await push_and_save(database, b"m b=1", org_id=2)
    async with live_world() as world:
        await restore(world, database)
        assert await channels_of(world, 1) == {"stream/s/m": ["labels", "time", "a"]}
        assert await channels_of(world, 2) == {"stream/s/m": ["labels", "time", "b"]}
        assert (await world.begin(stream_address("m", org_id=3))).data is None


async def test_an_idle_stream_is_forgotten_in_the_store_too(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with live_world(streams=Streams(idle_seconds=10)) as world, trio.open_nursery() as nursery:
        world.columns.note_stored((1, "gone"))
        await world.push("gone", b"m n=1i")
        await nursery.start(world.streams.run)
        await trio.sleep(12)
        change = world.columns.take()
        assert (change.forgotten, dict(change.channels)) == ({(1, "gone")}, {})
        nursery.cancel_scope.cancel()


async def test_a_stream_that_made_room_is_forgotten_in_the_store_too(database: Database) -> None:
    await push_and_save(database, b"m n=1i", stream="old")
    now = [0.0]
    async with live_world(streams=Streams(max_streams=1, evict_seconds=60), clock=lambda: now[0]) as world:
        await restore(world, database)
        now[0] = 59  # it counts as just used
        with pytest.raises(Refusal):
            await world.push("new", b"m n=1i")
        now[0] = 61
        await world.push("new", b"m n=1i")
        assert (await world.begin(stream_address("m", stream="old"))).data is None
        await save(world, database)
    async with live_world() as world:
        await restore(world, database)
        assert list(await channels_of(world)) == ["stream/new/m"]


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Streams(max_columns=1), "more than the 1 columns of a measurement that are allowed"),
        (Streams(packet_bytes=4_096), "more than the 4096 bytes of a schema that are allowed"),
    ],
    ids=["columns", "schema"],
)
async def test_what_a_lowered_limit_refuses_is_told_once_and_begins_afresh(
    database: Database, limits: Streams, why: str
) -> None:
    await push_and_save(database, b"large a=1,%s=1" % (b"b" * 3_000), b"small a=1")
    async with live_world(streams=limits) as world:
        events = await restore(world, database)
        refused = [event for event in events if event["log_level"] == "warning"]
        assert [(event["event"], event["path"], event["why"]) for event in refused] == [
            ("columns not restored", "large", why)
        ]
        assert list(await channels_of(world)) == ["stream/s/small"]
        await world.push("s", b"large c=1")
        assert await channels_of(world) == {
            "stream/s/large": ["labels", "time", "c"],
            "stream/s/small": ["labels", "time", "a"],
        }
        await save(world, database)
    async with live_world(streams=limits) as world:
        assert [event["log_level"] for event in await restore(world, database)] == ["info"]
        assert (await channels_of(world))["stream/s/large"] == ["labels", "time", "c"]


async def test_of_more_streams_than_allowed_the_first_ones_stay(database: Database) -> None:
    for stream in ("b", "c", "a"):
        await push_and_save(database, b"m n=1\nk n=1", stream=stream)
    for _ in range(2):
        async with live_world(streams=Streams(max_streams=2)) as world:
            await restore(world, database)
            assert {name.split("/")[1] for name in await channels_of(world)} == {"b", "c"}
            await save(world, database)
    async with live_world() as world:
        await restore(world, database)
        assert world.streams.stream_count == 2


async def test_refusals_without_number_are_few_lines(database: Database) -> None:
    await push_and_save(database, b"".join(b"m%d n=1\n" % number for number in range(MAX_LINES + 51)))
    async with live_world(streams=Streams(max_measurements=1)) as world:
        events = await restore(world, database)
        assert len(events) == MAX_LINES + 2
        assert events[-2] == {
            "event": "columns of more channels not restored",
            "channels": 50,
            "log_level": "warning",
        }


TEXT = b'{"version":1,"format":"wide","measurement":"m","labels":[{}],"columns":[["f","number",0]]}'


@pytest.mark.parametrize(
    "bad",
    [
        StoredColumns(1, "a b", "m", "wide", TEXT),
        StoredColumns(1, "", "m", "wide", TEXT),
        StoredColumns(1, "bad", "m", "series", TEXT),
        StoredColumns(1, "bad", "m", "broad", TEXT),
        StoredColumns(1, "bad", "m", "wide", b""),
        StoredColumns(1, "bad", "m", "wide", TEXT[:-1]),
        StoredColumns(1, "good", "n", "wide", TEXT),
    ],
)
async def test_a_row_that_makes_no_sense_costs_itself(database: Database, bad: StoredColumns) -> None:
    await put(database, StoredColumns(1, "good", "m", "wide", TEXT), bad, StoredColumns(1, "last", "m", "wide", TEXT))
    async with live_world() as world:
        events = await restore(world, database)
        assert [event["event"] for event in events] == ["columns not restored", "streams restored"]
        assert list(await channels_of(world)) == ["stream/good/m", "stream/last/m"]
        assert world.streams.stream_count == 2
        await save(world, database)
    async with live_world() as world:
        assert [event["event"] for event in await restore(world, database)] == ["streams restored"]


async def test_a_refused_row_does_not_change_the_format(database: Database) -> None:
    good = TEXT.replace(b'"m"', b'"n"')
    await put(database, StoredColumns(1, "s", "m", "series", TEXT), StoredColumns(1, "s", "n", "wide", good))
    async with live_world() as world:
        await restore(world, database)
        assert list(await channels_of(world)) == ["stream/s/n"]
        await world.streams.push(1, "s", b"n f=1", 0, frame_format="wide")


async def test_a_store_with_nothing_in_it_is_no_event(database: Database) -> None:
    async with live_world() as world:
        assert await restore(world, database) == []
        assert world.streams.stream_count == 0
