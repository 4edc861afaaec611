"""Pushes over HTTP, through the door: bodies, encodings, limits, answers."""

import gzip
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import structlog
import trio
from prometheus_client import REGISTRY
from recording import RecordingStreams, count_turns, make_intake
from trio.testing import MockClock, memory_stream_pair

from framecast import metrics
from framecast.accounts.gate import Unchanged, nobody_stays, open_gate
from framecast.accounts.identity import DEVELOPER, Identity
from framecast.door.connection import Rooms, TakeOver, serve_connection
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.ingest.http import HttpPush
from framecast.ingest.influx import InfluxWrites
from framecast.ingest.push import Intake
from framecast.settings import Push, Server
from gates import closed_gate
from heads import head_of

SERVER = Server(linger_seconds=1)
SMALL = Push(body_bytes=1_000, thread_body_bytes=100, body_seconds=60, gzip_members=10)


class House:
    """The push room behind a door, on a stream in memory."""

    def __init__(
        self, limits: Push | None = None, gate: Any = open_gate, *, unchanged: Unchanged = nobody_stays
    ) -> None:
        self.intake, self.streams = make_intake(limits, gate, unchanged=unchanged)
        self.http = HttpPush(self.intake)
        self.ours, self.theirs = memory_stream_pair()

    async def serve(self) -> None:
        async def no_websocket(head: RequestHead) -> TakeOver:
            raise Refusal(404, "none")

        async def app(stream: trio.abc.Stream) -> None:
            await stream.send_all(b"HTTP/1.1 299 the application\r\n\r\n")

        await serve_connection(self.ours, Rooms(lambda head: None, no_websocket, self.http.find_room, app), SERVER)
        await self.ours.aclose()

    async def converse(self, raw: bytes, *, eof: bool = True, size: int = 1_000_000) -> bytes:
        answer = bytearray()

        async def read() -> None:
            async for data in self.theirs:
                answer.extend(data)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.serve)
            nursery.start_soon(read)
            for start in range(0, len(raw), size):
                await self.theirs.send_all(raw[start : start + size])
                await trio.testing.wait_all_tasks_blocked()
            if eof:
                await self.theirs.send_eof()
        return bytes(answer)


def request(body: bytes, *headers: str, path: str = "/api/live/push/cpu", method: str = "POST") -> bytes:
    head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *headers, f"Content-Length: {len(body)}", "", ""])
    return head.encode("latin-1") + body


def chunked(body: bytes, *headers: str, size: int = 10) -> bytes:
    head = "\r\n".join(
        ["POST /api/live/push/cpu HTTP/1.1", "Host: a", *headers, "Transfer-Encoding: chunked", "", ""]
    ).encode()
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def headers_of(answer: bytes) -> dict[str, str]:
    lines = answer.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


def body_of(answer: bytes) -> Any:
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_push_is_stored_and_answered_with_204_and_its_counts(method: str) -> None:
    house = House()
    answer = await house.converse(request(b"m f=1\nbad\n", method=method))
    assert status_of(answer) == 204
    assert headers_of(answer)["framecast-accepted"] == "1"
    assert headers_of(answer)["framecast-rejected"] == "1"
    assert answer.endswith(b"\r\n\r\n")
    assert house.streams.pushed == [(1, "cpu", b"m f=1\nbad\n")]


async def test_what_a_request_asks_for_is_not_what_the_one_before_it_asked_for() -> None:
    house = House()
    raw = request(b"m f=1\n") + request(b"m f=22\n", path="/api/live/push/cpu?precision=ms")
    raw += request(b"bad\n", path="/api/live/push/mem?strict=1") + request(b"m f=1\n")
    raw += request(b"x", path="/api/live/push/a%20b") + request(b"y", path="/api/live/push/a%20b")
    answers = (await house.converse(raw)).split(b"HTTP/1.1 ")[1:]
    assert [one[:3] for one in answers] == [b"204", b"204", b"400", b"204", b"400", b"400"]
    assert [stream for _, stream, _ in house.streams.pushed] == ["cpu", "cpu", "mem", "cpu"]
    assert house.streams.precisions == ["ns", "ms", "ns", "ns"]


