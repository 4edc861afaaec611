"""What becomes of each command beyond subscribing to a plain channel: presence, pages, tokens, ends from the server."""

from math import inf
from typing import Any

import msgspec
import pytest
import structlog

from client.desk import Desk
from client.talk import A_B, ALICE, Scripted, Talk, keep
from client.wired import counted
from client.world import PLAIN, SUBSCRIBED, TOP, UNIX_SECONDS, Wishes
from framecast.accounts.admission import Admission, Grant
from framecast.accounts.identity import Identity
from framecast.accounts.tokens.claims import Override
from framecast.channels.subscriptions import Delivery
from framecast.errors import PeerError, Refusal
from framecast.protocol.codes import CloseCode, ErrorCode, UnsubscribeCode
from framecast.settings import Live

PATIENCE_SECONDS = 25.0


def test_the_log_says_which_channel_was_refused_even_if_it_could_not_be_anybodys() -> None:
    talk = Talk()
    talk.connect()
    with structlog.testing.capture_logs() as lines:
        assert talk.refused(subscribe={"channel": "2/stream/a/b"}) == (103, False)
    [line] = [line for line in lines if line["event"] == "permission refused"]
    assert (line["wanted"], line["resource"]) == ("subscribe", "2/stream/a/b")


# Presence, joining and leaving


def test_presence_is_not_there_unless_it_is_switched_on() -> None:
    talk = Talk(presence=True)
    talk.connect()
    talk.subscribe()
    assert talk.refused(presence={"channel": "stream/a/b"}) == (108, False)
    assert talk.refused(presence_stats={"channel": "stream/a/b"}) == (108, False)


def test_presence_is_for_those_who_are_present() -> None:
    talk = Talk(presence=True, ask_presence=True)
    talk.connect()
    assert talk.refused(presence={"channel": "stream/a/b"}) == (103, False)
    assert talk.refused(presence_stats={"channel": "stream/a/b"}) == (103, False)


def test_presence_tells_users_and_their_info() -> None:
    talk = Talk(presence=True, ask_presence=True)
    talk.tokens.grants["t"] = Grant(info=b'{"seat":3}')
    talk.connect()
    talk.subscribe(token="t")
    alice = {"user": "alice", "client": "c1", "conn_info": {"n": 1}, "chan_info": {"seat": 3}}
    [reply] = talk.say(presence={"channel": "stream/a/b"})
    assert reply == {"id": 2, "presence": {"presence": {"c1": alice}}}
    [reply] = talk.say(presence_stats={"channel": "stream/a/b"})
    assert reply == {"id": 2, "presence_stats": {"num_clients": 1, "num_users": 1}}
    assert talk.tokens.asked == [("stream/a/b", "c1")]


@pytest.mark.parametrize(
    ("option", "wish", "told"),
    [("off", True, False), ("asked", False, False), ("asked", True, True), ("pushed", False, True)],
)
def test_joins_are_told_after_the_reply_to_those_who_want_them(option: str, wish: bool, told: bool) -> None:
    talk = Talk(join_leave=option)
    talk.connect()
    said = talk.say(subscribe={"channel": "stream/a/b", "join_leave": wish})
    assert "subscribe" in said[0]
    info = {"user": "alice", "client": "c1", "conn_info": {"n": 1}}
    assert said[1:] == ([{"push": {"channel": "stream/a/b", "join": {"info": info}}}] if told else [])


# History


def test_history_is_for_subscribers_of_channels_that_have_it() -> None:
    talk = Talk(ask_history=True)
    talk.connect()
    keep(talk, 3)
    assert talk.refused(history={"channel": "stream/a/b"}) == (103, False)
    assert talk.refused(history={"channel": "stream/tg/cpu"}) == (108, False)


