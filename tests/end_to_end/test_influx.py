"""InfluxDB's clients: Telegraf's recorded writes byte for byte, the stock Python client, and what both are answered."""

import json
from collections import defaultdict
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from end_to_end.captures import INFLUX_WRITE, read_captures
from end_to_end.conftest import ServerStarter
from end_to_end.following import Follower
from end_to_end.programs import influx_writer, python_subscriber
from end_to_end.reference import Point, Value, published_order, read_points
from end_to_end.server import RunningServer
from end_to_end.wire import TEXT, Answer, Connection, connect, request, upgrade_request
from patience import PATIENCE_SECONDS

BATCH = b"m x=1 1\nm x=2 2\nm x= 3\nm x=4 4\nbad\n"
GOOD = read_points(b"m x=1 1\nm x=2 2\nm x=4 4\n")
PARTIAL = 'partial write: 2 of 5 lines refused: line 3, column 5: field "x" has no value'


@pytest.mark.corpus
async def test_recorded_writes_of_telegraf_arrive_point_for_point(start_server: ServerStarter, corpus: Path) -> None:
    server = start_server("live.channels_per_client=1000")
    recorded = read_captures(corpus / "telegraf", INFLUX_WRITE)
    assert {one.entry["case"] for one in recorded} == {"x-ok204-v2", "x-ok204-v2id", "x-poison-v2"}
    pushes: dict[str, list[list[Point]]] = defaultdict(list)
    for one in recorded:
        pushes[one.stream].append(one.points)
    expected: dict[str, list[Point]] = {}
    for stream, bodies in pushes.items():
        expected |= published_order(stream, bodies)
    with trio.fail_after(PATIENCE_SECONDS):
        async with python_subscriber(server.subscribe_url) as program, AsyncExitStack() as stack:
            follower = Follower(program)
            await follower.subscribe(expected)
            connections = {name: await stack.enter_async_context(connect(server.address)) for name in pushes}
            for one in recorded:
                connection = connections[one.stream]
                await connection.send(one.request_head(server.address) + one.request_body())
                answer = await connection.answer()
                assert (answer.status, answer.body) == (204, b""), answer
                assert answer.headers["framecast-accepted"] == str(len(one.points))
                assert "connection" not in answer.headers
            await follower.check_received(server.address, expected)


async def ask(connection: Connection, server: RunningServer, target: str, body: bytes) -> Answer:
    await connection.send(request("POST", target, body, host=server.address))
    return await connection.answer()


async def test_a_bad_line_blocks_no_sender_of_either_kind(server: RunningServer, stream: str) -> None:
    """Telegraf's HTTP output needs a 2xx to go on, its InfluxDB output a 400 to know; both need the good lines in."""
    expected = {f"stream/{stream}-{kind}/m": GOOD for kind in ("push", "v2", "v1")}
    with trio.fail_after(PATIENCE_SECONDS):
        async with python_subscriber(server.subscribe_url) as program, connect(server.address) as connection:
            follower = Follower(program)
            await follower.subscribe(expected)
            pushed = await ask(connection, server, f"/api/live/push/{stream}-push", BATCH)
            assert (pushed.status, pushed.headers["framecast-rejected"]) == (204, "2")
            second = await ask(connection, server, f"/api/v2/write?bucket={stream}-v2&org=o", BATCH)
            assert second.status == 400
            assert json.loads(second.body) == {
                "code": "invalid",
                "message": PARTIAL,
                "line": 3,
                "accepted": 3,
                "rejected": 2,
            }
            first = await ask(connection, server, f"/write?db={stream}-v1&u=a&p=b", BATCH)
            assert first.status == 400
            assert json.loads(first.body) == {
                "error": 'partial write: line 3, column 5: field "x" has no value dropped=2'
            }
            await follower.check_received(server.address, expected)


async def test_a_client_that_asks_first_writes_on_the_same_connection(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            for method in ("GET", "HEAD"):
                await connection.send(request(method, "/ping", host=server.address))
                ping = await connection.answer()
                assert (ping.status, ping.headers["x-influxdb-version"]) == (204, "2.7-framecast")
            for target in (f"/api/v2/write?bucket={stream}&precision=s", f"/write?db={stream}&precision=h"):
                written = await ask(connection, server, target, b"m x=1 1\n")
                assert (written.status, written.headers["framecast-accepted"]) == (204, "1")
                assert (await ask(connection, server, target, BATCH)).status == 400
            await connection.send(request("GET", "/health", host=server.address))
            assert json.loads((await connection.answer()).body)["status"] == "pass"


POINTS: list[dict[str, Any]] = [
    {
        "measurement": "all types",
        "tags": {"host": "a b", "region": "eu,west"},
        "fields": {"f": 1.25, "i": -7, "b": True, "s": 'say "hi" \\ ok', "é": 3},
        "time": 0,
    },
    {"measurement": "all types", "fields": {"f": 2.5}, "time": 1},
]
UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}


