"""POST /api/live/publish: what a WebSocket's publish does, without a connection."""

import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import trio
from site_of_app import Site, check_problem, site
from trio.testing import MockClock

from framecast.accounts.gate import Gate
from framecast.accounts.identity import DEVELOPER, Identity, Reach, Role
from framecast.api.publish import PATH, STATUSES
from framecast.channels.address import Address, parse_address
from framecast.channels.client_info import ClientInfo
from framecast.dashboards.events import dashboard_address
from framecast.door.head import RequestHead
from framecast.protocol.codes import ErrorCode
from framecast.settings import MIB
from gates import closed_gate
from live_world import Received, Subscriber

NEWS = parse_address("grafana/broadcast/news", 1)
BOARD = dashboard_address(1, "ab12")
JSON = {"content-type": "application/json"}


def gate_for(identity: Identity) -> Gate:
    async def gate(head: RequestHead) -> Identity:
        return identity

    return gate


def listen(here: Site, address: Address = NEWS) -> Subscriber:
    subscriber = here.world.subscriber()
    here.world.hub.subscribe(subscriber.connection, address, "c")
    return subscriber


async def post(here: Site, body: bytes | str | Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return await here.client.post(PATH, content=content, headers=JSON | headers)


@pytest.mark.parametrize(
    "channel", ["grafana/broadcast/news", "1/grafana/broadcast/news", "default/grafana/broadcast/news"]
)
async def test_a_message_reaches_subscribers_with_who_sent_it(channel: str) -> None:
    async with site(gate_for(Identity(1, "ann", Role.VIEWER))) as here:
        subscriber = listen(here)
        answer = await post(here, {"channel": channel, "data": {"n": 1}})
        assert (answer.status_code, answer.headers["content-type"], answer.text) == (200, "application/json", "{}")
        [received] = subscriber.received()
        assert (json.loads(received.data), received.info) == ({"n": 1}, {"user": "ann", "client": ""})


@pytest.mark.parametrize(
    "data", ['{"b": 1.50,  "a":[12345678901234567890]}', '"é\\u00e9"', "null", "0", "[]", '{"a":1,"a":2}']
)
async def test_a_message_is_passed_on_as_it_was_sent_as_one_of_a_websocket_is(data: str) -> None:
    async with site() as here:
        subscriber = listen(here)
        answer = await post(here, f'{{"more":[], "data":\n {data},\n"channel":"grafana/broadcast/news"}}'.encode())
        assert answer.status_code == 200
        scope = here.world.scopes.find(NEWS)
        await scope.publish(DEVELOPER, NEWS, data.encode(), ClientInfo("", ""))
        first, second = subscriber.received()
        assert first == Received("c", data.encode(), 1, {"user": "", "client": ""})
        assert (second.data, second.info) == (first.data, first.info)


async def test_line_breaks_between_its_parts_are_left_out() -> None:
    async with site() as here:
        subscriber = listen(here)
        assert (await post(here, b'{"channel":"grafana/broadcast/news","data":[1,\r\n2]}')).status_code == 200
        assert [item.data for item in subscriber.received()] == [b"[1,2]"]


async def test_a_broadcast_sent_so_is_the_last_message() -> None:
    async with site() as here:
        await post(here, {"channel": "grafana/broadcast/news", "data": 7})
        assert here.world.last_messages.find(NEWS) == b"7"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "truncated"),
        (b"channel=a", "malformed"),
        (b'{"channel":"grafana/broadcast/news","data":}', "malformed"),
        (b'{"channel":"grafana/broadcast/news","data":1} 2', "trailing"),
        (b'{"channel":"grafana/broadcast/news"}', "`data`"),
        (b'{"data":1}', "`channel`"),
        (b'{"channel":7,"data":1}', "$.channel"),
        (b'{"channel":null,"data":1}', "$.channel"),
        (b"[]", "object"),
        (b'{"channel":"grafana/broadcast/news","data":"\xff"}', "no UTF-8 at byte 44"),
        (b'{"channel":"grafana/broadcast/news","data":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deep"),
    ],
)
async def test_a_body_that_is_no_message_is_refused(body: bytes, word: str) -> None:
    async with site() as here:
        subscriber = listen(here)
        message = check_problem(await post(here, body), 400)
        assert message.startswith("bad request data")
        assert word in message
        assert subscriber.received() == []


@pytest.mark.parametrize(
    "channel",
    ["", "news", "grafana/broadcast", "grafana//news", "grafana/broadcast/ä", "a/b/" + "x" * 160, "a/b/\u0000"],
)
async def test_a_channel_that_is_none_is_refused(channel: str) -> None:
    async with site() as here:
        message = check_problem(await post(here, {"channel": channel, "data": 1}), 400)
        assert message.startswith("invalid channel ID")


@pytest.mark.parametrize(
    ("channel", "status", "word"),
    [
        ("plugin/testdata/random-2s-stream", 404, "Not Found"),
        ("grafana/dashboard/uid/other", 404, "Not Found"),
        ("grafana/dashboard/gitops", 404, "Not Found"),
        ("stream/s/m", 403, "Forbidden"),
        ("chat/room/1", 403, "only its subscribers may publish"),
        ("2/grafana/broadcast/news", 403, "permission denied"),
        ("org-2/grafana/broadcast/news", 403, "permission denied"),
    ],
)
async def test_who_may_not_is_told_by_the_status(channel: str, status: int, word: str) -> None:
    data = {"uid": "other", "action": "editing-started"}
    async with site(channels={"chat": {"publish": "subscribers"}}, dashboards=Shelf()) as here:
        assert word in check_problem(await post(here, {"channel": channel, "data": data}), status)