@pytest.mark.parametrize("command", ["presence", "history"])
def test_long_answers_wait_for_room(command: str) -> None:
    talk = Talk(Live(queue_bytes=400, room_seconds=1), ask_history=True, presence=True, ask_presence=True)
    talk.connect()
    keep(talk, 3)
    talk.subscribe()
    talk.outbox.queued_bytes = 101
    assert talk.refused(**{command: {"channel": "stream/a/b"}}) == (111, True)
    talk.outbox.queued_bytes = 100
    assert command in talk.say(**{command: {"channel": "stream/a/b"}})[0]


def test_pages_of_history_go_both_ways() -> None:
    talk = Talk(ask_history=True)
    talk.connect()
    keep(talk, 4)
    talk.subscribe()

    def page(**request: object) -> tuple[list[int], dict[str, Any]]:
        [reply] = talk.say(history={"channel": "stream/a/b", **request})
        return [pub["offset"] for pub in reply["history"]["publications"]], reply["history"]

    offsets, whole = page(limit=-1)
    assert offsets == [10, 11, 12, 13]
    assert (whole["epoch"], whole["offset"]) == (TOP.epoch, 13)
    assert whole["publications"][1] == {
        "data": 11,
        "info": {"user": "bob", "client": "c9", "chan_info": {"r": 2}},
        "offset": 11,
    }
    assert page()[0] == []
    assert page(limit=2)[0] == [10, 11]
    since = {"offset": 11, "epoch": TOP.epoch}
    assert page(limit=1, since=since)[0] == [12]
    assert page(limit=5, since=since, reverse=True)[0] == [10]
    assert page(limit=2, reverse=True)[0] == [13, 12]
    foreign = {"channel": "stream/a/b", "limit": 1, "since": {"offset": 1, "epoch": "other"}}
    assert talk.refused(history=foreign) == (112, False)
    backwards = {"channel": "stream/a/b", "limit": 1, "since": {"offset": 0}, "reverse": True}
    assert talk.refused(history=backwards) == (107, False)


# Publishing and calling


def test_a_publication_names_its_publisher() -> None:
    talk = Talk()
    talk.connect()
    talk.subscribe("grafana/signed/x")
    said = talk.say(publish={"channel": "grafana/signed/x", "data": {"x": 1}})
    info = {"user": "alice", "client": "c1", "conn_info": {"n": 1}}
    push = {"push": {"channel": "grafana/signed/x", "pub": {"data": {"x": 1}, "info": info}}}
    assert said == [push, {"id": 2, "publish": {}}]


def test_a_publication_says_what_the_newest_tokens_say_of_its_publisher() -> None:
    talk = Talk()
    talk.tokens.people |= {
        "t": Admission(ALICE, b'{"n":2}', UNIX_SECONDS + 10),
        "u": Admission(ALICE, b'{"n":3}', UNIX_SECONDS + 10),
    }
    talk.tokens.grants |= {"t": Grant(b'{"seat":3}', lasts_until=UNIX_SECONDS + 10), "u": Grant(b'{"seat":4}')}

    def told() -> Any:
        info = talk.say(publish={"channel": "grafana/signed/x", "data": 1})[0]["push"]["pub"]["info"]
        return info["conn_info"]["n"], info["chan_info"]["seat"]

    talk.connect(token="t")
    talk.subscribe("grafana/signed/x", token="t")
    assert told() == (2, 3)
    talk.say(refresh={"token": "u"})
    talk.say(sub_refresh={"channel": "grafana/signed/x", "token": "u"})
    assert told() == (3, 4)


def test_a_refusal_may_call_itself_temporary() -> None:
    async def refuse() -> None:
        raise Refusal(503, "not now", temporary=True)

    talk = Talk()
    talk.connect()
    talk.scopes.stream.hooks["b"] = refuse
    assert talk.refused(subscribe={"channel": "stream/a/b"}) == (503, True)


