"""Senders with limits: told by 429 over HTTP, slowed on a WebSocket, and nothing is lost without a word."""

from dataclasses import replace
from typing import Any

import pytest
import structlog
import trio
from recording import make_intake
from test_push_http import House, body_of, chunked, headers_of, request, status_of
from test_push_websocket import LIMITS, SERVER, Client, upgrade
from trio.testing import MockClock, wait_all_tasks_blocked
from wsproto.events import BytesMessage, CloseConnection, Ping

from framecast import metrics
from framecast.accounts.identity import DEVELOPER, Identity, Quota
from framecast.accounts.rates import Rates
from framecast.door.head import RequestHead
from framecast.ingest.influx import InfluxWrites
from framecast.ingest.websocket import PushSockets
from framecast.settings import Push
from framecast.settings import Rates as Limits

LINE = b"m f=1\n"


def gate_with(quota: Quota) -> Any:
    async def gate(head: RequestHead) -> Identity:
        return replace(DEVELOPER, quota=quota, credential="token:1", login="token:agent")

    return gate


async def test_pushes_past_the_rate_are_429_and_come_through_when_they_are_told_to(autojump_clock: MockClock) -> None:
    house = House(gate=gate_with(Quota(requests_per_second=0.2)))
    answers = await ask(house, LINE, 3)
    assert [status_of(answer) for answer in answers] == [204, 204, 429]
    assert headers_of(answers[2])["retry-after"] == "5"
    told = body_of(answers[2])
    assert told["limit"] == "the token's own requests_per_second"
    assert (told["allowed"], told["retryAfterSeconds"]) == (0.2, 5)
    assert "try again in 5 s" in told["message"]
    assert house.streams.bodies == [LINE, LINE]
    assert house.streams.refused == [(1, "cpu", "rate_limit")], "the stream's page says why there is nothing new"
    await trio.sleep(5)
    assert [status_of(answer) for answer in await ask(house, LINE, 2)] == [204, 429]


async def ask(house: House, body: bytes, times: int, path: str = "/api/live/push/cpu") -> list[bytes]:
    """Each on a connection of its own."""
    answers = []
    for _ in range(times):
        house.ours, house.theirs = trio.testing.memory_stream_pair()
        answers.append(await house.converse(request(body, path=path)))
    return answers


async def test_a_body_larger_than_any_allowance_is_taken_and_paid_for(autojump_clock: MockClock) -> None:
    house = House(gate=gate_with(Quota(bytes_per_second=10)))
    body = LINE * 50
    assert [status_of(answer) for answer in await ask(house, body, 2)] == [204, 429]
    await trio.sleep(19.9)
    assert [status_of(answer) for answer in await ask(house, body, 1)] == [429]
    await trio.sleep(0.2)
    assert [status_of(answer) for answer in await ask(house, body, 1)] == [204]
    assert house.streams.bodies == [body, body]


@pytest.mark.parametrize("raw", [request(LINE * 20), chunked(LINE * 20)])
async def test_a_token_may_have_a_smaller_body_than_others(raw: bytes) -> None:
    house = House(gate=gate_with(Quota(body_bytes=100)))
    answer = await house.converse(raw)
    assert status_of(answer) == 413
    assert "larger than 100 bytes (the token's own body_bytes)" in body_of(answer)["message"]
    assert house.streams.pushed == []
    wide = House(Push(body_bytes=50), gate_with(Quota(body_bytes=1_000)))
    answer = await wide.converse(request(LINE * 20))
    assert (status_of(answer), "(push.body_bytes)" in body_of(answer)["message"]) == (413, True)


async def test_influx_clients_are_told_in_their_words_and_when_to_come_again(autojump_clock: MockClock) -> None:
    house = House(gate=gate_with(Quota(requests_per_second=0.1)))
    house.http = InfluxWrites(house.intake)  # type: ignore[assignment]  # the door asks either for a room
    _, answer = await ask(house, LINE, 2, "/api/v2/write?bucket=cpu")
    assert (status_of(answer), headers_of(answer)["retry-after"]) == (429, "10")
    assert body_of(answer)["code"] == "too many requests"
    assert house.streams.bodies == [LINE]