@pytest.mark.parametrize("size", [1, 3, 1_000_000])
async def test_bodies_arrive_whole_however_they_are_sent(size: int) -> None:
    body = b"m f=1\n" * 50
    packed = gzip.compress(body)
    house = House()
    raw = request(body) + chunked(body) + request(packed, "Content-Encoding: gzip")
    raw += chunked(packed, "Content-Encoding: X-GZIP") + request(b"", "Content-Encoding: identity")
    answer = await house.converse(raw, size=size)
    assert answer.count(b"HTTP/1.1 204") == 5
    assert house.streams.bodies == [body, body, body, body, b""]


async def test_several_gzip_members_are_one_body() -> None:
    house = House()
    packed = gzip.compress(b"a f=1\n") + gzip.compress(b"") + gzip.compress(b"b f=1\n" * 1_000)
    assert status_of(await house.converse(request(packed, "Content-Encoding: gzip"))) == 204
    assert house.streams.bodies == [b"a f=1\n" + b"b f=1\n" * 1_000]


async def test_a_large_gzip_body_goes_through_a_thread_unharmed() -> None:
    house = House()
    body = b"".join(b"m f=%d\n" % number for number in range(100_000))
    assert status_of(await house.converse(chunked(gzip.compress(body), "Content-Encoding: gzip", size=240))) == 204
    assert house.streams.bodies == [body]


PACKED = gzip.compress(b"m f=1\n" * 20)


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (PACKED[:-1], 400, "cut off"),
        (PACKED[:12], 400, "cut off"),
        (PACKED[:-5] + b"\0" + PACKED[-4:], 400, "damaged"),
        (b"m f=1\n", 400, "not gzip"),
        (PACKED + b"garbage", 400, "damaged"),
        (gzip.compress(b"") * 11, 400, "members"),
        (gzip.compress(b"x" * 1_001), 413, "1000"),
        (gzip.compress(b"x" * 5_000_000), 413, "1000"),
        (gzip.compress(gzip.compress(b"x" * 5_000_000))[:-3], 413, "1000"),
    ],
)
async def test_bad_gzip_is_refused_by_name_and_nothing_is_stored(body: bytes, status: int, word: str) -> None:
    for raw in (request(body, "Content-Encoding: gzip"), chunked(body, "Content-Encoding: gzip")):
        house = House(SMALL)
        answer = await house.converse(raw)
        assert status_of(answer) == status
        assert word in body_of(answer)["message"]
        assert house.streams.pushed == []
        assert house.intake.budget.held_bytes == 0


@pytest.mark.parametrize(
    "raw", [request(b"x" * 1_001), chunked(b"x" * 1_001), request(b"")[:-5] + b"999999999999\r\n\r\n"]
)
async def test_a_body_over_the_limit_is_413(raw: bytes) -> None:
    house = House(SMALL)
    answer = await house.converse(raw)
    assert status_of(answer) == 413
    assert headers_of(answer).get("connection") == "close" or b"Transfer-Encoding" in raw or len(raw) > 1_000
    assert house.streams.pushed == []
    assert house.intake.budget.held_bytes == 0


async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    house = House(SMALL)
    raw = request(b"x" * 1_000) + request(gzip.compress(b"x" * 1_000), "Content-Encoding: gzip")
    assert (await house.converse(raw)).count(b"HTTP/1.1 204") == 2


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
async def test_other_encodings_are_415_and_name_what_is_accepted(encoding: str) -> None:
    answer = await House().converse(request(b"x", f"Content-Encoding: {encoding}"))
    assert status_of(answer) == 415
    assert headers_of(answer)["accept-encoding"] == "gzip, identity"
    assert "gzip" in body_of(answer)["message"]


