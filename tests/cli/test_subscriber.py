"""The client's side of the protocol: what it sends, what it makes of what it hears."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.cli.subscriber import (
    Connected,
    ConnectRefused,
    Ended,
    ProtocolError,
    Published,
    Subscribed,
    Subscriber,
    may_reconnect,
)


def sent(subscriber: Subscriber) -> list[dict[str, Any]]:
    message = subscriber.take_outgoing()
    return [] if message is None else [json.loads(line) for line in message.split(b"\n")]


def opened(*channels: str) -> Subscriber:
    subscriber = Subscriber(list(channels))
    subscriber.open()
    sent(subscriber)
    return subscriber


def test_connect_and_subscribe_travel_in_one_message() -> None:
    subscriber = Subscriber(["stream/a/b", "stream/a/c"], token="t")
    subscriber.open()
    connect, first, second = sent(subscriber)
    assert connect == {"id": 1, "connect": {"name": "framecast", "token": "t"}}
    assert first == {"id": 2, "subscribe": {"channel": "stream/a/b", "recoverable": True}}
    assert second["subscribe"]["channel"] == "stream/a/c"
    assert subscriber.take_outgoing() is None


def test_only_the_first_subscription_asks_for_less_than_all_rows() -> None:
    subscriber = Subscriber(["x/y/z"], last_rows=3)
    subscriber.open()
    assert sent(subscriber)[1]["subscribe"] == {"channel": "x/y/z", "recoverable": True, "data": {"rows": 3}}
    subscriber.receive('{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":4}}')
    subscriber.open()
    # What was missed since is wanted whole.
    assert sent(subscriber)[1]["subscribe"] == {
        "channel": "x/y/z",
        "recoverable": True,
        "recover": True,
        "epoch": "e",
        "offset": 4,
    }


def test_several_replies_and_pushes_may_share_a_message() -> None:
    subscriber = opened("x/y/z")
    events = subscriber.receive(
        '{"id":1,"connect":{"client":"c","ping":25,"pong":true}}\n{"id":2,"subscribe":{"data":{"a":1}}}\n'
        '{"push":{"channel":"x/y/z","pub":{"data":[1]}}}\n{"push":{"channel":"other","pub":{"data":[2]}}}'
    )
    assert events == [
        Connected(35.0),
        Subscribed("x/y/z", {"a": 1}, again=False, recovered=False),
        Published("x/y/z", [1]),
    ]


@pytest.mark.parametrize(("pong", "answer"), [(True, [{}]), (False, [])])
def test_a_ping_is_answered_when_the_server_wants_it(pong: bool, answer: list[Any]) -> None:
    subscriber = opened("x/y/z")
    subscriber.receive(json.dumps({"id": 1, "connect": {"client": "c", "ping": 25, "pong": pong}}))
    assert subscriber.receive("{}") == []
    assert sent(subscriber) == answer


def test_a_new_connection_asks_for_what_was_missed() -> None:
    subscriber = opened("x/y/z")
    subscriber.receive('{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":5}}')
    subscriber.receive('{"push":{"channel":"x/y/z","pub":{"data":1,"offset":7}}}')
    subscriber.open()
    _, command = sent(subscriber)
    assert command["subscribe"] == {
        "channel": "x/y/z",
        "recoverable": True,
        "recover": True,
        "epoch": "e",
        "offset": 7,
    }
    reply = {
        "recoverable": True,
        "epoch": "e",
        "offset": 7,
        "recovered": True,
        "publications": [{"data": 2, "offset": 8}],
    }
    assert subscriber.receive(json.dumps({"id": command["id"], "subscribe": reply})) == [
        Subscribed("x/y/z", None, again=True, recovered=True),
        Published("x/y/z", 2),
    ]
    subscriber.open()
    assert sent(subscriber)[1]["subscribe"]["offset"] == 8


def test_a_refused_channel_ends_and_the_others_go_on() -> None:
    subscriber = opened("a/b/c", "d/e/f")
    events = subscriber.receive('{"id":2,"error":{"code":404,"message":"not found"}}\n{"id":3,"subscribe":{}}')
    assert events[0] == Ended("a/b/c", 404, "not found", temporary=False)
    assert subscriber.active
    subscriber.open()
    assert [command["subscribe"]["channel"] for command in sent(subscriber)[1:]] == ["d/e/f"]
    subscriber.receive('{"push":{"channel":"d/e/f","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}')
    assert not subscriber.active


def test_a_temporary_refusal_keeps_the_channel() -> None:
    subscriber = opened("a/b/c")
    error = '{"id":2,"error":{"code":100,"message":"internal server error","temporary":true}}'
    assert subscriber.receive(error) == [Ended("a/b/c", 100, "internal server error", temporary=True)]
    assert subscriber.active
    subscriber.subscribe("a/b/c")
    assert sent(subscriber)[0]["subscribe"]["channel"] == "a/b/c"
    push = '{"push":{"channel":"a/b/c","unsubscribe":{"code":2500,"reason":"insufficient state"}}}'
    assert subscriber.receive(push) == [Ended("a/b/c", 2500, "insufficient state", temporary=True)]


def test_a_refused_connect_is_told() -> None:
    error = '{"id":1,"error":{"code":101,"message":"unauthorized"}}'
    assert opened("a/b/c").receive(error) == [ConnectRefused(101, "unauthorized", temporary=False)]


@pytest.mark.parametrize("message", ["nonsense", "[]", "1", b"\xff"])
def test_what_is_no_reply_is_a_protocol_error(message: str | bytes) -> None:
    with pytest.raises(ProtocolError):
        opened("a/b/c").receive(message)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
replies = st.dictionaries(
    st.sampled_from(["id", "connect", "subscribe", "push", "error"]),
    json_values
    | st.integers(1, 3)
    | st.fixed_dictionaries({"channel": st.just("a/b/c")}, optional={"pub": json_values, "unsubscribe": json_values})
    | st.dictionaries(
        st.sampled_from(["code", "message", "publications", "offset", "epoch", "ping", "pong"]), json_values
    ),
)


@given(st.lists(replies, max_size=5))
def test_no_reply_breaks_the_subscriber(stream: list[Any]) -> None:
    subscriber = opened("a/b/c")
    for reply in stream:
        for event in subscriber.receive(json.dumps(reply)):
            assert isinstance(event, Connected | ConnectRefused | Subscribed | Published | Ended)


@pytest.mark.parametrize(
    ("code", "again"),
    [
        (1000, True),
        (1006, True),
        (1009, False),
        (3000, True),
        (3012, True),
        (3499, True),
        (3500, False),
        (3999, False),
        (4000, True),
        (4499, True),
        (4500, False),
        (4999, False),
        (5000, True),
    ],
)
def test_the_close_code_decides_about_reconnecting(code: int, again: bool) -> None:
    assert may_reconnect(code) is again
