"""Writes as InfluxDB's clients make them, and the answers that they act upon."""

import base64
import gzip
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from recording import make_intake
from test_push_http import House, body_of, headers_of, request, status_of
from trio.testing import MockClock

from framecast.accounts.gate import open_gate
from framecast.accounts.identity import Identity
from framecast.door.head import RequestHead
from framecast.ingest.influx import InfluxWrites, _refusal_v2
from framecast.settings import Push
from gates import closed_gate
from heads import head_of

SMALL = Push(body_bytes=1_000, thread_body_bytes=100, body_seconds=60)
V2 = "/api/v2/write?bucket=cpu&org=acme+org"
V1 = "/write?db=cpu"


class InfluxHouse(House):
    """The writes' room behind the door."""

    def __init__(self, limits: Push | None = None, gate: Any = open_gate) -> None:
        super().__init__(limits, gate)
        self.http = InfluxWrites(self.intake)  # type: ignore[assignment]  # the door asks either for a room


class Noticing:
    """A gate that keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[bytes | None] = []

    async def __call__(self, head: RequestHead) -> Identity:
        self.shown.append(head.find(b"authorization"))
        return await open_gate(head)


@pytest.mark.parametrize("path", [V2, V1, V1 + "&rp=autogen&consistency=one", "/api/v2/write?org=&bucket=c%70u"])
async def test_a_write_is_stored_and_answered_with_204_its_counts_and_no_body(path: str) -> None:
    house = InfluxHouse()
    answer = await house.converse(request(b"m f=1\n", path=path))
    assert status_of(answer) == 204
    assert headers_of(answer)["framecast-accepted"] == "1"
    assert headers_of(answer)["framecast-rejected"] == "0"
    assert answer.endswith(b"\r\n\r\n")
    assert house.streams.pushed == [(1, "cpu", b"m f=1\n")]


@pytest.mark.parametrize("path", [V2, V1])
async def test_bodies_come_as_on_the_push_path(path: str) -> None:
    body = b"m f=1\n" * 50
    packed = gzip.compress(body)
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    house = InfluxHouse()
    raw = request(body, path=path) + head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    assert (await house.converse(raw, size=3)).count(b"HTTP/1.1 204") == 2
    assert house.streams.bodies == [body, body]
    assert house.intake.budget.held_bytes == 0


async def test_a_partial_write_stores_the_good_lines_and_names_the_first_bad_one() -> None:
    house = InfluxHouse()
    answer = await house.converse(request(b"m f=1\nbad\nbad\n", path=V2) + request(b"m f=1\nbad\n", path=V1))
    first, second = answer.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"400")
    assert headers_of(first)["framecast-rejected"] == "2"
    assert body_of(first) == {
        "code": "invalid",
        "message": "partial write: 2 of 3 lines refused: line 2: no fields\x1b[31m",
        "line": 2,
        "accepted": 1,
        "rejected": 2,
    }
    assert body_of(second) == {"error": "partial write: line 2: no fields\x1b[31m dropped=1"}
    assert house.streams.bodies == [b"m f=1\nbad\nbad\n", b"m f=1\nbad\n"]


@pytest.mark.parametrize(
    ("path", "precisions"),
    [(V2, ["ns", "us", "ms", "s", "auto"]), (V1, ["n", "ns", "u", "us", "ms", "s", "m", "h", "auto"])],
)
async def test_each_version_has_its_words_for_precisions(path: str, precisions: list[str]) -> None:
    house = InfluxHouse()
    raw = b"".join(request(b"m f=1 1", path=f"{path}&precision={word}") for word in ["", *precisions])
    assert (await house.converse(raw)).count(b"HTTP/1.1 204") == len(precisions) + 1
    assert house.streams.precisions == ["ns", *({"n": "ns", "u": "us"}.get(word, word) for word in precisions)]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/api/v2/write?org=o", ["bucket"]),
        ("/api/v2/write?bucket=", ["bucket"]),
        ("/api/v2/write", ["bucket"]),
        ("/write?bucket=cpu", ["db"]),
        ("/api/v2/write?bucket=db%2Frp", ["bucket", "'db/rp'", "_ - .", "retention"]),
        ("/api/v2/write?bucket=my+bucket", ["bucket", "_ - ."]),
        ("/api/v2/write?bucket=%FF", ["bucket"]),
        ("/write?db=" + "x" * 160, ["db", "160"]),
        (V2 + "&precision=m", ["precision", "'m'", "ns, us, ms, s, auto"]),
        (V1 + "&precision=d", ["precision", "'d'", "n, u, ns, us, ms, s, auto, m, h"]),
    ],
)
async def test_what_cannot_be_is_400_and_says_what_could(path: str, words: list[str]) -> None:
    house = InfluxHouse()
    answer = await house.converse(request(b"m f=1\n", path=path))
    assert status_of(answer) == 400
    document = body_of(answer)
    message = document["message"] if path.startswith("/api") else document["error"]
    assert document.get("code", "invalid") == "invalid"
    assert [word for word in words if word not in message] == []
    assert house.streams.pushed == []


@pytest.mark.parametrize(
    ("body", "header", "status", "code"),
    [
        (b"x" * 1_001, "A: b", 413, "request too large"),
        (gzip.compress(b"x" * 5_000), "Content-Encoding: gzip", 413, "request too large"),
        (b"x", "Content-Encoding: zstd", 415, "unsupported media type"),
        (b"x", "Content-Encoding: gzip", 400, "invalid"),
    ],
)
async def test_refused_bodies_have_the_shape_of_their_version(body: bytes, header: str, status: int, code: str) -> None:
    for path in (V2, V1):
        house = InfluxHouse(SMALL)
        answer = await house.converse(request(body, header, path=path))
        assert status_of(answer) == status
        document = body_of(answer)
        assert list(document) == (["code", "message"] if path == V2 else ["error"])
        assert document.get("code", code) == code
        assert house.streams.pushed == []


@pytest.mark.parametrize(
    ("path", "body", "header", "reason"),
    [
        (V2, b"m f=1\n" * 200, "", "body_limit"),
        (V1, b"m f=1\n", "Content-Encoding: gzip", "bad_gzip"),
        (V2 + "&precision=day", b"m f=1\n", "", "unknown_precision"),
    ],
)
async def test_a_write_that_is_refused_before_its_stream_is_noted_there(
    path: str, body: bytes, header: str, reason: str
) -> None:
    house = InfluxHouse(SMALL)
    await house.converse(request(body, *filter(None, [header]), path=path))
    assert house.streams.refused == [(1, "cpu", reason)]
    assert house.streams.pushed == []


async def test_what_may_be_tried_again_says_when() -> None:
    house = InfluxHouse()
    answer = await house.converse(request(b"m f=1", path="/api/v2/write?bucket=full"))
    assert (status_of(answer), body_of(answer)["code"]) == (429, "too many requests")
    assert int(headers_of(answer)["retry-after"]) > 0
    house = InfluxHouse(Push(waiting_bytes=10))
    answer = await house.converse(request(b"x" * 11, path=V2))
    assert (status_of(answer), body_of(answer)["code"]) == (503, "unavailable")
    assert int(headers_of(answer)["retry-after"]) > 0


async def test_a_body_that_is_too_slow_is_not_answered_with_what_makes_telegraf_drop_it(
    autojump_clock: MockClock,
) -> None:
    house = InfluxHouse(SMALL)
    answer = await house.converse(request(b"m f=1", path=V2)[:-1], eof=False)
    assert (status_of(answer), body_of(answer)["code"]) == (503, "unavailable")
    assert "push.body_seconds" in body_of(answer)["message"]
    assert "retry-after" in headers_of(answer)


@pytest.mark.parametrize("path", [V2, V1, "/api/v2/write", V1 + "&u=a&p=b"])
async def test_the_closed_gate_lets_nobody_write(path: str) -> None:
    house = InfluxHouse(gate=closed_gate)
    answer = await house.converse(request(b"m f=1\n", "Authorization: Token t", path=path))
    assert status_of(answer) == 401
    assert headers_of(answer)["www-authenticate"] == "Bearer"
    document = body_of(answer)
    if path.startswith("/api"):
        assert document["code"] == "unauthorized"
    else:
        assert list(document) == ["error"]
    assert house.streams.pushed == []


@pytest.mark.parametrize(
    ("path", "header", "shown"),
    [
        (V2, "Authorization: Token tok-1", b"Token tok-1"),
        (V2, "Authorization: Bearer tok-1", b"Bearer tok-1"),
        (V2, "A: b", None),
        (V2 + "&u=me&p=secret", "A: b", None),
        (V1, "Authorization: Token me:secret", b"Token me:secret"),
        (V1 + "&u=me&p=s%C3%A9cret", "A: b", b"Basic " + base64.b64encode("me:sécret".encode())),
        (V1 + "&u=me", "A: b", b"Basic " + base64.b64encode(b"me:")),
        (V1 + "&u=me&p=x", "Authorization: Basic other", b"Basic " + base64.b64encode(b"me:x")),
    ],
)
async def test_every_form_of_a_token_reaches_the_gate(path: str, header: str, shown: bytes | None) -> None:
    gate = Noticing()
    house = InfluxHouse(gate=gate)
    assert status_of(await house.converse(request(b"m f=1", header, path=path))) == 204
    assert gate.shown == [shown]


@pytest.mark.parametrize("path", ["/api/v2/write/", "/api/v2/writes", "/write/cpu", "/api/v2/query", "/query"])
async def test_other_paths_are_left_to_the_application(path: str) -> None:
    house = InfluxHouse()
    assert status_of(await house.converse(request(b"", path=path))) == 299
    assert status_of(await InfluxHouse().converse(request(b"", path=V2, method="PUT"))) == 299


async def test_a_write_that_the_application_read_is_answered_the_same() -> None:
    async def pieces(body: bytes) -> AsyncGenerator[bytes, None]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    intake, streams = make_intake(SMALL)
    writes = InfluxWrites(intake)
    answer = await writes.write_from_app(
        head_of("/write", method="POST", query="db=cpu&precision=s"), pieces(b"m f=1\nbad\n")
    )
    assert (answer.status, dict(answer.headers)["Framecast-Rejected"]) == (400, "1")
    assert json.loads(answer.body)["error"].startswith("partial write: line 2")
    assert (streams.pushed, streams.precisions) == ([(1, "cpu", b"m f=1\nbad\n")], ["s"])
    answer = await writes.write_from_app(
        head_of("/api/v2/write", method="POST", query="bucket=cpu"), pieces(b"x" * 1_001)
    )
    assert (answer.status, json.loads(answer.body)["code"]) == (413, "request too large")


def test_a_refusal_without_a_word_of_its_own_is_invalid_or_internal() -> None:
    assert _refusal_v2(418, "m") == {"code": "invalid", "message": "m"}
    assert _refusal_v2(501, "m") == {"code": "internal error", "message": "m"}