def test_methods_are_called_by_name() -> None:
    async def double(identity: Identity, data: bytes) -> bytes:
        if identity.login != "alice":
            raise Refusal(403, "Forbidden")
        return b"%d" % (2 * int(data))

    talk = Desk(wishes=Wishes(Live(), admissions=Scripted(), methods={"double": double}))
    talk.hear('{"id":1,"connect":{}}')
    assert talk.hear('{"id":2,"rpc":{"method":"double","data":21}}') == [{"id": 2, "rpc": {"data": 42}}]
    assert talk.error('{"id":3,"rpc":{"method":"other","data":21}}') == (104, False)


def test_an_answer_that_does_not_fit_a_queue_is_refused() -> None:
    async def repeat(identity: Identity, data: bytes) -> bytes:
        return b'"%b"' % (b"x" * (int(data) - 2))

    talk = Desk(wishes=Wishes(Live(queue_bytes=40_000), admissions=Scripted(), methods={"repeat": repeat}))
    talk.hear('{"id":1,"connect":{}}')
    assert talk.error('{"id":2,"rpc":{"method":"repeat","data":10001}}') == (106, False)
    [reply] = talk.hear('{"id":3,"rpc":{"method":"repeat","data":10000}}')
    assert reply["rpc"]["data"] == "x" * 9_998
    talk.outbox.queued_bytes = 10_001
    assert talk.error('{"id":4,"rpc":{"method":"repeat","data":2}}') == (111, True)


# Deltas


@pytest.mark.parametrize(
    ("allowed", "wish", "granted"), [(False, True, False), (True, False, False), (True, True, True)]
)
def test_deltas_are_for_those_who_ask_where_they_are_allowed(allowed: bool, wish: bool, granted: bool) -> None:
    talk = Talk(delta=allowed)
    talk.connect()
    result = talk.subscribe(**({"delta": "fossil"} if wish else {}))
    assert result == SUBSCRIBED | ({"delta": True} if granted else {})
    assert [one.delivery.delta for one in talk.hub.subscribers.values()] == [granted]


def test_who_has_deltas_gets_what_it_missed_as_text() -> None:
    talk = Talk(delta=True)
    talk.connect()
    result = talk.subscribe(delta="fossil", recover=True, epoch=TOP.epoch, offset=TOP.offset - 2)
    assert [pub["data"] for pub in result["publications"]] == ['{"data":8}', '{"data":9}']


# Recovery


@pytest.mark.parametrize(("epoch", "outcome"), [(TOP.epoch, "recovered"), ("other", "unrecovered")])
def test_who_comes_back_is_counted(epoch: str, outcome: str) -> None:
    talk = Talk()
    talk.connect()
    before = counted("recoveries_total", outcome=outcome)
    talk.subscribe(recover=True, epoch=epoch, offset=7)
    talk.subscribe("stream/a/c")
    assert counted("recoveries_total", outcome=outcome) == before + 1


# Tokens


def test_a_client_stays_as_long_as_its_token_says() -> None:
    talk = Talk()
    talk.tokens.people |= {
        "t": Admission(ALICE, lasts_until=UNIX_SECONDS + 100.7),
        "longer": Admission(ALICE, lasts_until=UNIX_SECONDS + 1_000),
        "ever": Admission(ALICE),
    }
    result = talk.connect(token="t")
    assert (result["expires"], result["ttl"]) == (True, 100)
    assert talk.session.expiry_deadline == pytest.approx(100.7 + PATIENCE_SECONDS)
    assert talk.session.expired(100.7 + 24.9) == []
    assert talk.say(refresh={"token": "longer"}) == [{"id": 2, "refresh": {"expires": True, "ttl": 1000}}]
    assert talk.session.expired(1_000 + 24.9) == []
    with pytest.raises(PeerError) as caught:
        talk.session.expired(1_000 + PATIENCE_SECONDS)
    assert caught.value.code == CloseCode.CONNECTION_EXPIRED.code
    assert talk.say(refresh={"token": "ever"}) == [{"id": 2, "refresh": {}}]
    assert talk.session.expiry_deadline == inf
    talk.expect_end(CloseCode.BAD_REQUEST, refresh={"token": "t"})