@pytest.mark.parametrize(
    ("identity", "status"),
    [
        (Identity(1, "v", Role.VIEWER), 200),
        (Identity(1, "t", Role.ADMIN, reach=Reach(read=("grafana/*",))), 403),
    ],
)
async def test_permissions_are_those_of_publishing(identity: Identity, status: int) -> None:
    async with site(gate_for(identity)) as here:
        assert (await post(here, {"channel": "grafana/broadcast/news", "data": 1})).status_code == status


async def test_strangers_are_not_let_in() -> None:
    async with site(closed_gate) as here:
        check_problem(await post(here, {"channel": "grafana/broadcast/news", "data": 1}), 401)


async def test_an_org_publishes_on_its_own_channels_only() -> None:
    async with site(gate_for(Identity(2, "x", Role.ADMIN))) as here:
        ours, theirs = listen(here), listen(here, parse_address("grafana/broadcast/news", 2))
        assert (await post(here, {"channel": "grafana/broadcast/news", "data": 1})).status_code == 200
        assert ours.received() == []
        assert len(theirs.received()) == 1


@dataclass
class Shelf:
    """Plays the room of dashboards, which may take its time."""

    seconds: float = 0.0

    async def version(self, identity: Identity, uid: str, *, editing: bool = False) -> int | None:
        await trio.sleep(self.seconds)
        return 3 if uid == "ab12" else None


async def test_that_somebody_edits_is_told_as_over_a_websocket() -> None:
    async with site(gate_for(Identity(1, "ann", Role.EDITOR)), dashboards=Shelf()) as here:
        subscriber = listen(here, BOARD)
        notice = {"uid": "ab12", "action": "editing-started", "sessionId": "s"}
        answer = await post(here, {"channel": str(BOARD), "data": {**notice, "timestamp": 1}})
        assert answer.status_code == 200
        assert [json.loads(item.data) for item in subscriber.received()] == [{**notice, "user": {"login": "ann"}}]
        for wrong, status in (({**notice, "action": "saved"}, 403), ({**notice, "uid": "x"}, 400)):
            check_problem(await post(here, {"channel": str(BOARD), "data": wrong}), status)


async def test_publishing_ends_in_time(autojump_clock: MockClock) -> None:
    notice = {"uid": "ab12", "action": "editing-started"}
    with trio.fail_after(1_000):
        async with site(dashboards=Shelf(seconds=11)) as here:
            message = check_problem(await post(here, {"channel": str(BOARD), "data": notice}), 503)
            assert "live.command_seconds" in message


async def test_a_body_that_is_too_large_is_refused() -> None:
    async with site() as here:
        head, end = b'{"channel":"grafana/broadcast/news","data":"', b'"}'
        fits = head + b"x" * (MIB - len(head) - len(end)) + end
        assert (await post(here, fits)).status_code == 200
        assert "live.message_size_limit" in check_problem(await post(here, fits + b" "), 413)
        history = here.world.hub.history(NEWS)
        assert history is not None
        assert history.position.offset == 1


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_what_any_page_could_send_without_asking_is_refused(kind: str) -> None:
    async with site() as here:
        body = {"channel": "grafana/broadcast/news", "data": 1}
        check_problem(await post(here, body, **{"content-type": kind}), 415)


async def test_a_page_of_another_origin_publishes_nothing() -> None:
    async with site() as here:
        body = {"channel": "grafana/broadcast/news", "data": 1}
        check_problem(await post(here, body, origin="https://elsewhere.example"), 403)
        assert here.world.hub.history(NEWS) is None


async def test_a_channel_too_many_is_told_as_a_limit() -> None:
    async with site() as here:
        for number in range(100):  # as many as live_world lets there be
            subscriber = listen(here, parse_address(f"grafana/broadcast/p{number}", 1))
            assert (await post(here, {"channel": f"grafana/broadcast/p{number}", "data": 1})).status_code == 200
            assert len(subscriber.received()) == 1
        check_problem(await post(here, {"channel": "grafana/broadcast/more", "data": 1}), 429)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_post_publishes(method: str) -> None:
    async with site() as here:
        answer = await here.client.request(method, PATH)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_every_code_that_says_no_to_a_message_has_a_status() -> None:
    said = {ErrorCode.PERMISSION_DENIED, ErrorCode.LIMIT_EXCEEDED, ErrorCode.BAD_REQUEST, ErrorCode.TOO_MANY_REQUESTS}
    assert STATUSES.keys() == {code.code for code in said}


async def test_the_description_says_what_it_takes() -> None:
    async with site() as here:
        document = (await here.client.get("/openapi.json")).json()
        operation = document["paths"][PATH]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert schema["required"] == ["channel", "data"]
        assert {"200", "400", "401", "403", "404", "408", "413", "415", "429", "503"} <= operation["responses"].keys()
