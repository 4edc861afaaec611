"""Traffic recorded from Telegraf goes in byte for byte; a stock subscriber gets every point once and in order."""

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from end_to_end.captures import SELECTION, Recorded, read_captures
from end_to_end.conftest import ServerStarter
from end_to_end.following import Follower
from end_to_end.programs import python_subscriber
from end_to_end.reference import Point, cut_batches, published_order
from end_to_end.server import RunningServer
from end_to_end.wire import BINARY, Connection, connect, upgrade_request
from patience import PATIENCE_SECONDS

ROOMY = ("live.channels_per_client=1000", "live.queue_bytes=268435456")
"""One subscriber follows everything here, and must not be cut off while this machine is busy."""


@pytest.fixture
def roomy_server(start_server: ServerStarter) -> RunningServer:
    return start_server(*ROOMY)


class Replay:
    """Sends recorded traffic again, each stream over one connection of its own, as it was."""

    def __init__(self, address: str, connections: AsyncExitStack) -> None:
        self._address = address
        self._connections = connections
        self._open: dict[tuple[str, str], Connection] = {}

    async def send(self, recorded: Recorded) -> None:
        connection = await self._connection(recorded)
        if recorded.kind == "ws-handshake":
            await connection.upgrade(recorded.request_head(self._address))
        elif recorded.kind == "ws-message":
            await connection.send(recorded.message_frames())
        else:
            await connection.send(recorded.request_head(self._address) + recorded.request_body())
            answer = await connection.answer()
            assert answer.status == 204, answer
            accepted = len(recorded.points) if recorded.is_line_protocol else 0
            assert answer.headers["framecast-accepted"] == str(accepted)
            assert answer.headers["framecast-rejected"] == ("0" if recorded.is_line_protocol else "1")

    async def _connection(self, recorded: Recorded) -> Connection:
        place = (recorded.entry["run"], recorded.stream)
        if place not in self._open:
            self._open[place] = await self._connections.enter_async_context(connect(self._address))
        return self._open[place]


def expected_channels(recorded: Sequence[Recorded]) -> dict[str, list[Point]]:
    pushes: dict[str, list[list[Point]]] = defaultdict(list)
    for one in recorded:
        if one.is_line_protocol:
            pushes[one.stream].append(one.points)
    channels = {}
    for stream, bodies in pushes.items():
        channels.update(published_order(stream, bodies))
    return channels


def forget_server_times(points: Mapping[str, list[Point]], began_ns: int, expected: Mapping[str, list[Point]]) -> None:
    """Where a point was pushed without a time, the server's is as good as none, if it is now."""
    for channel, wanted in expected.items():
        if all(point.time_ns is None for point in wanted):
            for at, point in enumerate(points[channel]):
                assert point.time_ns is not None
                assert began_ns <= point.time_ns <= time.time_ns()
                points[channel][at] = replace(point, time_ns=None)


async def check_replay(server: RunningServer, folder: Path) -> None:
    recorded = read_captures(folder)
    expected = expected_channels(recorded)
    began_ns = time.time_ns()
    async with python_subscriber(server.subscribe_url) as program, AsyncExitStack() as connections:
        follower = Follower(program)
        await follower.subscribe(expected)
        replay = Replay(server.address, connections)
        for one in recorded:
            await replay.send(one)
        await follower.wait_for_points({channel: len(points) for channel, points in expected.items()})
        forget_server_times(follower.points, began_ns, expected)
        await follower.check_received(server.address, expected)


async def test_a_selection_of_recorded_traffic_arrives_point_for_point(roomy_server: RunningServer) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        await check_replay(roomy_server, SELECTION)


@pytest.mark.corpus
async def test_all_recorded_traffic_arrives_point_for_point(roomy_server: RunningServer, corpus: Path) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        await check_replay(roomy_server, corpus / "telegraf")


async def check_json_is_refused(server: RunningServer, folder: Path) -> None:
    bodies = [one for one in read_captures(folder) if one.kind == "http" and not one.is_line_protocol]
    assert bodies
    for recorded in bodies:
        async with connect(server.address) as connection:
            await connection.send(recorded.request_head(server.address, query="?report=1") + recorded.request_body())
            answer = await connection.answer()
        assert answer.status == 200, answer
        report = json.loads(answer.body)
        assert (report["accepted"], report["rejected"]) == (0, 1)
        (rejection,) = report["rejections"]
        assert rejection["line"] == 1
        assert rejection["column"] >= 1
        assert rejection["reason"]
        assert rejection["message"]


async def test_a_json_body_is_one_clear_refusal(server: RunningServer) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        await check_json_is_refused(server, SELECTION)


@pytest.mark.corpus
async def test_every_recorded_json_body_is_one_clear_refusal(server: RunningServer, corpus: Path) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        await check_json_is_refused(server, corpus / "telegraf")


CAPTURES = ["telegraf-real.lp", "telegraf-wide.lp"]


@pytest.mark.corpus
@pytest.mark.parametrize("name", CAPTURES)
async def test_a_large_capture_in_http_batches_arrives_whole(
    roomy_server: RunningServer, corpus: Path, name: str
) -> None:
    batches = list(cut_batches((corpus / "telegraf" / name).read_bytes(), 1000))
    expected = published_order("large", [points for _, points in batches])
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            python_subscriber(roomy_server.subscribe_url) as program,
            connect(roomy_server.address) as connection,
        ):
            follower = Follower(program)
            await follower.subscribe(expected)
            for body, _ in batches:
                await connection.push("large", body)
            await follower.check_received(roomy_server.address, expected)


@pytest.mark.corpus
@pytest.mark.parametrize("name", CAPTURES)
async def test_a_large_capture_in_messages_of_megabytes_arrives_whole(
    roomy_server: RunningServer, corpus: Path, name: str
) -> None:
    batches = list(cut_batches((corpus / "telegraf" / name).read_bytes(), 12_000))
    assert max(len(body) for body, _ in batches) > 2_000_000
    expected = published_order("large", [points for _, points in batches])
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            python_subscriber(roomy_server.subscribe_url) as program,
            connect(roomy_server.address) as connection,
        ):
            follower = Follower(program)
            await follower.subscribe(expected)
            await connection.upgrade(upgrade_request("/api/live/push/large", host=roomy_server.address))
            for body, _ in batches:
                await connection.send_message(body, BINARY)
            await follower.check_received(roomy_server.address, expected)


async def test_a_push_larger_than_a_packet_becomes_several_in_row_order(server: RunningServer, stream: str) -> None:
    text = "x" * 1000
    body = "".join(f'wide n={n}i,text="{text}" {n}\n' for n in range(3000)).encode()
    expected = published_order(stream, [next(cut_batches(body, 3000))[1]])
    (channel,) = expected
    with trio.fail_after(PATIENCE_SECONDS):
        async with python_subscriber(server.subscribe_url) as program, connect(server.address) as connection:
            follower = Follower(program)
            await follower.subscribe(expected)
            await connection.push(stream, body)
            await follower.check_received(server.address, expected)
            assert follower.publications[channel] >= 3