def expect_points(precision: str) -> list[Point]:
    values: dict[str, Value] = {"f": Decimal("1.25"), "i": -7, "b": ("bool", True), "s": 'say "hi" \\ ok', "é": 3}
    return [
        Point("all types", '{host="a b", region="eu,west"}', 1_700_000_000 * 10**9, values),
        Point("all types", "", 1_700_000_000 * 10**9 + UNITS[precision], {"f": Decimal("2.5")}),
    ]


@pytest.mark.parametrize("gzip", [False, True])
async def test_the_stock_client_writes_every_type_in_every_precision(
    server: RunningServer, stream: str, gzip: bool
) -> None:
    expected = {f"stream/{stream}-{precision}/all=20types": expect_points(precision) for precision in UNITS}
    unsigned = f"stream/{stream}/u"
    expected[unsigned] = [Point("u", "", 5 * 10**9, {"n": 18446744073709551615})]
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            python_subscriber(server.subscribe_url) as program,
            influx_writer(server.url, gzip=gzip) as writer,
        ):
            follower = Follower(program)
            await follower.subscribe(expected)
            for precision, unit in UNITS.items():
                begin = 1_700_000_000 * 10**9 // unit
                points = [{**point, "time": begin + point["time"]} for point in POINTS]
                await writer.do("write", bucket=f"{stream}-{precision}", precision=precision, points=points)
                await writer.wait_for("written")
            await writer.do("write", bucket=stream, precision="s", lines=["u n=18446744073709551615u 5"])
            await writer.wait_for("written")
            await follower.check_received(server.address, expected)


async def test_the_stock_client_sees_what_was_refused(server: RunningServer, stream: str) -> None:
    expected = {f"stream/{stream}/m": GOOD}
    with trio.fail_after(PATIENCE_SECONDS):
        async with python_subscriber(server.subscribe_url) as program, influx_writer(server.url) as writer:
            follower = Follower(program)
            await follower.subscribe(expected)
            await writer.do("ask")
            asked = await writer.wait_for("asked")
            assert (asked["ping"], asked["version"], asked["health"]["status"]) == (True, "2.7-framecast", "pass")
            await writer.do("write", bucket=stream, lines=BATCH.decode().splitlines())
            assert (await writer.wait_for("refused")).items() >= {"status": 400, "message": PARTIAL}.items()
            await writer.do("write", bucket="db/rp", lines=["m x=1"])
            refused = await writer.wait_for("refused")
            assert refused["status"] == 400
            assert "'db/rp'" in refused["message"]
            await follower.check_received(server.address, expected)


async def test_the_stock_client_is_told_to_come_back_or_that_it_may_not(
    start_server: ServerStarter, stream: str
) -> None:
    full, closed = start_server("streams.max_streams=1"), start_server(dev=False)
    with trio.fail_after(PATIENCE_SECONDS):
        async with influx_writer(full.url) as writer:
            await writer.do("write", bucket=stream, lines=["m x=1"])
            await writer.wait_for("written")
            await writer.do("write", bucket="another", lines=["m x=1"])
            refused = await writer.wait_for("refused")
            assert (refused["status"], refused["retry_after"]) == (429, "5")
        async with influx_writer(closed.url) as writer:
            await writer.do("ask")
            assert (await writer.wait_for("asked"))["ping"] is True
            await writer.do("write", bucket=stream, lines=["m x=1"])
            assert (await writer.wait_for("refused"))["status"] == 401


async def test_an_acknowledged_socket_says_what_became_of_each_message(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.upgrade(upgrade_request(f"/api/live/push/{stream}?ack=1&precision=s", host=server.address))
            for body in (b"m x=1 1\n", BATCH):
                await connection.send_message(body)
            answers = [await connection.message() for _ in range(2)]
        assert {answer.opcode for answer in answers} == {TEXT}
        first, second = [json.loads(answer.payload) for answer in answers]
        assert first == {"accepted": 1, "rejected_lines": 0, "rejected": []}
        assert (second["accepted"], second["rejected_lines"]) == (3, 2)
        assert [one["line"] for one in second["rejected"]] == [3, 5]
