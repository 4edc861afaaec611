"""The built-in plugin's streams are those of Grafana's, on the beat; and the kit for authors plays a server."""

import json
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from framecast.errors import Refusal
from framecast.plugins import Context, DataSource, Health, Plugin, Sender
from framecast.plugins.testdata import WALKS, Testdata
from framecast.plugins.testing import Host, Subscription, hosted
from framecast.settings import Sources

FIELDS = {
    "testdata": [("Time", "time.Time"), ("Value", "float64"), ("Min", "float64"), ("Max", "float64")],
    "labeled": [("labels", "string"), ("Time", "time.Time"), ("Value", "float64")],
}


def drain(stream: Subscription) -> list[Any]:
    packets = []
    while True:
        try:
            packets.append(stream.receive_nowait())
        except trio.WouldBlock:
            return packets


async def run_for(host: Host, path: str, seconds: float) -> tuple[Any, list[list[Any]]]:
    stream = await host.subscribe(path)
    await trio.sleep(seconds)
    packets = drain(stream)
    assert all(list(packet) == ["data"] and next(iter(packet["data"])) == "values" for packet in packets)
    return stream.initial, [packet["data"]["values"] for packet in packets]


@pytest.mark.parametrize(
    ("path", "frame", "least", "most"),
    [
        ("random-2s-stream", "testdata", 300, 300),
        ("random-flakey-stream", "testdata", 1_200, 1_800),
        ("random-labeled-stream", "labeled", 2_250, 2_550),
        ("random-20Hz-stream", "testdata", 12_000, 12_000),
        ("random-20Hz-stream-7", "testdata", 12_000, 12_000),
    ],
)
async def test_every_stream_has_its_frame_and_its_beat(
    path: str, frame: str, least: int, most: int, autojump_clock: MockClock
) -> None:
    async with hosted(Testdata()) as host:
        initial, packets = await run_for(host, path, 600.01)
        assert list(initial) == ["schema"]
        assert initial["schema"]["name"] == frame
        fields = [(one["name"], one["typeInfo"]) for one in initial["schema"]["fields"]]
        assert fields == [(name, {"frame": kind}) for name, kind in FIELDS[frame]]
        assert least <= len(packets) <= most
        assert {len(values) for values in packets} == {len(fields)}


async def test_values_walk_between_their_bounds(autojump_clock: MockClock) -> None:
    async with hosted(Testdata()) as host:
        _, packets = await run_for(host, "random-20Hz-stream", 100)
        rows = [tuple(column[0] for column in values) for values in packets]
        for _, value, least, most in rows:
            assert 0.01 <= value - least <= 50.02
            assert 0.01 <= most - value <= 50.02
        assert all(abs(after[1] - before[1]) <= 0.5 for before, after in pairwise(rows))
        assert -1 <= rows[0][1] <= 101


async def test_labels_are_those_of_grafana(autojump_clock: MockClock) -> None:
    async with hosted(Testdata()) as host:
        _, packets = await run_for(host, "random-labeled-stream", 10)
        for labels, times, values in packets:
            second = times[0] // 1000
            assert labels == [f"s=A,s=p{second // 3},x=X", f"s=B,s=p{second // 7},x=X"]
            assert times[0] == times[1]
            assert values[1] == pytest.approx(values[0] + 10)


@pytest.mark.parametrize("path", ["random-3s-stream", "random-20Hz-stream-x", "xrandom-20Hz-stream", "sim/flight"])
async def test_there_are_no_other_streams(path: str, autojump_clock: MockClock) -> None:
    async with hosted(Testdata()) as host:
        with pytest.raises(Refusal) as caught:
            await host.subscribe(path)
        assert (caught.value.code, caught.value.temporary) == (404, False)
        assert "random-2s-stream" in caught.value.message


async def test_nobody_publishes_there(autojump_clock: MockClock) -> None:
    async with hosted(Testdata()) as host:
        with pytest.raises(Refusal) as caught:
            await host.publish("random-2s-stream", {"any": "JSON"})
        assert caught.value.code == 403


def test_the_rates_are_those_that_grafana_lists() -> None:
    assert [walk.minute_rate for walk in WALKS.values()] == [30, 150, 250, 1200]


class Counting(Plugin):
    """Counts, and publishes what it is told."""

    sharing = "user"

    async def subscribe(self, context: Context, path: str, data: bytes) -> bytes:
        return json.dumps({"asked": json.loads(data or b"null")}).encode()

    async def publish(self, context: Context, path: str, data: bytes) -> bytes:
        return data

    async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
        number = 0
        while True:
            await sender.send({"n": number})
            number += 1
            await trio.sleep(60)
            if number == 3:
                raise ValueError("enough")


async def test_an_author_sees_what_a_subscriber_would(autojump_clock: MockClock) -> None:
    async with hosted(Counting()) as host:
        stream = await host.subscribe("count/ann", {"q": 1})
        assert stream.initial == {"asked": {"q": 1}}
        await trio.sleep(200)
        numbers = [packet["data"]["values"][0][0] for packet in drain(stream)]
        assert numbers == [0, 1, 2, 0], "it was started again"
        assert await host.publish("count/ann", {"hi": 1}) == {"hi": 1}
        assert await stream.receive() == {"hi": 1}
        with pytest.raises(Refusal):
            await host.subscribe("count/ann", login="bob")
        host.unsubscribe(stream)
        await trio.sleep(20)
        assert host.lifetimes.count == 0


async def test_an_author_is_told_of_a_stream_that_does_not_end(autojump_clock: MockClock) -> None:
    class Deaf(Plugin):
        async def subscribe(self, context: Context, path: str, data: bytes) -> None:
            return None

        async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(100)

    async def try_it() -> None:
        async with hosted(Deaf(), limits=Sources(stop_seconds=1)) as host:
            await host.subscribe("a")
            await trio.sleep(1)

    with pytest.raises(AssertionError, match="shield"):
        await try_it()


class Polling(Plugin):
    """Asks an address that its data source names."""

    async def subscribe(self, context: Context, path: str, data: bytes) -> None:
        return None

    async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
        assert context.data_source is not None
        while True:
            await sender.send({"url": context.data_source.url})
            await trio.sleep(1)

    async def check_health(self, context: Context) -> Health:
        assert context.data_source is not None
        return Health("ok" if context.data_source.url else "error", context.user.login if context.user else "")


async def test_the_kit_changes_a_data_source_and_asks_how_it_is(autojump_clock: MockClock) -> None:
    async with hosted(Polling(), data_source=DataSource("u", url="http://old")) as host:
        stream = await host.subscribe("a")
        assert (await stream.receive())["data"]["values"] == [["http://old"]]
        assert await host.check_health(login="bob") == Health("ok", "bob")
        host.change_data_source(DataSource("u"))
        assert await host.check_health() == Health("error", "ann")
        await trio.sleep(0.1)
        assert [packet["data"]["values"] for packet in drain(stream)] == [[[""]]]
        assert (await stream.receive())["data"]["values"] == [[""]]
    async with hosted(Counting()) as host:
        assert await host.check_health() is None
