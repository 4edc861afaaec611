"""JSON on the push path: what is taken, what is answered, and how rows are counted."""

import gzip
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import structlog
import trio
from prometheus_client import REGISTRY
from test_push_http import House, body_of, headers_of, request, status_of

from framecast import metrics
from framecast._core import StreamParser
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.ingest.json_rows import is_json
from framecast.settings import Push
from gates import closed_gate
from heads import head_of

PATH = "/api/live/push/cpu/m"
JSON = "Content-Type: application/json"
ROW = b'{"f":1}'
MEMORY = Push(json_lines_bytes=10_000)


def late_head(target: str) -> RequestHead:
    """Of JSON that the application read."""
    return head_of(f"/api/live/push/{target}", (b"content-type", b"application/json"), method="POST")


def push(body: bytes, *headers: str, path: str = PATH, content_type: str = JSON, method: str = "POST") -> bytes:
    return request(body, content_type, *headers, path=path, method=method)


class ParsingStreams:
    """A stream whose real parser takes no more than two measurements' columns: its limits refuse lines."""

    def __init__(self, max_columns: int) -> None:
        self.parser = StreamParser(
            max_measurements=1,
            max_columns=max_columns,
            max_path_bytes=100,
            max_packet_bytes=1 << 20,
            max_push_output_bytes=1 << 20,
            max_rejections=3,
            format="labels_column",
        )

    async def push(self, org_id: int, stream_id: str, body: bytes, received_ns: int, **options: Any) -> Any:
        return self.parser.push(body, received_ns, options["precision"])

    def note_refusal(self, org_id: int, stream_id: str, refusal: Refusal) -> None:
        raise refusal

    def note_rejections(self, org_id: int, stream_id: str, rejections: Any) -> None:
        self.noted = rejections.reasons


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_json_is_stored_as_lines_of_the_measurement_in_the_path(method: str) -> None:
    house = House()
    answer = await house.converse(push(b'[{"f":1,"time":5},{}]', method=method))
    assert status_of(answer) == 204
    assert headers_of(answer)["framecast-accepted"] == "1"
    assert headers_of(answer)["framecast-rejected"] == "1"
    assert house.streams.pushed == [(1, "cpu", b"m f=1i 5000000000\n")]
    assert house.streams.precisions == ["ns"]
    assert house.intake.budget.held_bytes == 0


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/api/live/push/cpu/a/b", b"a/b f=1i"),
        ("/api/live/push/cpu/a%2Fb%2F", b"a/b/ f=1i"),
        ("/api/live/push/cp%75/a%20b%2C%C3%A9", "a\\ b\\,é f=1i".encode()),
        (PATH + "?gf_live_frame_format=wide", b"m f=1i"),
    ],
)
async def test_the_path_names_stream_and_measurement(path: str, line: bytes) -> None:
    house = House()
    assert status_of(await house.converse(push(ROW, path=path))) == 204
    assert house.streams.pushed == [(1, "cpu", line + b"\n")]
    assert house.streams.formats == ["wide" if "wide" in path else None]


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("", b'm host="a",n=2i 1500000000\n'),
        ("?time=n&precision=ms", b'm time=1.5,host="a" 2000000\n'),
        ("?time=", b'm time=1.5,host="a",n=2i\n'),
        ("?tags=host,,n", b"m,host=a,n=2 1500000000\n"),
        ("?tags=host%2Cn", b"m,host=a,n=2 1500000000\n"),
        ("?tags=host&tags=n", b"m,host=a,n=2 1500000000\n"),
        ("?precision=", b'm host="a",n=2i 1500000000\n'),
    ],
)  # fmt: skip
async def test_the_query_says_what_keys_mean(query: str, line: bytes) -> None:
    house = House()
    body = b'{"time":1.5,"host":"a","n":2}' if b"host=a" not in line else b'{"time":1.5,"host":"a","n":2,"v":null}'
    if b"m,host=a" in line:
        body, line = body.replace(b"null", b"1"), line.replace(b"n=2 ", b"n=2 v=1i ")
    assert status_of(await house.converse(push(body, path=PATH + query))) == 204
    assert house.streams.bodies == [line]


async def test_bodies_come_as_on_the_other_push_paths() -> None:
    house = House()
    packed = gzip.compress(ROW)
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\n{JSON}\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw = push(ROW) + head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    assert (await house.converse(raw, size=3)).count(b"HTTP/1.1 204") == 2
    assert house.streams.bodies == [b"m f=1i\n"] * 2


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("Application/JSON ; charset=utf-8", True),
        ("application/vnd.grafana.frame+json", True),
        ("application/x-ndjson", True),
        ("application/jsonl", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("image/svg+json", False),
        ("", False),
    ],
)
def test_content_types_of_json_are_known(content_type: str, expected: bool) -> None:
    assert is_json(content_type) is expected