@pytest.mark.parametrize(("lasts_seconds", "told"), [(0.4, 1), (-3.0, 1), (1.9, 1), (2.0, 2), (1e12, 2**31 - 1)])
def test_clients_are_told_whole_seconds_that_fit_both_forms(lasts_seconds: float, told: int) -> None:
    talk = Talk()
    talk.tokens.people["t"] = Admission(ALICE, lasts_until=UNIX_SECONDS + lasts_seconds)
    result = talk.connect(token="t")
    assert (result["expires"], result["ttl"]) == (True, told)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(ErrorCode.TOKEN_EXPIRED.refusal(), 109), (CloseCode.INVALID_TOKEN.error(), CloseCode.INVALID_TOKEN)],
)
def test_a_token_that_is_no_good(error: Exception, outcome: int | CloseCode) -> None:
    talk = Talk()
    talk.tokens.people |= {"t": error, "good": Admission(ALICE, lasts_until=UNIX_SECONDS + 5)}
    if isinstance(outcome, CloseCode):
        talk.expect_end(outcome, connect={"token": "t"})
    else:
        assert talk.refused(connect={"token": "t"}) == (outcome, False)
    talk = Talk()
    talk.tokens.people |= {"t": error, "good": Admission(ALICE, lasts_until=UNIX_SECONDS + 5)}
    talk.connect(token="good")
    if isinstance(outcome, CloseCode):
        talk.expect_end(outcome, refresh={"token": "t"})
    else:
        assert talk.refused(refresh={"token": "t"}) == (outcome, False)


def test_a_refresh_without_a_token_breaks_the_protocol() -> None:
    talk = Talk()
    talk.tokens.people["good"] = Admission(ALICE, lasts_until=UNIX_SECONDS + 5)
    talk.connect(token="good")
    talk.expect_end(CloseCode.BAD_REQUEST, refresh={"token": ""})


def test_a_subscription_lasts_as_long_as_its_token_says() -> None:
    talk = Talk()
    talk.tokens.grants |= {"t": Grant(lasts_until=UNIX_SECONDS + 10), "u": Grant(lasts_until=UNIX_SECONDS + 50)}
    talk.connect()
    assert talk.subscribe(token="t") == SUBSCRIBED | {"expires": True, "ttl": 10}
    talk.subscribe("stream/a/c")
    refresh = {"channel": "stream/a/b", "token": "u"}
    assert talk.say(sub_refresh=refresh) == [{"id": 2, "sub_refresh": {"expires": True, "ttl": 50}}]
    talk.subscribing.expire(10 + PATIENCE_SECONDS)
    assert talk.take() == []
    talk.subscribing.expire(50 + PATIENCE_SECONDS)
    ended = {"code": 2501, "reason": "subscription expired"}
    assert talk.take() == [{"push": {"channel": "stream/a/b", "unsubscribe": ended}}]
    assert [address.path for address in talk.session.subscriptions] == ["c"]
    assert [key for key, _ in talk.hub.subscribers] == ["1/stream/a/c"]


def test_only_what_runs_out_can_be_refreshed() -> None:
    talk = Talk()
    talk.connect()
    talk.subscribe()
    assert talk.refused(sub_refresh={"channel": "stream/a/b"}) == (107, False)
    assert talk.refused(sub_refresh={"channel": "stream/a/c", "token": "t"}) == (103, False)
    talk.expect_end(CloseCode.BAD_REQUEST, sub_refresh={"channel": "stream/a/b", "token": "t"})


def test_a_subscription_that_ends_while_its_token_is_looked_at_stays_ended() -> None:
    talk = Talk()
    talk.tokens.grants["t"] = Grant(lasts_until=UNIX_SECONDS + 10)
    talk.connect()
    talk.subscribe(token="t")
    talk.tokens.meanwhile = lambda: talk.hub.end(1, A_B, UnsubscribeCode.INSUFFICIENT_STATE)
    ended, refused = talk.say(sub_refresh={"channel": "stream/a/b", "token": "t"})
    assert ended["push"]["unsubscribe"]["code"] == 2500
    assert refused["error"]["code"] == 103
    assert not talk.session.subscriptions
    talk.tokens.meanwhile = lambda: None
    assert talk.subscribe() == SUBSCRIBED


