"""All managed streams: begun within limits, shared by those who push to them, listed."""

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from framecast._core import PushResult
from framecast.channels.address import Address
from framecast.errors import Refusal
from framecast.settings import Push, Streams
from framecast.streams.managed import SLICE_PAUSE_SECONDS
from live_world import World, live_world, stream_address

LARGE = Push(thread_body_bytes=1_000)
"""Makes a test's larger bodies go through a worker thread."""


def body(number: int, *, large: bool) -> bytes:
    return b"m n=%di\n" % number + (b"\n" * 2_000 if large else b"")


def numbers(data: bytes) -> list[Any]:
    """The values of the first field."""
    values = json.loads(data)["data"]["values"]
    return list(values[2])


async def test_small_pushes_wait_behind_a_large_one_that_is_parsed_in_a_thread() -> None:
    async with live_world(push=LARGE) as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, stream_address("m"), "m")
        async with trio.open_nursery() as nursery:
            for number in range(30):
                await nursery.start(begin_push, world, body(number, large=number % 10 == 0))
        assert [numbers(item.data) for item in subscriber.received()] == [[number] for number in range(30)]


@pytest.mark.parametrize("large", [False, True])
async def test_the_precision_reaches_the_parser(large: bool) -> None:
    async with live_world(push=LARGE) as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, stream_address("m"), "m")
        pushed = b"m n=1i 1700000000\n" + b"\n" * 2_000 * large
        for precision in ("s", "auto"):
            assert (await world.streams.push(1, "s", pushed, 0, precision=precision)).accepted == 1
        times = [json.loads(item.data)["data"]["values"][1] for item in subscriber.received()]
        assert times == [[1_700_000_000_000]] * 2


async def begin_push(world: World, data: bytes, *, task_status: trio.TaskStatus[None]) -> None:
    """Take a place in the stream's queue before the caller goes on: nothing here waits before the stream does."""
    task_status.started()
    await world.push("s", data)


async def test_a_large_push_holds_up_its_own_stream_only(monkeypatch: pytest.MonkeyPatch) -> None:
    release = trio.Event()

    async def run_later(parse: Any, *arguments: Any, limiter: trio.CapacityLimiter) -> Any:
        await release.wait()
        return parse(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_later)
    async with live_world(push=LARGE) as world, trio.open_nursery() as nursery:
        await nursery.start(begin_push, world, body(1, large=True))
        await trio.testing.wait_all_tasks_blocked()
        await world.push("other", b"m n=1i")
        assert [row.channel for row in await world.streams.list_channels(1)] == ["stream/other/m"]
        release.set()


async def test_concurrent_first_pushes_share_the_new_stream() -> None:
    async with live_world(push=LARGE) as world:
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(world.push, "s", body(number, large=number % 2 == 0))
        assert world.streams.stream_count == 1
        # Had each begun a parser of its own, the schema would have been sent more than once.
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, stream_address("m"), "m")
        await world.push("s", b"m n=1i")
        assert b"schema" not in subscriber.received()[0].data


@pytest.mark.parametrize(
    "data", [b"", b"\n\n# nothing\n", b"bad\n", b"bad\n" * 1_000], ids=["empty", "blank", "one", "many"]
)
async def test_a_body_without_one_good_line_leaves_no_stream(data: bytes) -> None:
    async with live_world(push=LARGE) as world:
        assert await world.push("s", data) == 0
        assert world.streams.stream_count == 0
        assert await world.streams.list_channels(1) == []


async def test_a_stream_that_exists_survives_a_bad_body() -> None:
    async with live_world() as world:
        await world.push("s", b"m n=1i")
        await world.push("s", b"bad")
        assert world.streams.stream_count == 1


async def test_a_bad_body_does_not_take_the_stream_from_a_good_one_behind_it() -> None:
    async with live_world(push=LARGE) as world:
        async with trio.open_nursery() as nursery:
            await nursery.start(begin_push, world, b"bad\n" * 1_000)
            await nursery.start(begin_push, world, body(1, large=False))
        assert [row.channel for row in await world.streams.list_channels(1)] == ["stream/s/m"]


async def test_a_cancelled_push_leaves_no_stream() -> None:
    async with live_world(push=LARGE) as world:
        with trio.CancelScope() as scope:
            scope.cancel()
            await world.push("s", body(1, large=True))
        assert scope.cancelled_caught
        assert world.streams.stream_count == 0
        assert await world.push("s", b"m n=1i") == 1