class Slowed:
    """A push socket of a token with limits."""

    def __init__(self, quota: Quota, limits: Push = LIMITS, **rates: Any) -> None:
        intake, streams = make_intake(limits, gate_with(quota), rates=Rates(Limits(**rates)))
        self.client = Client(PushSockets(intake, SERVER), streams, intake)
        self.streams = streams

    async def open(self, nursery: trio.Nursery) -> Client:
        nursery.start_soon(self.client.serve)
        await self.client.stream.send_all(upgrade())
        assert bytes(await self.client.stream.receive_some()).startswith(b"HTTP/1.1 101 ")
        nursery.start_soon(self.client.read)
        return self.client


def messages(client: Client, count: int) -> bytes:
    """In one piece, as they may come out of a socket's buffer."""
    return b"".join(client.frames.send(BytesMessage(b"m f=%d\n" % number)) for number in range(count))


async def test_a_socket_that_is_too_fast_is_read_no_faster_than_its_rate_and_loses_nothing(
    autojump_clock: MockClock,
) -> None:
    slowed = Slowed(Quota(requests_per_second=2), burst_seconds=1)
    before = slowed_messages()
    async with trio.open_nursery() as nursery:
        client = await slowed.open(nursery)
        begun = trio.current_time()
        await client.stream.send_all(messages(client, 11))
        counts = []
        for _ in range(6):
            await wait_all_tasks_blocked()
            counts.append(len(slowed.streams.bodies))
            await trio.sleep(1)
        assert counts == [2, 4, 6, 8, 10, 11]
        assert slowed.streams.bodies == [b"m f=%d\n" % number for number in range(11)]
        assert trio.current_time() - begun == pytest.approx(6)
        assert client.closes() == []
        nursery.cancel_scope.cancel()
    assert slowed_messages() > before


def slowed_messages() -> float:
    return float(metrics.rate_limited.labels("token", "requests_per_second", "slowed")._value.get())


async def test_a_large_message_is_followed_by_a_rest_in_which_pings_go_on(autojump_clock: MockClock) -> None:
    slowed = Slowed(Quota(bytes_per_second=100), burst_seconds=1)
    async with trio.open_nursery() as nursery:
        client = await slowed.open(nursery)
        await client.send(BytesMessage(b"x" * 20_100), BytesMessage(LINE))
        await trio.sleep(199)
        assert len(slowed.streams.bodies) == 1
        assert len([event for event in client.events if isinstance(event, Ping)]) == 9
        assert client.closes() == [], "nobody is silent who is not listened to"
        assert client.intake.budget.held_bytes < 50, "what was pushed is held no longer"
        await trio.sleep(2)
        assert slowed.streams.bodies[1:] == [LINE]
        nursery.cancel_scope.cancel()


async def test_at_the_servers_end_nothing_waits_that_was_sent(autojump_clock: MockClock) -> None:
    slowed = Slowed(Quota(requests_per_second=0.01), burst_seconds=1)
    async with trio.open_nursery() as nursery:
        client = await slowed.open(nursery)
        await client.stream.send_all(messages(client, 50))
        await wait_all_tasks_blocked()
        assert slowed.streams.bodies == [b"m f=0\n"]
        late = client.frames.send(BytesMessage(b"late\n"))
        client.sockets.stop()
        await wait_all_tasks_blocked()
        assert len(slowed.streams.bodies) == 50
        assert client.closes() == [1001]
        await client.stream.send_all(late)
        await client.send(CloseConnection(1001))
        await client.closed.wait()
        assert slowed.streams.bodies[-1] == b"late\n"
        nursery.cancel_scope.cancel()