def test_a_subscription_is_refused_for_its_token() -> None:
    talk = Talk()
    talk.tokens.grants |= {"old": ErrorCode.TOKEN_EXPIRED.refusal(), "bad": ErrorCode.PERMISSION_DENIED.refusal()}
    talk.connect()
    assert talk.refused(subscribe={"channel": "stream/a/b", "token": "old"}) == (109, False)
    assert talk.refused(subscribe={"channel": "stream/a/b", "token": "bad"}) == (103, False)
    assert not talk.session.subscriptions
    assert not talk.hub.subscribers


@pytest.mark.parametrize(
    ("said", "made"),
    [
        (Override(presence=True), {"presence": True}),
        (Override(join_leave=True), {"join_leave": "asked"}),
        (Override(force_recovery=False), {"recovery": "off"}),
        (Override(force_push_join_leave=True), {}),
    ],
)
def test_a_token_may_have_other_options_than_its_channel(said: Override, made: dict[str, Any]) -> None:
    talk = Talk()
    talk.tokens.grants["t"] = Grant(override=said)
    talk.connect()
    result = talk.subscribe(token="t")
    subscriber = talk.hub.subscribers[A_B.key, 1]
    assert subscriber.options == msgspec.structs.replace(PLAIN, **made)
    assert subscriber.delivery.events == (said.force_push_join_leave is True)
    assert ("recoverable" in result) == (said.force_recovery is None)


def test_a_subscriber_of_a_conflating_channel_is_told_no_position_and_gets_no_deltas() -> None:
    talk = Talk(conflate=True, recovery="off")
    talk.connect()
    result = talk.subscribe(delta="fossil", recover=True, epoch=TOP.epoch, offset=TOP.offset)
    assert result.keys() & {"recoverable", "positioned", "recovered", "delta", "offset", "epoch"} == set()
    assert talk.hub.subscribers[A_B.key, 1].delivery == Delivery(conflate=True)


def test_a_token_that_wants_recovery_of_a_conflating_channel_is_refused() -> None:
    talk = Talk(conflate=True, recovery="off")
    talk.tokens.grants["t"] = Grant(override=Override(force_recovery=True))
    talk.connect()
    assert talk.refused(subscribe={"channel": "stream/a/b", "token": "t"}) == (108, False)
    assert not talk.hub.subscribers


def test_a_token_may_keep_joins_from_one_subscriber() -> None:
    talk = Talk(join_leave="pushed")
    talk.tokens.grants["t"] = Grant(override=Override(force_push_join_leave=False))
    talk.connect()
    talk.subscribe(token="t")
    assert not talk.hub.subscribers[A_B.key, 1].delivery.events


def test_a_tokens_data_is_told_where_the_channel_says_nothing() -> None:
    talk = Talk()
    talk.tokens.grants["t"] = Grant(data=b'{"welcome":1}')
    talk.connect()
    assert talk.subscribe(token="t")["data"] == {"welcome": 1}
    assert "schema" in talk.subscribe("stream/tg/cpu", token="t")["data"]


# Ends that the server brings


@pytest.mark.parametrize("code", UnsubscribeCode)
def test_a_client_is_told_when_the_server_ends_a_subscription(code: UnsubscribeCode) -> None:
    talk = Talk()
    talk.connect()
    talk.subscribe("1/stream/a/b")
    talk.hub.end(1, A_B, code)
    unsubscribe = {"code": code.code, "reason": code.reason}
    assert talk.take() == [{"push": {"channel": "1/stream/a/b", "unsubscribe": unsubscribe}}]
    assert not talk.session.subscriptions
    talk.hub.ended[1](A_B, code)
    assert talk.take() == []
