"""One managed stream: every measurement a channel, every limit from the settings, points without a time get ours."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from framecast.channels.address import MAX_ADDRESS_BYTES
from framecast.channels.broker import Draft
from framecast.errors import Refusal
from framecast.settings import Push, Streams
from framecast.streams.managed import SLICE_PAUSE_SECONDS
from live_world import World, live_world, stream_address


def latest(world: World, path: str) -> Any:
    """The newest publication of a channel."""
    history = world.hub.history(stream_address(path))
    return None if history is None else json.loads(history.after(0)[-1].data)


async def test_each_measurement_is_a_channel_under_the_path_of_its_name() -> None:
    async with live_world() as world:
        await world.push("s", b"cpu n=1i\ndisk\\ io n=2i\n")
        assert [row.channel for row in await world.streams.list_channels(1)] == ["stream/s/cpu", "stream/s/disk=20io"]
        assert latest(world, "disk=20io")["schema"]["name"] == "disk io"


async def test_a_push_is_one_publication_a_measurement_whatever_its_lines() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        for path in ("a", "b"):
            world.hub.subscribe(subscriber.connection, stream_address(path), path)
        await world.push("s", b"".join(b"a n=1i %d\nb n=1i %d\n" % (time, time) for time in range(20)))
        received = subscriber.received()
        assert [item.channel for item in received] == ["a", "b"]
        assert [len(json.loads(item.data)["data"]["values"][1]) for item in received] == [20, 20]


async def test_the_schema_goes_out_once_and_again_only_when_it_grew() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, stream_address("m"), "m")
        for body in (b"m n=1i", b"m n=2i", b"m n=3i,k=1", b"m k=2", b"m n=4i"):
            await world.push("s", body)
        assert ["schema" in json.loads(item.data) for item in subscriber.received()] == [
            True,
            False,
            True,
            False,
            False,
        ]


@pytest.mark.parametrize("thread_body_bytes", [1, 1_000_000])
async def test_points_without_a_time_get_the_time_of_their_arrival(thread_body_bytes: int) -> None:
    async with live_world(push=Push(thread_body_bytes=thread_body_bytes)) as world:
        await world.push("s", b"m n=1i", received_ns=1_700_000_000_123_000_000)
        assert latest(world, "m")["data"]["values"][1] == [1_700_000_000_123]


async def test_bad_lines_cost_themselves_and_the_report_is_bounded() -> None:
    async with live_world(push=Push(report_lines=2)) as world:
        result = await world.streams.push(1, "s", b"m n=1i\nbad\nm n=2i\nbad\nbad\n", 0)
        assert (result.accepted, result.rejected) == (2, 3)
        assert [one.line for one in result.rejections] == [2, 4]


@pytest.mark.parametrize(
    ("streams", "body", "accepted"),
    [
        (Streams(max_measurements=2), b"a n=1\nb n=1\nc n=1\na n=2", 3),
        (Streams(max_columns=2), b"a x=1,y=1\na z=1\na x=2", 2),
        (Streams(output_bytes=1_000), b"a n=1\n" * 100, None),
    ],
    ids=["measurements", "columns", "output"],
)
async def test_a_line_past_a_limit_of_its_stream_is_refused(
    streams: Streams, body: bytes, accepted: int | None
) -> None:
    async with live_world(streams=streams) as world:
        result = await world.streams.push(1, "s", body, 0)
        assert result.rejected > 0
        assert result.accepted > 0
        assert accepted in {None, result.accepted}


@pytest.mark.parametrize("stream", ["s", "a-long-stream-id-" * 8])
async def test_no_measurement_makes_an_address_that_clients_could_not_spell(stream: str) -> None:
    async with live_world() as world:
        room = MAX_ADDRESS_BYTES - len(f"stream/{stream}/")
        body = b"%s n=1i\n%s n=1i\n" % (b"m" * room, b"m" * (room + 1))
        result = await world.streams.push(1, stream, body, 0)
        assert (result.accepted, result.rejected) == (1, 1)
        [row] = await world.streams.list_channels(1)
        assert len(row.channel) == MAX_ADDRESS_BYTES


async def test_a_packet_past_the_limit_goes_out_in_several() -> None:
    async with live_world(streams=Streams(packet_bytes=500)) as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, stream_address("m"), "m")
        await world.push("s", b"".join(b"m n=%di %d\n" % (number, number) for number in range(200)))
        received = subscriber.received()
        assert len(received) > 5
        values = [number for item in received for number in json.loads(item.data)["data"]["values"][2]]
        assert values == list(range(200))
        assert (await world.streams.list_channels(1))[0].minute_rate == len(received)


async def test_the_packets_of_one_push_name_the_schema_once() -> None:
    async with live_world(streams=Streams(packet_bytes=500)) as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, stream_address("m"), "m")
        # 1e0 may take 24 bytes and takes one: packets come out smaller than they were planned, several go together.
        await world.push("s", b"".join(b"m n=1e0 %d\n" % number for number in range(200)))
        received = [json.loads(item.data) for item in subscriber.received()]
        assert ["schema" in frame for frame in received] == [True] + [False] * (len(received) - 1)
        assert len(received) > 5


async def test_a_schema_that_could_not_be_published_goes_out_with_the_next_packet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, stream_address("m"), "m")
        publish = world.broker.publish

        async def refuse(drafts: Sequence[Draft]) -> Sequence[int]:
            raise Refusal(503, "the broker is away", temporary=True)

        for body in (b"m n=1i 1", b"m n=2i,k=1 2"):
            monkeypatch.setattr(world.broker, "publish", refuse)
            with pytest.raises(Refusal, match="away"):
                await world.push("s", body)
            assert subscriber.received() == []
            monkeypatch.setattr(world.broker, "publish", publish)
            await world.push("s", b"m n=3i 3")
            await world.push("s", b"m n=4i 4")
            first, second = [json.loads(item.data) for item in subscriber.received()]
            assert len(first["schema"]["fields"]) == len(first["data"]["values"])
            assert "schema" not in second
            history = world.hub.history(stream_address("m"))
            assert history is not None
            assert json.loads(history.schema or b"") == first["schema"]


async def test_a_push_that_is_cancelled_half_way_loses_no_schema(autojump_clock: MockClock) -> None:
    async with live_world(streams=Streams(packet_bytes=500)) as world:
        subscriber = world.subscriber()
        for path in ("a", "b"):
            world.hub.subscribe(subscriber.connection, stream_address(path), path)
        with trio.move_on_after(SLICE_PAUSE_SECONDS * 1.5):
            lines = [b"a n=%di %d\n" % (number, number) for number in range(200)]
            await world.push("s", b"".join(lines) + b"b n=1i 1\n")
        received = subscriber.received()
        assert received
        assert {item.channel for item in received} == {"a"}
        await world.push("s", b"a n=7i 7\nb n=2i 2\n")
        a, b = [json.loads(item.data) for item in subscriber.received()]
        assert "schema" not in a
        assert (len(b["schema"]["fields"]), b["data"]["values"][2]) == (3, [2])


async def test_the_first_accepted_push_settles_the_frame_format() -> None:
    async with live_world() as world:
        await world.streams.push(1, "s", b"bad", 0, frame_format="wide")
        await world.streams.push(1, "s", b"m,h=a n=1i", 0, frame_format="series")
        for again in ("series", None):
            await world.streams.push(1, "s", b"m,h=a n=2i", 0, frame_format=again)
        for other in ("labels_column", "wide"):
            with pytest.raises(Refusal, match="'s' has frames of the format series") as refusal:
                await world.streams.push(1, "s", b"m n=3i", 0, frame_format=other)
            assert refusal.value.code == 400
        assert latest(world, "m") == {"data": {"values": [[0], [2]]}}
        assert (await world.streams.list_channels(1))[0].schema.count(b'"n{h=a}"') == 1


async def test_a_push_that_names_no_format_gets_that_of_the_settings() -> None:
    async with live_world(streams=Streams(frame_format="wide")) as world:
        await world.push("s", b"m,h=a n=1i")
        assert latest(world, "m")["schema"]["fields"][1]["labels"] == {"h": "a"}
        await world.streams.push(1, "s", b"m,h=a n=2i", 0, frame_format="wide")
        with pytest.raises(Refusal):
            await world.streams.push(1, "s", b"m,h=a n=2i", 0, frame_format="labels_column")


async def test_a_push_without_a_good_line_settles_no_format_for_one_that_waits_behind_it() -> None:
    async with live_world(push=Push(thread_body_bytes=1)) as world, trio.open_nursery() as nursery:
        nursery.start_soon(partial(world.streams.push, 1, "s", b"bad\n" * 200_000, 0, frame_format="wide"))
        await wait_all_tasks_blocked()
        await world.streams.push(1, "s", b"m,h=a n=1i", 0, frame_format="series")
        assert latest(world, "m")["schema"]["fields"][1]["name"] == "n{h=a}"


@pytest.mark.parametrize("name", ["wide", "series", "labels_column"])
async def test_a_new_subscriber_begins_with_all_rows_in_every_format(name: Any) -> None:
    async with live_world() as world:
        await world.streams.push(1, "s", b"m,h=a n=1i,k=t", 0, frame_format=name)
        await world.streams.push(1, "s", b"m,h=b n=2i", 0)
        await world.streams.push(1, "s", b"m,h=b n=3i 1", 0)
        window = json.loads((await world.begin(stream_address("m"))).data or b"")
        assert len(window["schema"]["fields"]) == len(window["data"]["values"]) == 4
        values, nanos = window["data"]["values"], window["data"]["nanos"]
        if name == "labels_column":
            assert values == [["h=a", "h=b", "h=b"], [0, 0, 0], [True, None, None], [1, 2, 3]]
            assert nanos == [None, [0, 0, 1], None, None]
        else:
            assert values == [[0, 0, 0], [True, None, None], [1, None, None], [None, 2, 3]]
            assert nanos == [[0, 0, 1], None, None, None]


async def test_a_large_body_waits_for_the_writer_and_a_small_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async with live_world(push=Push(thread_body_bytes=10, catch_up_seconds=0.25)) as world:
        waits: list[float] = []

        async def catch_up(seconds: float) -> None:
            waits.append(seconds)

        monkeypatch.setattr(world.hub, "catch_up", catch_up)
        await world.push("s", b"m n=1i 1\n")
        assert waits == []
        await world.push("t", b"m n=1i 1000000\n")
        assert waits == [0.25]
