"""Floods of ever new names: memory stays flat, what is refused is told, and a neighbour notices nothing.

Each flood has a server of its own, whose memory is looked at when a fifth of the flood has passed and every table is
full, and at the end. One remembered name costs `NAME_BYTES` at least, so that the rest of a flood shows.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.programs import Program, python_subscriber
from end_to_end.server import RunningServer
from end_to_end.wire import TEXT, Connection, connect, request, upgrade_request
from patience import PATIENCE_SECONDS

MILLION = 1_000_000
LINES_AT_ONCE = 5_000

HISTORY_BYTES = 4 << 20
SETTINGS = (
    f"history.total_bytes={HISTORY_BYTES}",
    "history.bytes=262144",
    "live.max_channels=1000",
    # A flood is work enough without being paced, and nobody here answers pings who is busy with one.
    "live.commands_burst=1000000",
    "live.ping_seconds=3600",
)
MAX_COLUMNS = 1_024
MAX_MEASUREMENTS = 1_000

NAME_BYTES = 64
"""A short name in the leanest table: an entry, a pointer, an allocation."""

MOST_GROWTH_BYTES = MILLION * 4 // 5 * NAME_BYTES // 2
"""From a fifth of a flood to its end: half of what a million names that stay, less a fifth, would take. The history is
full by then, but its publications change places, and how the threads' arenas fill is chance: up to 10 MB were seen."""

LITTLE_GROWTH_BYTES = 3 << 20
"""The same for a flood of few thousand names that publishes little. Names of 100 bytes and more take 600 each: 6,400 of
them 3.8 MB, where 0.4 MB are usual."""

FLOOD_SECONDS = 4 * PATIENCE_SECONDS
"""A flood is work: a minute of it on a busy machine."""


@dataclass
class Neighbour:
    """Pushes a number now and then, and has a subscriber."""

    program: Program
    pushing: Connection
    pushed: int = 0

    async def push(self) -> None:
        self.pushed += 1
        await self.pushing.push("neighbour", b"m n=%di %d000000" % (self.pushed, self.pushed))


def numbers_of(frame: dict[str, Any]) -> list[int]:
    return [int(value) for value in frame["data"]["values"][2]]


@asynccontextmanager
async def neighbour(server: RunningServer) -> AsyncIterator[Neighbour]:
    """At the end of the block it must have had all its publications in order, and its whole past must be there."""
    channel = "stream/neighbour/m"
    with trio.fail_after(FLOOD_SECONDS):
        async with python_subscriber(server.subscribe_url) as program, connect(server.address) as pushing:
            await program.subscribe(channel)
            beside = Neighbour(program, pushing)
            for _ in range(10):
                await beside.push()
            yield beside
            expected = list(range(1, beside.pushed + 1))
            told = await program.wait_for_count("publication", beside.pushed, channel=channel)
            assert [number for one in told for number in numbers_of(one["data"])] == expected
            assert [one["offset"] for one in told] == expected
            assert len(program.all("connecting")) == 1
            async with python_subscriber(server.subscribe_url) as newcomer:
                frame = (await newcomer.subscribe(channel))["data"]
            assert [column["name"] for column in frame["schema"]["fields"]] == ["labels", "time", "n"]
            assert numbers_of(frame) == expected
    server.check_well()