async def test_a_bad_line_costs_the_whole_body_unless_lines_are_values() -> None:
    house = House()
    body = b'{"f":1}\n{"f" 2}\n{"f":3}\n'
    answer = await house.converse(push(body) + push(body, content_type="Content-Type: application/x-ndjson"))
    first, second = answer.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"400")
    assert body_of(first)["message"].startswith("line 2, column 6: the body is no JSON")
    assert headers_of(second)["framecast-rejected"] == "1"
    assert house.streams.bodies == [b"m f=1i\nm f=3i\n"]


@pytest.mark.parametrize(
    ("path", "content_type", "body", "words"),
    [
        (PATH, "Content-Type: text/plain", b"m f=1\n", ["application/json", "/api/live/push/<stream id>"]),
        (PATH, "A: b", ROW, ["Content-Type: application/json"]),
        ("/api/live/push/cpu/", JSON, ROW, ["the measurement's name"]),
        (PATH + "/", JSON, ROW, ["%2F"]),
        ("/api/live/push//m", JSON, ROW, ["no stream id"]),
        ("/api/live/push/a%2Fb/m", JSON, ROW, ["'a/b'", "letters"]),
        ("/api/live/push/cpu/%FF", JSON, ROW, ["UTF-8"]),
        ("/api/live/push/cpu/%23m", JSON, ROW, ["cannot be a measurement", "begin with #"]),
        ("/api/live/push/cpu/a%0Ab", JSON, ROW, ["cannot be a measurement", "a\\nb"]),
        (PATH + "?precision=h", JSON, ROW, ["'h'", "auto"]),
        (PATH + "?gf_live_frame_format=x", JSON, ROW, ["labels_column"]),
        (PATH, JSON, b"", ["the body is empty"]),
        (PATH, JSON, b"m f=1", ["line 1, column 1", "no JSON"]),
        (PATH, JSON, b"[" + b'{"f":1},' * 2_000, ["EOF"]),
    ],
)  # fmt: skip
async def test_what_cannot_be_taken_is_400_and_says_what_to_do(
    path: str, content_type: str, body: bytes, words: list[str]
) -> None:
    house = House()
    answer = await house.converse(push(body, path=path, content_type=content_type))
    assert status_of(answer) == 400
    message = body_of(answer)["message"].encode().decode("unicode_escape").replace("\n", "\\n")
    assert [word for word in words if word not in message] == []
    assert house.streams.pushed == []
    assert len(house.streams.refused) == (0 if path.startswith(("/api/live/push//", "/api/live/push/a%2F")) else 1)
    assert house.intake.budget.held_bytes == 0


async def test_a_closed_gate_and_a_full_server_refuse_json_too() -> None:
    assert status_of(await House(gate=closed_gate).converse(push(ROW))) == 401
    answer = await House().converse(push(ROW, path="/api/live/push/full/m"))
    assert status_of(answer) == 429
    answer = await House(Push(waiting_bytes=10)).converse(push(ROW))
    assert (status_of(answer), "retry-after" in headers_of(answer)) == (503, True)


async def test_a_report_numbers_rows_whoever_refused_them() -> None:
    house = House(Push(report_lines=3))
    streams = ParsingStreams(max_columns=1)
    house.intake._sink = streams
    rows = [{"a": "three\nwhole\nlines"}, 7, {"a": 1, "b": 2}, {"c": 3}, {"a": "x"}, {}]
    body = json.dumps(rows).encode()
    before = metrics.push_rejected_lines.labels("column_limit")._value.get()
    with structlog.testing.capture_logs() as logged:
        answer = await house.converse(push(body, path=PATH + "?report=1"))
    assert status_of(answer) == 200
    document = body_of(answer)
    assert streams.noted == {"not_an_object": 1, "missing_field": 1}
    assert (document["accepted"], document["rejected"]) == (2, 4)
    shown = [(one["line"], one["column"], one["reason"]) for one in document["rejections"]]
    assert shown == [(2, 1, "not_an_object"), (3, 1, "column_limit"), (4, 1, "column_limit")]
    messages = [one["message"] for one in document["rejections"]]
    assert messages[0].startswith('row 2: "7" is neither')
    assert messages[1] == 'row 3: field "b" is one more than its measurement may have (max_columns)'
    assert metrics.push_rejected_lines.labels("column_limit")._value.get() == before + 2
    assert [(one["count"], one["example"][:6]) for one in logged if "example" in one] == [(4, "row 2:")]