async def test_a_report_says_where_and_why() -> None:
    answer = await House().converse(request(b"m f=1\nbad\n", path="/api/live/push/cpu?report=1&unknown=x"))
    assert status_of(answer) == 200
    assert headers_of(answer)["framecast-rejected"] == "1"
    report = body_of(answer)
    assert (report["accepted"], report["rejected"]) == (1, 1)
    assert report["rejections"][0].keys() == {"line", "column", "reason", "message"}
    assert report["rejections"][0]["line"] == 2
    assert report.keys() == {"accepted", "rejected", "rejections"}


@pytest.mark.parametrize("query", ["report=1", "strict=1"])
async def test_a_report_says_what_does_not_fit_and_what_is_late(query: str) -> None:
    counters = (metrics.push_mismatched_values, metrics.push_late_rows)
    before = [counter._value.get() for counter in counters]
    body = b"m f=1\nlate f=1\nbad\nodd f=2\nodd f=2\nlate f=2\nlate f=3\n"
    report = body_of(await House().converse(request(body, path=f"/api/live/push/cpu?{query}")))
    assert (report["mismatched"], report["late"]) == (2, 3)
    assert report["mismatches"] == ["line 4: odd", "line 5: odd"]
    assert [counter._value.get() - was for counter, was in zip(counters, before, strict=True)] == [2, 3]


async def test_strict_refuses_with_the_report_and_the_good_lines_are_stored() -> None:
    house = House()
    path = "/api/live/push/cpu?strict=1"
    answer = await house.converse(request(b"m f=1\nbad\n", path=path))
    assert status_of(answer) == 400
    assert body_of(answer)["rejections"][0]["line"] == 2
    assert house.streams.bodies == [b"m f=1\nbad\n"]
    assert status_of(await House().converse(request(b"m f=1\n", path=path))) == 204


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/api/live/push/", 400, "no stream id"),
        ("/api/live/push/a%2Fb", 400, "letters"),
        ("/api/live/push/a/b", 400, "Content-Type: application/json"),
        ("/api/live/push/%ff", 400, "letters"),
        ("/api/live/push/a%0ab", 400, "a\\nb"),
        ("/api/live/push/" + "a" * 160, 400, "160"),
        ("/api/live/push/cpu?gf_live_frame_format=prometheus", 400, "labels_column, wide, series"),
        ("/api/live/push/full", 429, "too many"),
    ],
)
async def test_what_cannot_be_pushed_is_refused_with_a_hint(path: str, status: int, word: str) -> None:
    house = House()
    answer = await house.converse(request(b"m f=1\n", path=path))
    assert status_of(answer) == status
    assert word in answer.split(b"\r\n\r\n")[1].decode().replace("\\\\", "\\")
    assert house.streams.pushed == []
    if status == 429:
        assert int(headers_of(answer)["retry-after"]) > 0


@pytest.mark.parametrize("path", ["/api/live/push/%63pu", "/api/live/push/cpu?gf_live_frame_format=labels_column"])
async def test_other_spellings_of_a_good_push_are_taken(path: str) -> None:
    house = House()
    raw = request(b"m f=1\n", path=path) + request(b"m f=2\n", path="/api/live/push/cpu?gf_live_frame_format=")
    assert (await house.converse(raw)).count(b"HTTP/1.1 204") == 2
    assert {stream for _, stream, _ in house.streams.pushed} == {"cpu"}


