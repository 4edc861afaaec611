"""How a soak judges: rows that must follow one another, memory that must stay, a log without errors."""

import json
from random import Random
from typing import Any

import pytest
from bench.soak.__main__ import find_errors
from bench.soak.flatness import find_trend
from bench.soak.following import Follower
from bench.soak.speaking import JSON, PROTOBUF, Connected, Ended, Heard, Pinged

from framecast.protocol.schema import client_pb2

MEGABYTE = 1e6
HALF_AN_HOUR = [second * 1.5 for second in range(1_200)]


def frame(*numbers: int, schema: bool = False) -> dict[str, Any]:
    fields = {"schema": {"fields": [{"name": "time"}, {"name": "n"}, {"name": "padding"}]}} if schema else {}
    return {**fields, "data": {"values": [[0] * len(numbers), list(numbers), ["x"] * len(numbers)]}}


def test_rows_that_follow_one_another_are_whole_wherever_one_begins() -> None:
    follower = Follower()
    for each in (frame(7, 8, schema=True), frame(9), frame(10, 11)):
        follower.take(each)
    assert (follower.last, follower.rows, follower.gaps, follower.disorder) == (11, 5, 0, 0)


def test_gaps_doubles_and_late_rows_are_counted() -> None:
    follower = Follower()
    for each in (frame(1, schema=True), frame(3), frame(2), frame(3), frame(4)):
        follower.take(each)
    assert (follower.last, follower.gaps, follower.disorder) == (4, 1, 2)


def test_rows_before_any_schema_are_no_rows() -> None:
    with pytest.raises(ValueError, match="schema"):
        Follower().take(frame(1))


def test_the_json_of_both_directions_is_understood() -> None:
    past = {"subs": {"c": {"data": frame(1)}}}
    heard = {
        '{"id":1,"connect":{"session":"s","node":"n"}}\n{"id":2,"subscribe":{}}': [Connected("s", "n")],
        json.dumps({"id": 2, "subscribe": {"data": frame(1), "publications": [{"data": frame(2)}]}}): [
            Heard(frame(1)),
            Heard(frame(2)),
        ],
        json.dumps({"push": {"channel": "c", "pub": {"data": frame(1)}}}): [Heard(frame(1))],
        json.dumps({"connect": past}): [Connected("", ""), Heard(frame(1))],
        json.dumps({"channel": "c", "pub": {"data": frame(2)}}): [Heard(frame(2))],
        json.dumps({"channel": "c", "subscribe": {"data": frame(3)}}): [Heard(frame(3))],
        "{}": [Pinged()],
        '{"id":2,"error":{"code":100}}': [Ended('{"code": 100}')],
        '{"push":{"disconnect":{"code":3008}}}': [Ended('disconnect {"code": 3008}')],
        "": [],
    }
    for message, events in heard.items():
        assert list(JSON.read(message)) == events, message


def test_protobuf_says_the_same() -> None:
    data = json.dumps(frame(1)).encode()
    reply = client_pb2.Reply
    replies = [
        (reply(id=1, connect=client_pb2.ConnectResult(session="s", node="n")), Connected("s", "n")),
        (reply(id=2, subscribe=client_pb2.SubscribeResult(data=data)), Heard(frame(1))),
        (reply(push=client_pb2.Push(channel="c", pub=client_pb2.Publication(data=data))), Heard(frame(1))),
        (reply(), Pinged()),
    ]
    message = b""
    for each, _ in replies:
        body = each.SerializeToString()
        assert len(body) < 128
        message += bytes([len(body)]) + body
    assert list(PROTOBUF.read(message)) == [event for _, event in replies]
    refused = reply(id=2, error=client_pb2.Error(code=100)).SerializeToString()
    [ended] = PROTOBUF.read(bytes([len(refused)]) + refused)
    assert isinstance(ended, Ended)
    long = reply(id=2, subscribe=client_pb2.SubscribeResult(data=json.dumps(frame(*range(300))).encode()))
    body = long.SerializeToString()
    assert list(PROTOBUF.read(bytes([len(body) & 127 | 128, len(body) >> 7]) + body)) == [Heard(frame(*range(300)))]


def test_memory_that_goes_up_and_down_and_stays_is_flat() -> None:
    random = Random(3)
    values = [100 * MEGABYTE + random.gauss(0, 2 * MEGABYTE) for _ in HALF_AN_HOUR]
    assert find_trend(HALF_AN_HOUR, values).flat is True


def test_memory_that_fills_in_the_first_quarter_is_flat() -> None:
    values = [min(100.0, 50.0 + second / 6) * MEGABYTE for second in HALF_AN_HOUR]
    assert find_trend(HALF_AN_HOUR, values).flat is True


@pytest.mark.parametrize(
    "values",
    [
        [100.0 + second / 100 for second in HALF_AN_HOUR],
        [100.0 + (10.0 if second > 1_400 else 0.0) for second in HALF_AN_HOUR],
        [100.0 + max(0.0, second - 1_200) / 50 for second in HALF_AN_HOUR],
    ],
    ids=["a leak", "a step near the end", "a rise that begins late"],
)
def test_memory_that_grows_is_not_flat(values: list[float]) -> None:
    assert find_trend(HALF_AN_HOUR, values).flat is False


def test_a_short_time_or_too_few_looks_tell_nothing() -> None:
    assert find_trend([0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]).flat is None
    assert find_trend([second / 10 for second in HALF_AN_HOUR], [1.0] * len(HALF_AN_HOUR)).flat is None
    assert find_trend([], []).flat is None


def test_errors_and_whatever_is_no_line_of_the_log_are_found() -> None:
    log = '{"level":"warning","event":"a"}\n{"level":"error","event":"b"}\nTraceback (most recent call last):\n'
    assert find_errors(log) == [
        'in the log: {"level":"error","event":"b"}',
        "in the log: Traceback (most recent call last):",
    ]
    assert find_errors('{"level":"info"}\n') == []