@dataclass
class Outcome:
    """What became of a flood."""

    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Of the refused lines that were told one by one."""
    rejected: int = 0
    message: str = ""
    """About the last refused line."""

    def note(self, report: dict[str, Any]) -> None:
        """Add what one push was answered."""
        self.accepted += report["accepted"]
        self.rejected += report["rejected"]
        for one in report["rejections"]:
            self.reasons[one["reason"]] += 1
            self.message = one["message"]


async def get(server: RunningServer, target: str) -> bytes:
    async with connect(server.address) as connection:
        await connection.send(request("GET", target, host=server.address))
        answer = await connection.answer()
    assert answer.status == 200, answer
    return answer.body


async def metric_names(server: RunningServer) -> set[bytes]:
    """With their labels, and without their values."""
    page = await get(server, "/metrics")
    return {line.rsplit(b" ", 1)[0] for line in page.splitlines() if not line.startswith(b"#")}


@asynccontextmanager
async def flat_memory(
    server: RunningServer, steps: int, *, most_growth_bytes: int = MOST_GROWTH_BYTES
) -> AsyncIterator["Steps"]:
    """Take the measure at a fifth of the steps and at the end; the metrics must have no new name between."""
    counted = Steps(server, steps // 5)
    yield counted
    assert counted.taken == steps
    assert await metric_names(server) == counted.names
    growth = server.resident_bytes() - counted.resident_bytes
    assert growth <= most_growth_bytes, f"{growth} bytes more"


def little_growth(server: RunningServer, steps: int) -> AbstractAsyncContextManager["Steps"]:
    return flat_memory(server, steps, most_growth_bytes=LITTLE_GROWTH_BYTES)


class Steps:
    """How far a flood has come."""

    def __init__(self, server: RunningServer, measured_at: int) -> None:
        self._server = server
        self._measured_at = measured_at
        self.taken = 0
        self.resident_bytes = 0
        self.names: set[bytes] = set()

    async def take(self) -> None:
        self.taken += 1
        if self.taken == self._measured_at:
            self.resident_bytes = self._server.resident_bytes()
            self.names = await metric_names(self._server)


def bodies(line: bytes, count: int, at_once: int) -> Iterator[bytes]:
    """`count` lines, `at_once` in a body; each ``%d`` of the line is its number."""
    holes = line.count(b"%d")
    for start in range(0, count, at_once):
        yield b"".join(line % ((number,) * holes) for number in range(start, start + at_once))


async def flood_one_stream(
    server: RunningServer,
    line: bytes,
    *,
    count: int = MILLION,
    at_once: int = LINES_AT_ONCE,
    frame_format: str = "labels_column",
) -> Outcome:
    """Push ever new lines to the stream `flood`, beside a neighbour that pushes after each body."""
    outcome = Outcome()
    target = f"/api/live/push/flood?report=1&gf_live_frame_format={frame_format}"
    async with (
        neighbour(server) as beside,
        connect(server.address) as connection,
        flat_memory(server, count // at_once) as steps,
    ):
        for body in bodies(line, count, at_once):
            await connection.send(request("POST", target, body, host=server.address))
            answer = await connection.answer()
            assert answer.status == 200, answer
            outcome.note(json.loads(answer.body))
            await beside.push()
            await steps.take()
    return outcome


async def limits_met(server: RunningServer) -> dict[str, int]:
    """The settings that the flooded stream met, with the lines each refused."""
    page = json.loads(await get(server, "/api/live/streams/flood"))
    return {one["limit"]: one["times"] for one in page["limits_met"]}


async def test_a_million_tag_values_are_all_taken_where_labels_are_a_column(start_server: ServerStarter) -> None:
    server = start_server(*SETTINGS)
    outcome = await flood_one_stream(server, b"m,host=host-%d n=1i\n")
    assert (outcome.accepted, outcome.rejected) == (MILLION, 0)


@pytest.mark.parametrize("frame_format", ["wide", "series"])
async def test_a_million_tag_values_fill_the_columns_and_no_more(
    start_server: ServerStarter, frame_format: str
) -> None:
    server = start_server(*SETTINGS)
    outcome = await flood_one_stream(server, b"m,host=host-%d n=1i\n", frame_format=frame_format)
    assert (outcome.accepted, outcome.rejected) == (MAX_COLUMNS, MILLION - MAX_COLUMNS)
    assert set(outcome.reasons) == {"column_limit"}
    assert "max_columns" in outcome.message
    assert await limits_met(server) == {"streams.max_columns": MILLION - MAX_COLUMNS}
    # Among what is refused, what is known goes on.
    known_and_new = b"m,host=host-0 n=2i\nm,host=x n=2i\nm,host=host-1000 n=2i\n"
    async with connect(server.address) as connection:
        await connection.send(request("POST", "/api/live/push/flood", known_and_new, host=server.address))
        headers = (await connection.answer()).headers
    assert (headers["framecast-accepted"], headers["framecast-rejected"]) == ("2", "1")


@pytest.mark.parametrize(
    ("line", "accepted", "limit"),
    [
        (b"m%d n=1i\n", MAX_MEASUREMENTS, "max_measurements"),
        (b"m field_%d=1i\n", MAX_COLUMNS, "max_columns"),
        (b"m%d,host=host-%d field_%d=1i\n", MAX_MEASUREMENTS, "max_measurements"),
    ],
    ids=["measurements", "field keys", "all"],
)
async def test_a_million_names_fill_the_stream_and_no_more(
    start_server: ServerStarter, line: bytes, accepted: int, limit: str
) -> None:
    server = start_server(*SETTINGS)
    outcome = await flood_one_stream(server, line)
    assert (outcome.accepted, outcome.rejected) == (accepted, MILLION - accepted)
    assert limit in outcome.message
    assert await limits_met(server) == {f"streams.{limit}": MILLION - accepted}


LONG = 10_000 * b"x"


@pytest.mark.parametrize("frame_format", ["labels_column", "wide", "series"])
@pytest.mark.parametrize(
    "line",
    [b"m,host=" + LONG + b"%d n=1i\n", b"m " + LONG + b"%d=1i\n", LONG + b"%d n=1i\n"],
    ids=["tag value", "field key", "measurement"],
)
async def test_long_names_are_not_remembered_without_end(
    start_server: ServerStarter, frame_format: str, line: bytes
) -> None:
    server = start_server(*SETTINGS)
    # A third of these names would pass the bound.
    outcome = await flood_one_stream(server, line, count=10_000, frame_format=frame_format, at_once=200)
    if frame_format == "labels_column" and line.startswith(b"m,host"):
        assert (outcome.accepted, outcome.rejected) == (10_000, 0)
    else:
        assert outcome.accepted + outcome.rejected == 10_000
        assert set(outcome.reasons) <= {"schema_limit", "path_limit"}
        assert outcome.accepted < 200


async def test_ever_new_streams_are_refused_and_leave_nothing_behind(start_server: ServerStarter) -> None:
    server = start_server(*SETTINGS, "streams.max_streams=100")
    statuses: Counter[int] = Counter()
    async with neighbour(server) as beside, little_growth(server, 80) as steps:
        for step in range(80):
            async with connect(server.address) as connection:
                for number in range(100):
                    target = f"/api/live/push/{step * 100 + number:0>150}"
                    await connection.send(request("POST", target, b"m n=1i", host=server.address))
                    answer = await connection.answer()
                    statuses[answer.status] += 1
            await beside.push()
            await steps.take()
    assert statuses == {204: 99, 429: 8_000 - 99}
    message = json.loads(answer.body)["message"]
    assert "streams.max_streams = 100" in message
    assert "streams.evict_seconds" in message


async def test_ever_new_streams_without_a_good_line_leave_nothing_behind(start_server: ServerStarter) -> None:
    server = start_server(*SETTINGS)
    async with neighbour(server) as beside, little_growth(server, 80) as steps:
        for step in range(80):
            async with connect(server.address) as connection:
                for number in range(100):
                    target = f"/api/live/push/{step * 100 + number:0>150}"
                    await connection.send(request("POST", target, LONG, host=server.address))
                    assert (await connection.answer()).headers["framecast-rejected"] == "1"
            await beside.push()
            await steps.take()


def subscribe_command(number: int, channel: str, **more: object) -> str:
    return json.dumps({"id": number, "subscribe": {"channel": channel, **more}})


@asynccontextmanager
async def raw_subscriber(server: RunningServer) -> AsyncIterator[Connection]:
    async with connect(server.address) as connection:
        await connection.upgrade(upgrade_request("/api/live/ws", host=server.address))
        await ask(connection, ['{"id":1,"connect":{}}'])
        yield connection


async def ask(connection: Connection, commands: list[str]) -> list[dict[str, Any]]:
    """Send them in one message and wait for as many replies."""
    await connection.send_message("\n".join(commands).encode(), TEXT)
    replies: list[dict[str, Any]] = []
    while len(replies) < len(commands):
        frame = await connection.message()
        replies += [reply for line in frame.payload.splitlines() if (reply := json.loads(line))]
    return replies


def codes_of(replies: list[dict[str, Any]]) -> Counter[int]:
    return Counter(reply["error"]["code"] if "error" in reply else 0 for reply in replies)


async def test_subscribing_to_ever_new_channels_leaves_nothing_behind(start_server: ServerStarter) -> None:
    server = start_server(*SETTINGS)
    codes: Counter[int] = Counter()
    async with neighbour(server) as beside, raw_subscriber(server) as connection, little_growth(server, 60) as steps:
        for step in range(60):
            channels = [f"stream/s{step}/{number:0>100}" for number in range(200)]
            commands = []
            for number, channel in enumerate(channels):
                commands.append(subscribe_command(2, channel, data={"rows": number}))
                commands.append(json.dumps({"id": 3, "unsubscribe": {"channel": channel}}))
                # Who wants all or nothing of a life that nobody knows gets nothing.
                lost = {"recover": True, "epoch": f"e{step}-{number}", "offset": number, "flag": 2}
                commands.append(subscribe_command(4, channel + "x", **lost))
            codes += codes_of(await ask(connection, commands))
            await beside.push()
            await steps.take()
    assert codes == {0: 2 * 12_000, 112: 12_000}


async def test_more_channels_than_there_may_be_are_refused(start_server: ServerStarter) -> None:
    # Refusals leave the collector something to do: it has found its pace after some fifty steps, not after twelve.
    server = start_server(*SETTINGS, "live.max_channels=400")
    codes: Counter[int] = Counter()
    async with neighbour(server) as beside, trio.open_nursery() as nursery:
        connections = [await nursery.start(hold_subscriber, server) for _ in range(4)]
        async with little_growth(server, 240) as steps:
            for step in range(240):
                connection = connections[step % len(connections)]
                commands = [subscribe_command(2, f"stream/s{step}/{number:0>100}") for number in range(200)]
                codes += codes_of(await ask(connection, commands))
                await beside.push()
                await steps.take()
        nursery.cancel_scope.cancel()
    # The neighbour has a channel too.
    assert codes == {0: 399, 106: 240 * 200 - 399}


async def hold_subscriber(server: RunningServer, *, task_status: trio.TaskStatus[Connection]) -> None:
    async with raw_subscriber(server) as connection:
        task_status.started(connection)
        await trio.sleep_forever()


async def test_a_flood_of_streams_leaves_a_slow_neighbour_its_past(start_server: ServerStarter) -> None:
    server = start_server(*SETTINGS)
    text = b"x" * 50_000
    async with neighbour(server) as beside, connect(server.address) as connection, flat_memory(server, 40) as steps:
        for _ in range(40):
            for stream in range(20):
                await connection.push(f"flood{stream}", b'm s="%b"' % text)
            await steps.take()
        await beside.push()
    evicted = b"framecast_history_evicted_total "
    page = await get(server, "/metrics")
    assert (
        next(int(line.removeprefix(evicted).split(b".")[0]) for line in page.splitlines() if line.startswith(evicted))
        > 300
    )