async def test_the_frame_format_that_a_push_names_reaches_its_stream() -> None:
    house = House()
    formats = ["", "?gf_live_frame_format=", "?gf_live_frame_format=wide", "?gf_live_frame_format=SERIES"]
    raw = b"".join(request(b"m f=1\n", path=f"/api/live/push/cpu{query}") for query in formats)
    assert (await house.converse(raw)).count(b"HTTP/1.1 204") == 4
    assert house.streams.formats == [None, None, "wide", "series"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (request(b"m f=1\n" * 200), "body_limit"),
        (chunked(b"m f=1\n" * 200), "body_limit"),
        (request(gzip.compress(b"m f=1\n" * 200), "Content-Encoding: gzip"), "body_limit"),
        (request(gzip.compress(b"") * 11, "Content-Encoding: gzip"), "gzip_member_limit"),
        (request(b"m f=1", "Content-Encoding: gzip"), "bad_gzip"),
        (request(PACKED[:-4], "Content-Encoding: gzip"), "bad_gzip"),
        (request(b"m f=1", "Content-Encoding: br"), "encoding"),
        (request(b"m f=1", path="/api/live/push/cpu?precision=day"), "unknown_precision"),
        (request(b"m f=1", path="/api/live/push/cpu?gf_live_frame_format=tall"), "unknown_format"),
    ],
)
async def test_a_push_that_is_refused_before_its_stream_is_noted_there(raw: bytes, reason: str) -> None:
    house = House(SMALL)
    assert status_of(await house.converse(raw)) in {400, 413, 415}
    assert house.streams.refused == [(1, "cpu", reason)]
    assert house.streams.pushed == []


@pytest.mark.parametrize(("path", "status"), [("full", 429), ("a%20b", 400), ("", 400)])
async def test_what_the_streams_refuse_themselves_and_what_is_no_id_is_not_noted(path: str, status: int) -> None:
    house = House()
    assert status_of(await house.converse(request(b"m f=1", path=f"/api/live/push/{path}"))) == status
    assert house.streams.refused == []


@pytest.mark.parametrize("path", ["/api/live/push/cpu", "/api/live/push/cpu/load", "/api/v2/write?bucket=cpu"])
async def test_a_body_that_arrives_behind_the_end_of_its_token_is_not_stored(path: str) -> None:
    revoked: set[Identity] = set()
    intake, streams = make_intake(stands=lambda identity: identity not in revoked)

    async def revoked_meanwhile() -> AsyncGenerator[bytes, None]:
        yield b'{"value": 1}' if path.endswith("load") else b"cpu value="
        revoked.add(DEVELOPER)
        yield b"\n" if path.endswith("load") else b"1\n"

    path, _, query = path.partition("?")
    kind = b"application/json" if path.endswith("load") else b"text/plain"
    head = head_of(path, (b"content-type", kind), method="POST", query=query)
    if query:
        answer = await InfluxWrites(intake).write_from_app(head, revoked_meanwhile())
    else:
        answer = await HttpPush(intake).push_from_app(head, revoked_meanwhile())
    assert answer.status == 401
    assert streams.pushed == []


