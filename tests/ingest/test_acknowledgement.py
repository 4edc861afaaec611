"""``?ack=1`` on a push WebSocket: what a sender learns of each message."""

import json
from typing import Any

import pytest
import trio
from test_push_websocket import Client, connected
from trio.testing import MockClock, wait_all_tasks_blocked
from wsproto.events import BytesMessage, TextMessage

from framecast.settings import Push

PATH = "/api/live/push/cpu?ack=1"


def answers(client: Client) -> list[Any]:
    assert all(isinstance(event, TextMessage) for event in client.events)
    return [json.loads(event.data) for event in client.events if isinstance(event, TextMessage)]


async def test_every_message_is_acknowledged_in_order_with_its_refused_lines(autojump_clock: MockClock) -> None:
    async with connected(path=PATH) as client:
        await client.send(
            BytesMessage(b"a f=1\n"), BytesMessage(b"a f=1\nbad\na f=2\n"), TextMessage(""), TextMessage("a f=1\n" * 4)
        )
        await wait_all_tasks_blocked()
        refused = {"line": 2, "column": 4, "reason": "missing_fields", "message": "line 2: no fields\x1b[31m"}
        assert answers(client) == [
            {"accepted": 1, "rejected_lines": 0, "rejected": []},
            {"accepted": 2, "rejected_lines": 1, "rejected": [refused]},
            {"accepted": 0, "rejected_lines": 0, "rejected": []},
            {"accepted": 4, "rejected_lines": 0, "rejected": []},
        ]
        assert client.intake.budget.held_bytes == 0


async def test_an_acknowledgement_says_what_does_not_fit_and_what_is_late(autojump_clock: MockClock) -> None:
    async with connected(path=PATH) as client:
        await client.send(BytesMessage(b"a f=1\nlate f=1\n"), BytesMessage(b"a f=1\n"), BytesMessage(b"odd f=1\n"))
        await wait_all_tasks_blocked()
        assert answers(client) == [
            {"accepted": 2, "rejected_lines": 0, "rejected": [], "late": 1},
            {"accepted": 1, "rejected_lines": 0, "rejected": []},
            {"accepted": 1, "rejected_lines": 0, "rejected": [], "mismatched": 1, "mismatches": ["line 1: odd"]},
        ]


async def test_a_message_in_fragments_is_acknowledged_once(autojump_clock: MockClock) -> None:
    async with connected(path=PATH) as client:
        for number in range(10):
            await client.send(BytesMessage(b"a f=1\n", message_finished=number == 9))
        await wait_all_tasks_blocked()
        assert [answer["accepted"] for answer in answers(client)] == [10]


async def test_a_refusal_is_an_error_and_the_socket_goes_on(autojump_clock: MockClock) -> None:
    async with connected(path="/api/live/push/full?ack=true") as client:
        await client.send(BytesMessage(b"a f=1\n"), BytesMessage(b"a f=1\n"))
        await wait_all_tasks_blocked()
        assert answers(client) == [{"error": "one stream too many"}] * 2
        assert not client.closed.is_set()


@pytest.mark.parametrize("path", ["/api/live/push/cpu", "/api/live/push/cpu?ack=0", "/api/live/push/full"])
async def test_who_asks_for_none_hears_nothing(path: str, autojump_clock: MockClock) -> None:
    async with connected(path=path) as client:
        await client.send(BytesMessage(b"a f=1\n"), BytesMessage(b"bad\n"), BytesMessage(b""))
        await wait_all_tasks_blocked()
        assert client.events == []


async def test_what_comes_after_our_close_is_pushed_and_not_acknowledged(autojump_clock: MockClock) -> None:
    async with connected(path=PATH) as client:
        late = client.frames.send(BytesMessage(b"late f=1\n"))
        client.sockets.stop()
        await wait_all_tasks_blocked()
        client.events.clear()
        await client.stream.send_all(late)
        await trio.sleep(1)
        assert client.streams.bodies == [b"late f=1\n"]
        assert client.events == []


async def test_the_precision_of_the_handshake_holds_for_every_message(autojump_clock: MockClock) -> None:
    async with connected(Push(), "/api/live/push/cpu?precision=ms&ack=1") as client:
        await client.send(BytesMessage(b"a f=1 1\n"), BytesMessage(b"a f=1 1\n"))
        await wait_all_tasks_blocked()
        assert client.streams.precisions == ["ms", "ms"]
