"""Subscriptions that the server makes: those of a client's token, and those of one who only listens."""

from typing import Any

import pytest

from client.talk import A_B, ALICE, Talk
from client.world import SUBSCRIBED, TOP
from framecast.accounts.admission import Admission, Grant
from framecast.channels.address import Address
from framecast.protocol.codes import CloseCode, UnsubscribeCode
from framecast.settings import Live


def served(*channels: str, settings: Live | None = None, **options: Any) -> Talk:
    talk = Talk(settings, **options)
    talk.tokens.people["t"] = Admission(ALICE, channels={channel: Grant() for channel in channels})
    return talk


def test_a_token_subscribes_its_client() -> None:
    talk = served("stream/a/b", "1/stream/tg/cpu", "ds/not/there", "no address", "2/stream/a/b")
    result = talk.connect(token="t")
    assert set(result["subs"]) == {"stream/a/b", "1/stream/tg/cpu"}
    assert result["subs"]["stream/a/b"] == SUBSCRIBED
    assert "schema" in result["subs"]["1/stream/tg/cpu"]["data"]
    talk.hub.publish("1/stream/tg/cpu", b"1")
    assert talk.take() == [{"push": {"channel": "1/stream/tg/cpu", "pub": {"data": 1}}}]
    assert talk.refused(subscribe={"channel": "stream/a/b"}) == (105, False)


def test_a_client_cannot_end_what_the_server_made() -> None:
    talk = served("stream/a/b")
    talk.connect(token="t")
    assert talk.say(unsubscribe={"channel": "stream/a/b"}) == [{"id": 2, "unsubscribe": {}}]
    assert talk.hub.subscribers


def test_a_client_that_comes_back_gets_what_it_missed_on_all_channels() -> None:
    talk = served("stream/a/b", "stream/a/c", join_leave="pushed")
    position = {"recover": True, "epoch": TOP.epoch, "offset": 7}
    said = talk.say(connect={"token": "t", "subs": {"stream/a/b": position, "stream/a/other": position}})
    subs = said[0]["connect"]["subs"]
    assert set(subs) == {"stream/a/b", "stream/a/c"}
    assert [pub["offset"] for pub in subs["stream/a/b"]["publications"]] == [8, 9]
    assert subs["stream/a/b"]["recovered"]
    assert subs["stream/a/c"] == SUBSCRIBED
    assert [line["push"]["channel"] for line in said[1:]] == ["stream/a/b", "stream/a/c"]
    assert all("join" in line["push"] for line in said[1:])


def test_too_many_channels_in_a_token_end_it() -> None:
    talk = served("stream/a/b", "stream/a/c", settings=Live(channels_per_client=1))
    talk.expect_end(CloseCode.CHANNEL_LIMIT, connect={"token": "t"})
    talk = served("stream/a/b", "stream/a/c", settings=Live(channels_per_client=2))
    assert len(talk.connect(token="t")["subs"]) == 2


def test_pasts_that_do_not_fit_the_reply_are_pushed_after_it() -> None:
    talk = served("stream/tg/cpu", "stream/tg/mem", "stream/tg/disk", settings=Live(queue_bytes=4 * 150))
    for name in ("cpu", "mem", "disk"):
        talk.scopes.stream.snapshots[f"1/stream/tg/{name}"] = b'"' + b"x" * 100 + b'"'
    said = talk.say(connect={"token": "t"})
    assert list(said[0]["connect"]["subs"]) == ["stream/tg/cpu"]
    pushed = [line["push"] for line in said[1:]]
    assert [push["channel"] for push in pushed] == ["stream/tg/mem", "stream/tg/disk"]
    assert pushed[0]["subscribe"] == SUBSCRIBED | {"data": "x" * 100}
    assert len(talk.hub.subscribers) == 3


def test_a_channel_that_is_pushed_under_one_spelling_is_not_under_another() -> None:
    talk = served("stream/tg/cpu", "stream/tg/mem", "1/stream/tg/mem", settings=Live(queue_bytes=4 * 150))
    for name in ("cpu", "mem"):
        talk.scopes.stream.snapshots[f"1/stream/tg/{name}"] = b'"' + b"x" * 100 + b'"'
    _, *pushed = talk.say(connect={"token": "t"})
    assert [line["push"]["channel"] for line in pushed] == ["stream/tg/mem"]
    assert len(talk.hub.subscribers) == 2


def test_who_has_no_room_for_its_pasts_comes_back_later() -> None:
    talk = served("stream/tg/cpu", "stream/tg/mem", settings=Live(queue_bytes=4 * 150, room_seconds=1))
    for name in ("cpu", "mem"):
        talk.scopes.stream.snapshots[f"1/stream/tg/{name}"] = b'"' + b"x" * 100 + b'"'
    talk.outbox.queued_bytes = 151
    talk.expect_end(CloseCode.TOO_MANY_REQUESTS, connect={"token": "t"})
    assert list(talk.take()[0]["connect"]["subs"]) == ["stream/tg/cpu"]


@pytest.mark.parametrize("room", [0, 1, 2])
def test_nothing_is_left_of_subscriptions_when_one_of_them_cannot_be(room: int) -> None:
    talk = served("stream/a/b", "stream/a/c", "stream/a/d")
    talk.hub.most = room
    assert talk.refused(connect={"token": "t"}) == (111, True)
    assert not talk.session.subscriptions
    assert not talk.hub.subscribers
    assert not talk.hub.opened


def test_a_channel_that_two_spellings_of_a_token_name_is_subscribed_once() -> None:
    talk = served("stream/a/b", "1/stream/a/b")
    assert list(talk.connect(token="t")["subs"]) == ["stream/a/b"]


def test_a_hole_in_what_the_server_subscribed_to_ends_the_connection() -> None:
    talk = served("stream/a/b")
    talk.connect(token="t")
    talk.hub.end(1, A_B, UnsubscribeCode.INSUFFICIENT_STATE)
    assert talk.closed is CloseCode.INSUFFICIENT_STATE
    assert talk.take() == []


# Those who only listen


def test_who_cannot_speak_is_connected_and_subscribed_at_once() -> None:
    talk = Talk(listens_to=("stream/tg/cpu",))
    [push] = talk.hear('{"id":1,"connect":{}}')
    assert push["connect"]["client"] == "CLIENT"
    assert "pong" not in push["connect"]
    assert "schema" in push["connect"]["subs"]["stream/tg/cpu"]["data"]
    talk.hub.end(1, Address(1, "stream", "tg", "cpu"), UnsubscribeCode.SERVER)
    unsubscribe = {"code": 2000, "reason": "server unsubscribe"}
    assert talk.take() == [{"channel": "stream/tg/cpu", "unsubscribe": unsubscribe}]


@pytest.mark.parametrize(("channel", "close"), [("2/stream/a/b", 3507), ("ds/a/b", 3507), ("no address", 3501)])
def test_who_cannot_speak_is_told_why_it_is_turned_away(channel: str, close: int) -> None:
    [push] = Talk(listens_to=(channel,)).hear('{"id":1,"connect":{}}')
    assert push["disconnect"]["code"] == close