@pytest.mark.parametrize("path", ["/api/live/push/cpu", "/api/v2/write?bucket=cpu"])
async def test_the_gate_is_asked_again_for_another_head_and_when_anything_was_changed(path: str) -> None:
    asked: list[bytes | None] = []
    changed: set[Identity] = set()

    async def gate(head: RequestHead) -> Identity:
        asked.append(head.find(b"authorization"))
        if changed:
            raise Refusal(401, "revoked")
        return DEVELOPER

    house = House(gate=gate, unchanged=lambda identity: identity not in changed)
    if "write" in path:
        house.http = InfluxWrites(house.intake)  # type: ignore[assignment]  # the door asks either for a room
    one, other = (request(b"m f=1\n", f"Authorization: Bearer {name}", path=path) for name in ("one", "other"))

    async def push(raw: bytes) -> int:
        await house.theirs.send_all(raw)
        return status_of(bytes(await house.theirs.receive_some()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.serve)
        assert [await push(raw) for raw in (one, one, one, other, one)] == [204] * 5
        changed.add(DEVELOPER)
        assert await push(one) == 401
        await house.theirs.send_eof()
    assert asked == [b"Bearer one", b"Bearer other", b"Bearer one", b"Bearer one"]
    assert len(house.streams.pushed) == 5


async def test_without_a_way_in_a_push_is_401() -> None:
    house = House(gate=closed_gate)
    answer = await house.converse(request(b"m f=1\n"))
    assert status_of(answer) == 401
    assert headers_of(answer)["www-authenticate"] == "Bearer"
    assert house.streams.pushed == []


async def test_the_gate_sees_the_authorization_header() -> None:
    seen = []

    async def gate(head: RequestHead) -> Identity:
        seen.append(head.find(b"authorization"))
        return await open_gate(head)

    await House(gate=gate).converse(request(b"m f=1\n", "Authorization: Bearer abc"))
    assert seen == [b"Bearer abc"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
async def test_other_methods_go_to_the_application(method: str) -> None:
    assert status_of(await House().converse(request(b"", method=method))) == 299


async def test_a_body_that_drips_is_408_in_time(autojump_clock: MockClock) -> None:
    house = House(SMALL)

    async def drip() -> None:
        await house.theirs.send_all(request(b"x" * 900)[:-900])
        while True:
            await house.theirs.send_all(b"x")
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip)
        nursery.start_soon(house.serve)
        answer = await house.theirs.receive_some()
        assert status_of(bytes(answer)) == 408
        assert trio.current_time() == 60
        nursery.cancel_scope.cancel()
    assert house.streams.pushed == []
    assert house.streams.refused == [(1, "cpu", "body_time_limit")]
    assert house.intake.budget.held_bytes == 0


async def test_a_body_in_tiny_chunks_is_400_and_a_large_one_in_small_chunks_is_none() -> None:
    assert status_of(await House().converse(chunked(b"#" * 10_000, size=1))) == 204
    answer = await House().converse(chunked(b"#" * 10_001, size=1))
    assert status_of(answer) == 400
    assert "tiny chunks" in body_of(answer)["message"]
    assert status_of(await House().converse(chunked(b"#" * 10 + b"x f=1\n" * 500_000, size=240))) == 204


@pytest.mark.parametrize("path", ["cpu", "not%20a%20stream"])
async def test_a_flood_of_tiny_chunks_leaves_others_their_turn(path: str) -> None:
    raw = chunked(b"#" * 6_400, size=1).replace(b"/cpu", f"/{path}".encode())
    house = House()
    async with trio.open_nursery() as nursery:
        turns = count_turns(nursery)
        nursery.start_soon(house.serve)
        await house.theirs.send_all(raw)
        assert await house.theirs.receive_some()
        nursery.cancel_scope.cancel()
    assert turns[0] >= 100


async def test_a_peer_that_leaves_in_its_body_pushes_nothing_and_is_not_logged() -> None:
    for raw in (request(b"m f=1\n")[:-2], chunked(b"m f=1\n")[:-4]):
        house = House()
        with structlog.testing.capture_logs() as logs:
            assert await house.converse(raw) == b""
        assert house.streams.pushed == []
        assert house.intake.budget.held_bytes == 0
        assert [entry for entry in logs if entry["log_level"] != "debug"] == []


async def test_bodies_of_all_senders_share_one_budget() -> None:
    limits = Push(waiting_bytes=1_000)
    house, other = House(limits), House(limits)
    other.intake = house.intake
    other.http = HttpPush(house.intake)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other.serve)
        await other.theirs.send_all(request(b"x" * 900)[:-10])
        await trio.testing.wait_all_tasks_blocked()
        assert house.intake.budget.held_bytes == 890
        answer = await house.converse(request(b"x" * 200))
        assert status_of(answer) == 503
        assert int(headers_of(answer)["retry-after"]) > 0
        assert house.streams.refused == [(1, "cpu", "waiting_limit")]
        await other.theirs.send_all(b"x" * 10)
        assert status_of(bytes(await other.theirs.receive_some())) == 204
        await other.theirs.send_eof()
    assert house.intake.budget.held_bytes == 0