async def test_one_stream_too_many_is_refused_until_there_is_room() -> None:
    async with live_world(streams=Streams(max_streams=2)) as world:
        await world.push("a", b"m n=1i")
        await world.push("b", b"bad")
        await world.push("b", b"m n=1i")
        for org_id in (1, 2):
            with pytest.raises(Refusal, match=r"streams\.max_streams = 2") as caught:
                await world.push("c", b"m n=1i", org_id=org_id)
            assert (caught.value.code, caught.value.temporary) == (429, True)
        assert await world.push("a", b"m n=2i") == 1
        assert world.streams.stream_count == 2


@pytest.mark.parametrize("stream_id", ["", "a/b", "a b", "ü", "a" * 200, "a\n"])
async def test_an_id_that_cannot_be_in_a_channel_is_refused(stream_id: str) -> None:
    async with live_world() as world:
        with pytest.raises(Refusal) as caught:
            await world.push(stream_id, b"m n=1i")
        assert caught.value.code == 400
        assert world.streams.stream_count == 0


async def test_equal_ids_of_two_orgs_are_two_streams() -> None:
    async with live_world() as world:
        await world.push("s", b"m n=1i")
        await world.push("s", b"other n=1i", org_id=2)
        assert [row.channel for row in await world.streams.list_channels(1)] == ["stream/s/m"]
        assert [row.channel for row in await world.streams.list_channels(2)] == ["stream/s/other"]
        assert await world.streams.list_channels(3) == []


async def test_the_list_is_sorted_and_shows_schema_and_rate_of_the_last_minute() -> None:
    now = [1_000.0]
    async with live_world(clock=lambda: now[0]) as world:
        await world.push("z", b"m n=1i")
        await world.push("a", b"m n=1i\nk x=1\nm n=2i")
        now[0] += 30
        await world.push("a", b"m n=3i,more=1")
        rows = await world.streams.list_channels(1)
        assert [(row.channel, row.minute_rate) for row in rows] == [
            ("stream/a/k", 1),
            ("stream/a/m", 2),
            ("stream/z/m", 1),
        ]
        assert [column["name"] for column in json.loads(rows[1].schema)["fields"]] == ["labels", "time", "n", "more"]
        now[0] += 30
        assert [row.minute_rate for row in await world.streams.list_channels(1)] == [0, 1, 0]
        now[0] += 30
        assert [row.minute_rate for row in await world.streams.list_channels(1)] == [0, 0, 0]


async def test_a_failing_broker_fails_the_push_and_the_stream_goes_on() -> None:
    async with live_world() as world:
        await world.push("s", b"m n=1i")
        deliver, world.broker._deliver = world.broker._deliver, None
        with pytest.raises(RuntimeError):
            await world.push("s", b"m n=2i")
        world.broker._deliver = deliver
        result: PushResult = await world.streams.push(1, "s", b"m n=3i", 0)
        assert result.accepted == 1
        history = world.hub.history(stream_address("m"))
        assert history is not None
        assert numbers(history.after(0)[-1].data) == [3]


async def test_the_longest_idle_stream_makes_room_unless_it_is_watched() -> None:
    now = [0.0]
    limits = Streams(max_streams=2, evict_seconds=60)
    async with live_world(streams=limits, clock=lambda: now[0]) as world:
        await world.push("watched", b"m n=1i")
        watcher = world.subscriber()
        world.hub.subscribe(watcher.connection, stream_address("m", stream="watched"), "m")
        now[0] = 10
        await world.push("idle", b"m n=1i")
        now[0] = 69
        with pytest.raises(Refusal):
            await world.push("new", b"m n=1i")
        now[0] = 70
        assert await world.push("new", b"m n=1i") == 1
        assert [row.channel for row in await world.streams.list_channels(1)] == ["stream/new/m", "stream/watched/m"]
        assert world.hub.history(stream_address("m", stream="idle")) is None


async def test_streams_make_room_in_the_order_in_which_they_were_last_pushed_to() -> None:
    now = [0.0]
    async with live_world(streams=Streams(max_streams=3, evict_seconds=60), clock=lambda: now[0]) as world:
        for stream_id, data in (("a", b"m n=1i"), ("b", b"m n=1i"), ("c", b"m n=1i"), ("a", b"m n=1i"), ("b", b"bad")):
            now[0] += 1
            await world.push(stream_id, data)
        now[0] = 100
        for stream_id, left in (("x", "abx"), ("y", "bxy"), ("z", "xyz")):
            await world.push(stream_id, b"m n=1i")
            assert "".join(stream.stream_id for stream in world.streams.list_streams(1)) == left