async def test_strict_answers_400_and_stores_the_good_rows() -> None:
    house = House()
    answer = await house.converse(push(b'[{"f":1},{}]', path=PATH + "?strict=1") + push(ROW, path=PATH + "?strict=1"))
    assert answer.count(b"HTTP/1.1 400") == answer.count(b"HTTP/1.1 204") == 1
    assert house.streams.bodies == [b"m f=1i\n"] * 2


async def test_a_large_body_is_read_in_a_thread_within_the_budget_of_all() -> None:
    house = House(Push(json_lines_bytes=100_000, waiting_bytes=170_000))
    body = json.dumps([{"f": number} for number in range(4_000)]).encode()
    seen: list[int] = []

    async def sample() -> None:
        while True:
            seen.append(house.intake.budget.held_bytes)
            await trio.lowlevel.checkpoint()

    async def pieces() -> AsyncGenerator[bytes]:
        yield body

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sample)
        answer = await house.http.push_from_app(late_head("cpu/m"), pieces())
        nursery.cancel_scope.cancel()
    assert dict(answer.headers)["Framecast-Accepted"] == "4000"
    assert max(seen) == len(body) + 100_000
    assert house.intake.budget.held_bytes == 0
    full = House(Push(json_lines_bytes=100_000, waiting_bytes=len(body) + 99_999))
    assert status_of(await full.converse(push(body))) == 503
    assert (full.streams.pushed, full.intake.budget.held_bytes) == ([], 0)


async def test_large_bodies_take_turns_so_that_one_after_another_fits_the_budget() -> None:
    body = json.dumps([{"f": number} for number in range(4_000)]).encode()
    room = 3 * len(body) + 400_000 + 100_000
    house = House(Push(json_lines_bytes=400_000, waiting_bytes=room, parser_threads=1))
    statuses: list[int] = []

    async def pieces() -> AsyncGenerator[bytes]:
        yield body

    async def send() -> None:
        answer = await house.http.push_from_app(late_head("cpu/m"), pieces())
        statuses.append(answer.status)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(send)
    assert statuses == [204] * 3


async def test_rows_past_the_limit_are_refused_and_the_others_stored() -> None:
    house = House(Push(json_lines_bytes=1_000))
    body = json.dumps([{"f": number} for number in range(1_000)]).encode()
    answer = await house.converse(push(body))
    accepted = int(headers_of(answer)["framecast-accepted"])
    assert 50 < accepted < 150
    assert headers_of(answer)["framecast-rejected"] == str(1_000 - accepted)
    assert len(house.streams.bodies[0]) <= 1_000


async def test_bytes_are_counted_as_they_were_pushed() -> None:
    before = REGISTRY.get_sample_value("framecast_push_bytes_total")
    await House().converse(push(ROW))
    assert REGISTRY.get_sample_value("framecast_push_bytes_total") == (before or 0) + len(ROW)


async def test_a_push_that_the_application_read_is_answered_the_same() -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        for byte in b'{"f":1}':
            yield bytes([byte])

    house = House()
    answer = await house.http.push_from_app(late_head("cpu/a%20b"), pieces())
    assert (answer.status, dict(answer.headers)["Framecast-Accepted"]) == (204, "1")
    assert house.streams.bodies == [b"a\\ b f=1i\n"]


@pytest.mark.parametrize("body", [b'{"f":1}\n{"f":2}', b' [\n {"f":1}]', b"[]", b"{}"])
@pytest.mark.parametrize("content_type", [JSON, "Content-Type: application/x-ndjson"])
async def test_json_where_lines_belong_is_one_rejection_that_names_the_path(body: bytes, content_type: str) -> None:
    house = House()
    path = "/api/live/push/cpu?report=1"
    answer = await house.converse(push(body, path=path, content_type=content_type))
    assert status_of(answer) == 200
    document = body_of(answer)
    (rejection,) = document["rejections"]
    assert (document["accepted"], document["rejected"]) == (0, 1)
    assert (rejection["line"], rejection["reason"]) == (1, "json_body")
    assert "/api/live/push/cpu/<measurement>" in rejection["message"]
    assert house.streams.noted == [(1, "cpu", {"json_body": 1})]
    assert house.streams.pushed == []
    assert status_of(await House().converse(push(body, path=path + "&strict=1"))) == 400
    assert status_of(await House().converse(push(body, path="/api/live/push/cpu"))) == 204


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"m f=1", JSON), (b"{m} f=1", JSON), (b"[m] f=1", JSON), (b"", JSON), (b'{"f":1}', "Content-Type: text/plain")],
)
async def test_what_body_and_type_do_not_both_call_json_stays_lines(body: bytes, content_type: str) -> None:
    house = House()
    assert status_of(await house.converse(push(body, path="/api/live/push/cpu", content_type=content_type))) == 204
    assert house.streams.bodies == [body]