async def test_an_inflated_body_is_counted_while_it_comes_out() -> None:
    bomb = request(gzip.compress(b"#" * 8_000_000), "Content-Encoding: gzip")
    house = House(Push(waiting_bytes=4_000_000))
    most = 0
    take = house.intake.budget.take

    def counted(count: int) -> None:
        nonlocal most
        take(count)
        most = max(most, house.intake.budget.held_bytes)

    house.intake.budget.take = counted  # type: ignore[method-assign]  # to see what is held in between
    assert status_of(await house.converse(bomb)) == 503
    assert 2_000_000 < most <= 4_000_000
    assert house.intake.budget.held_bytes == 0
    assert status_of(await House(Push(waiting_bytes=9_000_000)).converse(bomb)) == 204


async def test_bad_lines_are_counted_by_reason_and_logged_once_a_minute_escaped() -> None:
    house = House()
    counter = metrics.push_rejected_lines.labels("missing_fields")
    before = counter._value.get()
    with structlog.testing.capture_logs() as logs:
        await house.converse(request(b"bad\nbad\n") * 20)
    assert counter._value.get() - before == 40
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert len(warnings) == 1
    assert warnings[0]["stream"] == "cpu"
    assert "\x1b" not in warnings[0]["example"]


async def test_ever_new_streams_cannot_fill_the_log() -> None:
    house = House(Push(complaint_lines=5))
    raw = b"".join(request(b"bad\n", path=f"/api/live/push/s{number}") for number in range(100))
    with structlog.testing.capture_logs() as logs:
        answer = await house.converse(raw)
    assert answer.count(b"HTTP/1.1 204") == 100
    assert [entry["stream"] for entry in logs if entry["log_level"] == "warning"] == ["s0", "s1", "s2", "s3", "s4"]


async def test_streams_that_got_no_line_are_counted_in_one_when_the_time_is_over() -> None:
    house = House(Push(complaint_lines=1, complaint_seconds=0.001))
    with structlog.testing.capture_logs() as logs:
        for number in range(3):
            house.intake._complaints.due(number, 0, 1)
        house.intake.complain(DEVELOPER, "late", count=1, example="")
    assert [(entry["event"], entry.get("streams"), entry.get("stream")) for entry in logs] == [
        ("pushed data of more streams refused", 2, None),
        ("pushed data refused", None, "late"),
    ]


async def test_requests_are_counted_by_status() -> None:
    def value(status: str) -> float:
        return REGISTRY.get_sample_value("framecast_push_requests_total", {"status": status}) or 0.0

    before = (value("204"), value("415"))
    await House().converse(request(b"m f=1\n") + request(b"", "Content-Encoding: br"))
    assert (value("204") - before[0], value("415") - before[1]) == (1, 1)


class TestPushFromTheApplication:
    """The same service for requests that hypercorn read."""

    async def push(
        self, intake: Intake, method: str, body: bytes, *headers: tuple[bytes, bytes], query: str = ""
    ) -> Any:
        async def pieces() -> AsyncGenerator[bytes, None]:
            for start in range(0, len(body), 7):
                yield body[start : start + 7]

        head = head_of("/api/live/push/cpu", *headers, method=method, query=query)
        return await HttpPush(intake).push_from_app(head, pieces())

    async def test_answers_are_the_same(self) -> None:
        intake, streams = make_intake()
        answer = await self.push(intake, "POST", gzip.compress(b"m f=1\nbad\n"), (b"content-encoding", b"gzip"))
        assert (answer.status, dict(answer.headers)) == (204, {"Framecast-Accepted": "1", "Framecast-Rejected": "1"})
        assert streams.bodies == [b"m f=1\nbad\n"]
        assert (await self.push(intake, "POST", b"bad", query="strict=1")).status == 400

    async def test_another_method_is_405_and_names_the_right_ones(self) -> None:
        intake, streams = make_intake()
        answer = await self.push(intake, "DELETE", b"")
        assert answer.status == 405
        assert "POST" in dict(answer.headers)["Allow"]
        assert streams.pushed == []

    async def test_limits_hold_here_too(self) -> None:
        intake, _ = make_intake(SMALL)
        assert (await self.push(intake, "POST", b"x" * 1_001)).status == 413


def test_the_recording_room_is_a_stream_sink() -> None:
    assert isinstance(RecordingStreams().pushed, list)
