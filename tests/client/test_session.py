"""Who may do what when: each rule alone."""

import json
from math import inf

import msgspec
import pytest

from client.desk import SETTINGS, Desk
from client.world import SUBSCRIBED, VERSION
from framecast.client.actions import Connect
from framecast.client.replies import error_reply
from framecast.client.session import LEGAL_MOVES, Session, State
from framecast.client.transport import Emulated
from framecast.errors import PeerError
from framecast.protocol import json_codec
from framecast.protocol.messages import METHODS
from framecast.settings import Live


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.hear('{"id":1,"connect":{}}')
    return desk


def expect_close(desk: Desk, frame: str, code: int) -> None:
    with pytest.raises(PeerError) as caught:
        desk.hear(frame)
    assert caught.value.code == code


def subscribe(channel: str, **extra: object) -> str:
    return json.dumps({"id": 2, "subscribe": {"channel": channel, **extra}})


def test_every_state_that_hears_has_a_verdict_for_every_method() -> None:
    assert {state: set(moves) for state, moves in LEGAL_MOVES.items()} == {
        State.NEW: set(METHODS),
        State.CONNECTED: set(METHODS),
    }


@pytest.mark.parametrize("method", [method for method in METHODS if method != "connect"])
def test_nothing_comes_before_connect(method: str) -> None:
    expect_close(Desk(), json.dumps({"id": 1, method: {"channel": "stream/a/b", "data": 1}}), 3501)


def test_a_pong_before_connect_ends_it() -> None:
    expect_close(Desk(), "{}", 3501)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('{"id":2,"connect":{}}', 3501),
        ('{"id":2,"ping":{}}', 3501),
        ("{}", 3501),
        ('{"subscribe":{"channel":"stream/a/b"}}', 3501),
        ('{"send":{"data":1}}', 3508),
        ('{"id":2,"send":{"data":1}}', 3508),
        ('{"id":2,"refresh":{"token":"t"}}', 3501),
        ('{"id":2,"refresh":{}}', 3501),
        (subscribe("stream/a/b", delta="other"), 3501),
    ],
)
def test_what_ends_a_connected_session(desk: Desk, frame: str, code: int) -> None:
    expect_close(desk, frame, code)


@pytest.mark.parametrize(
    ("method", "body", "code"),
    [
        ("presence", {"channel": "stream/a/b"}, 108),
        ("presence_stats", {"channel": "stream/a/b"}, 108),
        ("history", {"channel": "stream/a/b", "limit": 1}, 108),
        ("rpc", {"method": "grafana.query"}, 104),
        ("rpc", {}, 104),
        ("subscribe", {"channel": "stream/a/" + "b" * 247}, 107),
        ("subscribe", {"channel": "stream/a/" + "b" * 246}, 400),
        ("subscribe", {"channel": "stream/a"}, 400),
        ("subscribe", {"channel": "é" * 128}, 107),
        ("subscribe", {"channel": "2/stream/a/b"}, 103),
        ("subscribe", {"channel": "ds/a/b"}, 404),
        ("subscribe", {"channel": "stream/a/b", "type": 1}, 108),
        ("subscribe", {"channel": "stream/a/b", "type": 4}, 108),
        ("subscribe", {"channel": "stream/a/b", "tf": {"key": "k"}}, 107),
        ("publish", {"channel": "grafana/broadcast/b"}, 107),
        ("publish", {"channel": "grafana/" + "b" * 250, "data": 1}, 107),
        ("publish", {"channel": "stream/a/b", "data": 1}, 403),
        ("sub_refresh", {"channel": "stream/a/b", "token": "t"}, 103),
        ("sub_refresh", {"channel": "no address", "token": "t"}, 103),
    ],
)
def test_what_is_refused_for_good(desk: Desk, method: str, body: dict[str, object], code: int) -> None:
    assert desk.error(json.dumps({"id": 2, method: body})) == (code, False)


def test_connect_tells_the_client_what_it_needs(desk: Desk) -> None:
    [reply] = Desk(Live(ping_seconds=7)).hear('{"id":4294967295,"connect":{"token":"t","data":{},"subs":{"a":{}}}}')
    connect = {"client": "CLIENT", "version": VERSION, "ping": 7, "pong": True}
    assert reply == {"id": 4294967295, "connect": connect}


def test_a_client_that_speaks_by_requests_is_told_where_they_go() -> None:
    desk = Desk()
    desk.member.newcomer = msgspec.structs.replace(desk.member.newcomer, emulated=Emulated("secret", "node 1"))
    [reply] = desk.hear('{"id":1,"connect":{}}')
    assert (reply["connect"]["session"], reply["connect"]["node"]) == ("secret", "node 1")


def test_a_channel_is_one_whatever_its_spelling(desk: Desk) -> None:
    assert desk.hear(subscribe("stream/a/b")) == [{"id": 2, "subscribe": SUBSCRIBED}]
    for spelling in ("stream/a/b", "1/stream/a/b", "default/stream/a/b", "org-1/stream/a/b"):
        assert desk.error(subscribe(spelling)) == (105, False)
    assert [one.spelling for one in desk.session.subscriptions.values()] == ["stream/a/b"]