async def test_a_refused_stream_costs_no_look_at_those_that_are_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    async with live_world(streams=Streams(max_streams=20, evict_seconds=60), clock=lambda: now[0]) as world:
        for number in range(20):
            await world.push(f"s{number}", b"m n=1i")
            now[0] = 1
        asked: list[str] = []
        count = world.hub.subscriber_count

        def count_and_note(address: Address) -> int:
            asked.append(address.namespace)
            return count(address)

        monkeypatch.setattr(world.hub, "subscriber_count", count_and_note)
        for moment, looked_at in ((59, []), (60, ["s0"])):
            now[0] = moment
            watcher = world.subscriber()
            world.hub.subscribe(watcher.connection, stream_address("m", stream="s0"), "m")
            with pytest.raises(Refusal) as caught:
                await world.push("new", b"m n=1i")
            assert (caught.value.code, asked) == (429, looked_at)


async def test_a_stream_that_nobody_uses_is_forgotten_in_time(autojump_clock: MockClock) -> None:
    async with live_world(streams=Streams(idle_seconds=10)) as world, trio.open_nursery() as nursery:
        await nursery.start(world.streams.run)
        await world.push("gone", b"m n=1i")
        await world.push("watched", b"m n=1i")
        watcher = world.subscriber()
        world.hub.subscribe(watcher.connection, stream_address("m", stream="watched"), "m")
        await trio.sleep(9.5)
        await world.push("pushed", b"m n=1i")
        assert world.streams.stream_count == 3
        await trio.sleep(2)
        assert [row.channel for row in await world.streams.list_channels(1)] == ["stream/pushed/m", "stream/watched/m"]
        assert world.hub.history(stream_address("m", stream="gone")) is None
        nursery.cancel_scope.cancel()


async def test_a_forgotten_stream_begins_anew_with_its_schema() -> None:
    now = [0.0]
    async with live_world(streams=Streams(max_streams=1, evict_seconds=1), clock=lambda: now[0]) as world:
        await world.push("a", b"m n=1i,old=1")
        now[0] = 2
        await world.push("b", b"m n=1i")
        now[0] = 4
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, stream_address("m", stream="a"), "m")
        await world.push("a", b"m n=2i")
        schema = json.loads(subscriber.received()[0].data)["schema"]
        assert [column["name"] for column in schema["fields"]] == ["labels", "time", "n"]


async def test_a_large_push_reaches_its_subscribers_in_slices(autojump_clock: MockClock) -> None:
    async with live_world(streams=Streams(packet_bytes=2_000)) as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, stream_address("m"), "m")
        lines = b"".join(b"m n=%di %d\n" % (number, number) for number in range(2_000))
        started = trio.current_time()
        assert await world.push("s", lines) == 2_000
        received = subscriber.received()
        assert [number for packet in received for number in numbers(packet.data)] == list(range(2_000))
        slices = sum(len(packet.data) for packet in received) / 2_000
        elapsed = trio.current_time() - started
        assert (slices - 1) * SLICE_PAUSE_SECONDS <= elapsed <= 2 * slices * SLICE_PAUSE_SECONDS
        # Small pushes do not wait.
        await world.push("s", b"m n=1i")
        assert trio.current_time() - started == elapsed


async def test_streams_are_listed_for_their_org_and_sorted_once_they_have_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = trio.Event()

    async def run_later(parse: Any, *arguments: Any, limiter: trio.CapacityLimiter) -> Any:
        await release.wait()
        return parse(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_later)
    async with live_world(push=LARGE) as world:
        for stream_id, org_id in (("z", 1), ("a", 1), ("m", 2)):
            await world.push(stream_id, b"m n=1i", org_id=org_id)
        await world.push("never", b"bad")
        async with trio.open_nursery() as nursery:
            await nursery.start(begin_push, world, b"bad\n" * 1_000)
            await trio.testing.wait_all_tasks_blocked()
            assert world.streams.stream_count == 4
            assert [stream.stream_id for stream in world.streams.list_streams(1)] == ["a", "z"]
            assert world.streams.find(1, "s") is None
            release.set()
        assert [stream.stream_id for stream in world.streams.list_streams(2)] == ["m"]
        assert (world.streams.find(1, "m"), world.streams.find(2, "a")) == (None, None)
        assert world.streams.find(1, "a") is world.streams.list_streams(1)[0]
