"""Publications in the fuller of two forms: who asked for that gets it wherever a client is given publications."""

import pytest

from client.talk import A_B, Talk, keep
from client.world import DETAILED, TOP, UNIX_SECONDS
from framecast.accounts.admission import Grant
from framecast.channels.subscriptions import Delivery


def test_details_reach_those_who_asked_for_them_in_replies_pages_and_pushes() -> None:
    talk = Talk(ask_history=True)
    talk.connect()
    keep(talk, 0)
    for number in range(3):
        talk.hub.publish(A_B.key, b"%d" % number, detail=b"[%d]" % number if number else None)
    begun = talk.subscribe(data=DETAILED, recover=True, epoch=TOP.epoch, offset=TOP.offset)
    data = [pub["data"] for pub in begun["publications"]]
    assert data == [0, [1], [2]]
    [reply] = talk.say(history={"channel": "stream/a/b", "limit": -1})
    assert [pub["data"] for pub in reply["history"]["publications"]] == data
    talk.hub.publish(A_B.key, b"3", detail=b"[3]")
    assert [line["push"]["pub"]["data"] for line in talk.take()] == [[3]]
    talk.say(unsubscribe={"channel": "stream/a/b"})
    talk.subscribe()
    [reply] = talk.say(history={"channel": "stream/a/b", "limit": -1})
    assert [pub["data"] for pub in reply["history"]["publications"]] == [0, 1, 2, 3]


@pytest.mark.parametrize("detailed", [False, True])
def test_details_are_no_deltas(detailed: bool) -> None:
    talk = Talk(delta=True)
    talk.connect()
    result = talk.subscribe(delta="fossil", data=DETAILED if detailed else None)
    subscriber = talk.hub.subscribers[A_B.key, 1]
    assert result.get("delta", False) is not detailed
    assert subscriber.delivery == Delivery(delta=not detailed, detailed=detailed)


def test_a_refreshed_subscription_keeps_its_form() -> None:
    talk = Talk(ask_history=True)
    talk.tokens.grants["t"] = Grant(lasts_until=UNIX_SECONDS + 100)
    talk.connect()
    keep(talk, 0)
    talk.subscribe(token="t", data=DETAILED)
    talk.hub.publish(A_B.key, b"1", detail=b"[1]")
    talk.say(sub_refresh={"channel": "stream/a/b", "token": "t"})
    [reply] = talk.say(history={"channel": "stream/a/b", "limit": -1})
    assert [pub["data"] for pub in reply["history"]["publications"]] == [[1]]