def test_only_its_own_spelling_ends_a_subscription(desk: Desk) -> None:
    desk.hear(subscribe("1/stream/a/b"))
    assert desk.hear('{"id":3,"unsubscribe":{"channel":"stream/a/b"}}') == [{"id": 3, "unsubscribe": {}}]
    assert desk.session.subscriptions
    assert desk.hear('{"id":4,"unsubscribe":{"channel":"1/stream/a/b"}}') == [{"id": 4, "unsubscribe": {}}]
    assert not desk.session.subscriptions
    assert not desk.hub.subscribers


@pytest.mark.parametrize("channel", ["never/seen/before", "no address", "x" * 300, "7/other/org/path"])
def test_unsubscribing_anything_succeeds(desk: Desk, channel: str) -> None:
    frame = json.dumps({"id": 3, "unsubscribe": {"channel": channel}})
    assert desk.hear(frame) == [{"id": 3, "unsubscribe": {}}]


def test_the_limit_counts_standing_subscriptions(desk: Desk) -> None:
    for name in "abc":
        desk.hear(subscribe(f"stream/a/{name}"))
    assert desk.error(subscribe("stream/a/d")) == (106, False)
    desk.hear('{"id":9,"unsubscribe":{"channel":"stream/a/b"}}')
    assert desk.hear(subscribe("stream/a/d")) == [{"id": 2, "subscribe": SUBSCRIBED}]


def test_what_cannot_be_given_is_left_out_of_the_reply(desk: Desk) -> None:
    wishes = {"recover": True, "epoch": "e", "offset": 2**53 - 1, "positioned": True, "flag": 2**40 + 1}
    [reply] = desk.hear(subscribe("stream/a/b", delta="fossil", type=0, tf=None, **wishes))
    assert reply == {"id": 2, "subscribe": SUBSCRIBED | {"was_recovering": True}}


def test_who_asks_for_all_or_nothing_is_not_subscribed_without_all(desk: Desk) -> None:
    assert desk.error(subscribe("stream/a/b", recover=True, epoch="e", offset=1, flag=3)) == (112, False)
    assert not desk.session.subscriptions
    # A new subscriber has missed nothing.
    assert desk.hear(subscribe("stream/a/b", flag=3)) == [{"id": 2, "subscribe": SUBSCRIBED}]


def test_a_returning_client_gets_what_it_missed_and_walks_up_from_where_it_stood(desk: Desk) -> None:
    [reply] = desk.hear(subscribe("stream/a/b", recover=True, epoch="EPOCH", offset=7, flag=3))
    missed = [{"data": {"data": 8}, "offset": 8}, {"data": {"data": 9}, "offset": 9}]
    recovered = {"offset": 7, "recovered": True, "was_recovering": True, "publications": missed}
    assert reply == {"id": 2, "subscribe": SUBSCRIBED | recovered}


def test_a_refreshed_subscription_ends_the_session(desk: Desk) -> None:
    desk.hear(subscribe("stream/a/b"))
    expect_close(desk, '{"id":3,"sub_refresh":{"channel":"stream/a/b","token":"t"}}', 3501)


@pytest.mark.parametrize(("said", "seen"), [({"data": None}, None), ({}, None), ({"data": 0}, b"0")])
def test_a_scope_is_shown_what_a_subscriber_says(desk: Desk, said: dict[str, object], seen: bytes | None) -> None:
    desk.hear(subscribe("stream/a/b", **said))
    assert desk.scopes.stream.seen == [("1/stream/a/b", seen)]


def test_a_scope_is_told_whether_a_publisher_is_subscribed(desk: Desk) -> None:
    frame = '{"id":3,"publish":{"channel":"grafana/a/b","data":0}}'
    desk.hear(frame)
    desk.hear(subscribe("1/grafana/a/b"))
    desk.hear(frame)
    assert desk.scopes.grafana.published == [("1/grafana/a/b", False), ("1/grafana/a/b", True)]


def test_null_is_published_as_null(desk: Desk) -> None:
    desk.hear(subscribe("grafana/broadcast/b"))
    said = desk.hear('{"id":3,"publish":{"channel":"grafana/broadcast/b","data":null}}')
    push = {"push": {"channel": "grafana/broadcast/b", "pub": {"data": None}}}
    assert said == [push, {"id": 3, "publish": {}}]


def test_one_pong_answers_one_ping(desk: Desk) -> None:
    desk.session.pinged(10.0)
    desk.session.pinged(12.0)
    assert desk.session.pong_deadline == 20.0
    assert desk.hear("{}") == []
    assert desk.session.pong_deadline == 22.0
    assert desk.hear("{}") == []
    assert desk.session.pong_deadline == inf
    expect_close(desk, "{}", 3501)


def test_a_refused_session_hears_nothing_more() -> None:
    session = Session("c1", settings=SETTINGS, publishable=json_codec.publishable)
    [command] = json_codec.decode('{"id":1,"connect":{}}')
    assert isinstance(session.receive(command), Connect)
    session.refused()
    assert [session.receive(item) for item in json_codec.decode('{}\n{"id":2,"connect":{}}\nbroken')] == [None] * 3


@pytest.mark.parametrize(("code", "temporary"), [(100, True), (111, True), (113, True), (403, False), (500, False)])
def test_only_what_may_pass_is_called_temporary(code: int, temporary: bool) -> None:
    error = json.loads(json_codec.encode(error_reply(1, code, "", temporary=False)))["error"]
    assert error.get("temporary", False) is temporary
    assert error["message"]
