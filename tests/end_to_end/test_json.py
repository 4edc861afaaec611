"""JSON pushed to a real server, as curl sends it, and what the stock centrifuge-python receives."""

import json
from typing import Any

import pytest
import trio

from end_to_end.programs import python_subscriber
from end_to_end.server import RunningServer
from end_to_end.wire import Answer, Connection, connect, request
from patience import PATIENCE_SECONDS

JSON = "application/json"


async def push(connection: Connection, target: str, body: bytes, content_type: str = JSON) -> Answer:
    headers = {"Content-Type": content_type}
    await connection.send(request("POST", f"/api/live/push/{target}", body, host="127.0.0.1", headers=headers))
    return await connection.answer()


async def test_objects_arrive_as_rows_also_behind_another_request(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/room=20temperature"
    body = (
        b'[{"time":"2026-01-31T12:00:00.25Z","room":"a, b","celsius":21.5,"sensor":{"ok":true}},\n'
        b' {"time":1769860801,"room":"c","celsius":"warm"},{"time":"later","celsius":1}]'
    )
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection, python_subscriber(server.subscribe_url) as program:
            await program.subscribe(channel)
            for late in (False, True):
                if late:  # what follows is served by the application
                    await connection.send(request("GET", "/api/health", host="127.0.0.1"))
                    assert (await connection.answer()).status == 200
                answer = await push(connection, f"{stream}/room%20temperature?tags=room&report=1", body)
                report = json.loads(answer.body)
                assert (answer.status, report["accepted"], report["rejected"]) == (200, 2, 1)
                assert (report["rejections"][0]["line"], report["rejections"][0]["reason"]) == (3, "bad_time")
                frame = (await program.wait_for("publication", channel=channel))["data"]
                values = [['{room="a, b"}', "room=c"], [1769860800250, 1769860801000], [21.5, None], [True, None]]
                assert frame["data"]["values"] == values
                if not late:
                    assert frame["schema"]["name"] == "room temperature"
                    names = [field["name"] for field in frame["schema"]["fields"]]
                    assert names == ["labels", "time", "celsius", "sensor.ok"]


@pytest.mark.parametrize("frame_format", ["labels_column", "wide", "series"])
async def test_a_received_frame_can_be_pushed_on(server: RunningServer, stream: str, frame_format: str) -> None:
    lines = (
        b'cpu,host=a,dc=x\\ y idle=1.5,up=t 1700000000000000001\ncpu,host=b text="q\\"",time=3i 1700000000000000002\n'
    )
    first, second = f"stream/{stream}-1/cpu", f"stream/{stream}-2/cpu"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection, python_subscriber(server.subscribe_url) as program:
            await program.subscribe(first)
            await program.subscribe(second)
            await connection.push(f"{stream}-1?gf_live_frame_format={frame_format}", lines)
            frame: Any = (await program.wait_for("publication", channel=first))["data"]
            target = f"{stream}-2/cpu?gf_live_frame_format={frame_format}"
            answer = await push(connection, target, json.dumps([frame], default=float).encode())
            assert (answer.status, answer.headers["framecast-accepted"]) == (204, "2")
            assert (await program.wait_for("publication", channel=second))["data"] == frame


async def test_what_is_wrong_with_a_push_is_said(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            wrong = await push(connection, f"{stream}/cpu", b'{"a":1', JSON)
            assert (wrong.status, "line 1, column 6" in json.loads(wrong.body)["message"]) == (400, True)
            lines = await push(connection, f"{stream}/cpu", b"cpu a=1", "text/plain")
            assert (lines.status, "application/json" in json.loads(lines.body)["message"]) == (400, True)
            hint = await push(connection, f"{stream}?report=1", b'{"a":1}\n' * 1_000)
            report = json.loads(hint.body)
            assert report["rejected"] == 1
            assert f"/api/live/push/{stream}/<measurement>" in report["rejections"][0]["message"]
            many = b"\n".join(b'{"a":%d}' % number for number in range(50_000))
            large = await push(connection, f"{stream}/cpu", many, "application/x-ndjson")
            assert (large.status, large.headers["framecast-accepted"]) == (204, "50000")
    server.check_well()