async def test_a_resting_socket_ends_at_once_when_its_token_is_revoked(autojump_clock: MockClock) -> None:
    slowed = Slowed(Quota(requests_per_second=0.01))
    async with trio.open_nursery() as nursery:
        client = await slowed.open(nursery)
        await client.stream.send_all(messages(client, 5))
        await wait_all_tasks_blocked()
        client.sockets.end(lambda identity: True, may_return=False)
        await client.closed.wait()
        assert client.closes() == [1008]
        assert slowed.streams.bodies == [b"m f=0\n"]
        nursery.cancel_scope.cancel()


async def test_an_upgrade_is_never_refused_for_a_rate_but_has_to_wait(autojump_clock: MockClock) -> None:
    """A Telegraf whose first two tries are refused ends."""
    slowed = Slowed(Quota(requests_per_second=1), burst_seconds=1)
    slowed.client.intake.rates.check_request(await gate_with(Quota(requests_per_second=1))(None), "")
    async with trio.open_nursery() as nursery:
        client = await slowed.open(nursery)
        await client.send(BytesMessage(LINE))
        await wait_all_tasks_blocked()
        assert slowed.streams.bodies == []
        await trio.sleep(1.01)
        assert slowed.streams.bodies == [LINE]
        nursery.cancel_scope.cancel()


async def test_a_message_over_the_tokens_own_limit_is_1009(autojump_clock: MockClock) -> None:
    slowed = Slowed(Quota(body_bytes=100))
    async with trio.open_nursery() as nursery:
        client = await slowed.open(nursery)
        await client.send(BytesMessage(b"x" * 101))
        await client.closed.wait()
        [closing] = [event for event in client.events if isinstance(event, CloseConnection)]
        assert (closing.code, closing.reason) == (1009, "message larger than 100 bytes (the token's own body_bytes)")
        nursery.cancel_scope.cancel()


async def test_other_limits_of_a_token_hold_for_the_next_message_of_a_socket_that_is_there(
    autojump_clock: MockClock,
) -> None:
    quota = Quota(requests_per_second=1, body_bytes=3)
    slowed = Slowed(quota, burst_seconds=1)
    async with trio.open_nursery() as nursery:
        client = await slowed.open(nursery)
        await wait_all_tasks_blocked()
        quota.take_over(Quota(requests_per_second=0, body_bytes=10))
        await client.stream.send_all(messages(client, 5))
        await wait_all_tasks_blocked()
        assert len(slowed.streams.bodies) == 5
        quota.take_over(Quota(body_bytes=5))
        await client.stream.send_all(messages(client, 1))
        await client.closed.wait()
        [closing] = [event for event in client.events if isinstance(event, CloseConnection)]
        assert closing.code == 1009
        nursery.cancel_scope.cancel()


async def test_a_socket_rests_no_longer_than_other_limits_of_its_token_say(autojump_clock: MockClock) -> None:
    quota = Quota(requests_per_second=0.001)
    slowed = Slowed(quota, burst_seconds=1)
    async with trio.open_nursery() as nursery:
        client = await slowed.open(nursery)
        await client.stream.send_all(messages(client, 3))
        await trio.sleep(100)
        assert slowed.streams.bodies == [b"m f=0\n"]
        quota.take_over(Quota(requests_per_second=0.1))
        await trio.sleep(LIMITS.ping_seconds + 15)
        assert len(slowed.streams.bodies) == 3
        assert client.closes() == []
        nursery.cancel_scope.cancel()


async def test_that_a_socket_is_slowed_is_told_in_the_log(autojump_clock: MockClock) -> None:
    slowed = Slowed(Quota(requests_per_second=0.1), burst_seconds=1)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            client = await slowed.open(nursery)
            await client.stream.send_all(messages(client, 3))
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    [line] = [line for line in logs if line["event"] == "rate limit met"]
    assert (line["kind"], line["name"], line["resource"]) == ("token", "agent", "cpu")
    assert line["reason"] == "too fast: its push WebSocket is not read for 10.0 s"
