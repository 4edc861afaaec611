"""Push WebSockets against wsproto's client side, on streams in memory and a fake clock."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import structlog
import trio
from recording import RecordingStreams, count_turns, make_intake
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from framecast.accounts.gate import Gate, open_gate
from framecast.accounts.identity import DEVELOPER, Identity
from framecast.door.connection import Rooms, serve_connection
from framecast.door.head import RequestHead
from framecast.ingest.websocket import PushSockets
from framecast.settings import Push, Server
from gates import closed_gate

SERVER = Server(linger_seconds=2)
LIMITS = Push(body_bytes=5_000_000, ping_seconds=20, silence_seconds=90, close_seconds=5)


def upgrade(path: str = "/api/live/push/cpu") -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


class Client:
    """A push client; `events` is what the server sent after its handshake."""

    def __init__(self, sockets: PushSockets, streams: RecordingStreams, intake: Any) -> None:
        self.sockets, self.streams, self.intake = sockets, streams, intake
        self.ours, self.stream = memory_stream_pair()
        self.frames = Connection(ConnectionType.CLIENT)
        self.events: list[Event] = []
        self.received = b""
        """All of it: wsproto reads nothing behind a close."""
        self.answered = trio.Event()
        self.closed = trio.Event()

    async def serve(self) -> None:
        async def nothing(stream: trio.abc.Stream) -> None:
            raise AssertionError

        rooms = Rooms(lambda head: None, self.sockets.admit, lambda head: None, nothing)
        await serve_connection(self.ours, rooms, SERVER)
        await self.ours.aclose()
        self.closed.set()

    async def read(self) -> None:
        with contextlib.suppress(trio.ClosedResourceError):
            async for data in self.stream:
                self.received += bytes(data)
                self.frames.receive_data(bytes(data))
                self.events.extend(self.frames.events())
                self.answered.set()

    async def send(self, *events: Event) -> None:
        for event in events:
            await self.stream.send_all(self.frames.send(event))

    def closes(self) -> list[int]:
        return [event.code for event in self.events if isinstance(event, CloseConnection)]


@asynccontextmanager
async def connected(
    limits: Push = LIMITS, path: str = "/api/live/push/cpu", gate: Gate = open_gate
) -> AsyncIterator[Client]:
    intake, streams = make_intake(limits, gate)
    client = Client(PushSockets(intake, SERVER), streams, intake)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.serve)
        await client.stream.send_all(upgrade(path))
        answer = bytes(await client.stream.receive_some())
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
        nursery.start_soon(client.read)
        yield client
        nursery.cancel_scope.cancel()


async def refusal_of(sockets: PushSockets, path: str = "/api/live/push/cpu") -> bytes:
    client = Client(sockets, RecordingStreams(), None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.serve)
        await client.stream.send_all(upgrade(path))
        answer = await client.stream.receive_some()
        await client.stream.send_eof()
    return bytes(answer)


async def test_text_and_binary_messages_are_pushed_in_order(autojump_clock: MockClock) -> None:
    async with connected() as client:
        await client.send(
            BytesMessage(b"a f=1\n"), TextMessage("b,t=ü f=1\n"), BytesMessage(b""), BytesMessage(b"c f=1\n")
        )
        await wait_all_tasks_blocked()
        assert client.streams.pushed == [
            (1, "cpu", b"a f=1\n"),
            (1, "cpu", "b,t=ü f=1\n".encode()),
            (1, "cpu", b"c f=1\n"),
        ]
        assert client.events == []


async def test_a_large_message_in_many_frames_is_one_batch_with_pings_between(autojump_clock: MockClock) -> None:
    body = b"m f=1234567\n" * 100_000
    async with connected() as client:
        for start in range(0, len(body), 4096):
            last = start + 4096 >= len(body)
            await client.send(BytesMessage(body[start : start + 4096], message_finished=last))
            if start == 4096 * 10:
                await client.send(Ping(b"mid"))
        await wait_all_tasks_blocked()
        assert client.streams.bodies == [body]
        assert [event.payload for event in client.events if isinstance(event, Pong)] == [b"mid"]
        assert client.intake.budget.held_bytes == 0


async def test_frames_may_arrive_byte_by_byte(autojump_clock: MockClock) -> None:
    async with connected() as client:
        data = client.frames.send(BytesMessage(b"a f=1\n")) + client.frames.send(TextMessage("ü f=1\n"))
        for byte in data:
            await client.stream.send_all(bytes([byte]))
        await wait_all_tasks_blocked()
        assert client.streams.bodies == [b"a f=1\n", "ü f=1\n".encode()]


async def test_pings_come_often_enough_for_telegraf_even_to_a_busy_sender(autojump_clock: MockClock) -> None:
    async with connected() as client:
        for _ in range(100):
            await client.send(BytesMessage(b"a f=1\n"))
            await trio.sleep(1)
        assert len([event for event in client.events if isinstance(event, Ping)]) == 4


async def test_any_byte_is_life_and_pongs_need_not_match(autojump_clock: MockClock) -> None:
    for event in (Pong(b""), BytesMessage(b"a f=1\n")):
        async with connected() as client:
            for _ in range(10):
                await trio.sleep(80)
                await client.send(event)
            assert not client.closed.is_set()


async def test_a_silent_socket_is_closed_and_no_noise_is_made_of_it(autojump_clock: MockClock) -> None:
    with structlog.testing.capture_logs() as logs:
        async with connected() as client:
            await client.send(BytesMessage(b"a f=1\n"))
            begun = trio.current_time()
            await client.closed.wait()
            assert client.closes() == [1008]
            assert 90 <= trio.current_time() - begun <= 90 + SERVER.linger_seconds
    assert {entry["log_level"] for entry in logs} == {"debug"}


@pytest.mark.parametrize("sign_of_life", [Pong(b""), BytesMessage(b"x", message_finished=False)])
async def test_a_message_that_does_not_become_whole_in_time_is_given_up(
    sign_of_life: Event, autojump_clock: MockClock
) -> None:
    async with connected() as client:
        begun = trio.current_time()

        async def live() -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                while True:
                    await trio.sleep(7)
                    await client.send(sign_of_life)

        async with trio.open_nursery() as nursery:
            await client.send(BytesMessage(b"x" * 1_000, message_finished=False))
            nursery.start_soon(live)
            await wait_all_tasks_blocked()
            assert client.intake.budget.held_bytes == 1_000
            await trio.sleep(LIMITS.body_seconds + 0.1)
            assert client.closes() == [1008]
            await client.closed.wait()
            assert trio.current_time() - begun <= LIMITS.body_seconds + 0.1 + SERVER.linger_seconds
            nursery.cancel_scope.cancel()
        assert client.intake.budget.held_bytes == 0


@pytest.mark.parametrize("piece", [b"x", b""])
async def test_a_message_in_tiny_fragments_ends_the_socket(piece: bytes, autojump_clock: MockClock) -> None:
    async with connected() as client:
        fragment = client.frames.send(BytesMessage(piece, message_finished=False))
        following = client.frames.send(BytesMessage(piece, message_finished=False))
        await client.stream.send_all(fragment + following * 9_999)
        await wait_all_tasks_blocked()
        assert client.closes() == []
        await client.stream.send_all(following)
        await wait_all_tasks_blocked()
        assert client.closes() == [1008]
        await client.closed.wait()
        assert client.intake.budget.held_bytes == 0


async def test_a_flood_of_empty_messages_leaves_others_their_turn(autojump_clock: MockClock) -> None:
    async with connected() as client:
        data = client.frames.send(BytesMessage(b"")) * 6_400
        async with trio.open_nursery() as nursery:
            turns = count_turns(nursery)
            await client.stream.send_all(data)
            await client.send(Ping(b"end"))
            await client.answered.wait()
            nursery.cancel_scope.cancel()
        assert turns[0] >= 100


async def test_many_messages_in_one_read_leave_others_their_turn_between(autojump_clock: MockClock) -> None:
    async with connected() as client:
        data = client.frames.send(BytesMessage(b"m n=1i")) * 640
        async with trio.open_nursery() as nursery:
            turns = count_turns(nursery)
            await client.stream.send_all(data)
            await client.send(Ping(b"end"))
            await client.answered.wait()
            nursery.cancel_scope.cancel()
        assert len(client.streams.pushed) == 640
        assert turns[0] >= 40


async def test_each_message_has_the_whole_time(autojump_clock: MockClock) -> None:
    async with connected() as client:
        for _ in range(5):
            await client.send(BytesMessage(b"a f=", message_finished=False))
            await trio.sleep(LIMITS.body_seconds - 1)
            await client.send(BytesMessage(b"1\n"))
            await trio.sleep(10)
        assert client.streams.bodies == [b"a f=1\n"] * 5
        assert client.closes() == []


async def test_a_message_has_the_whole_time_even_if_it_begins_where_another_ends(autojump_clock: MockClock) -> None:
    async with connected() as client:
        await client.send(BytesMessage(b"a f=", message_finished=False))
        for _ in range(5):
            await trio.sleep(LIMITS.body_seconds - 1)
            end = client.frames.send(BytesMessage(b"1\n"))
            await client.stream.send_all(end + client.frames.send(BytesMessage(b"a f=", message_finished=False)))
        await wait_all_tasks_blocked()
        assert client.streams.bodies == [b"a f=1\n"] * 5
        assert client.closes() == []


async def test_a_message_over_the_limit_is_1009_with_text_counted_in_bytes(autojump_clock: MockClock) -> None:
    limits = Push(body_bytes=1_000)
    for event in (
        BytesMessage(b"x" * 1_001),
        TextMessage("ü" * 501),
        BytesMessage(b"x" * 1_001, message_finished=False),
    ):
        async with connected(limits) as client:
            await client.send(event)
            await client.closed.wait()
            assert client.closes() == [1009]
            assert client.streams.pushed == []
            assert client.intake.budget.held_bytes == 0
    async with connected(limits) as client:
        await client.send(BytesMessage(b"x" * 1_000), TextMessage("ü" * 500))
        await wait_all_tasks_blocked()
        assert len(client.streams.pushed) == 2


async def test_messages_share_the_budget_with_all_bodies(autojump_clock: MockClock) -> None:
    async with connected(Push(waiting_bytes=1_000)) as client:
        with client.intake.budget.hold() as held:
            held.grow(500)
            await client.send(BytesMessage(b"x" * 501, message_finished=False))
            await client.closed.wait()
            assert client.closes() == [1013]
            assert client.intake.budget.held_bytes == 500


async def test_what_a_read_brings_is_held_while_its_messages_are_pushed(autojump_clock: MockClock) -> None:
    async with connected() as client:
        push = client.streams.push

        async def push_slowly(*arguments: Any, **options: Any) -> Any:
            await trio.sleep(1)
            return await push(*arguments, **options)

        client.streams.push = push_slowly  # type: ignore[method-assign] # a parser in its thread
        await client.stream.send_all(client.frames.send(BytesMessage(b"a f=1\n" * 100)) * 2)
        await trio.sleep(1.5)
        assert len(client.streams.bodies) == 1
        assert 1_200 <= client.intake.budget.held_bytes <= 1_300
        await trio.sleep(1)
        assert client.intake.budget.held_bytes == 0


async def test_bad_lines_and_refusals_keep_the_socket_and_are_logged_once(autojump_clock: MockClock) -> None:
    with structlog.testing.capture_logs() as logs:
        async with connected() as client:
            await client.send(*[BytesMessage(b"bad\n")] * 10, BytesMessage(b"a f=1\n"))
            await wait_all_tasks_blocked()
            assert len(client.streams.pushed) == 11
            assert client.events == []
    assert len([entry for entry in logs if entry["log_level"] == "warning"]) == 1


async def test_a_refused_push_keeps_the_socket(autojump_clock: MockClock) -> None:
    intake, streams = make_intake()
    client = Client(PushSockets(intake, SERVER), streams, intake)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.serve)
            await client.stream.send_all(upgrade("/api/live/push/full"))
            await client.stream.receive_some()
            await client.send(BytesMessage(b"a f=1\n"), BytesMessage(b"b f=1\n"))
            await wait_all_tasks_blocked()
            assert not client.closed.is_set()
            nursery.cancel_scope.cancel()
    assert [entry["example"] for entry in logs if entry["log_level"] == "warning"] == ["one stream too many"]


async def test_stop_closes_with_1001_and_still_pushes_what_arrives_until_the_client_closes(
    autojump_clock: MockClock,
) -> None:
    async with connected() as client:
        await client.send(BytesMessage(b"a f=1\n"))
        await wait_all_tasks_blocked()
        late = client.frames.send(BytesMessage(b"late f=1\n"))
        client.sockets.stop()
        await wait_all_tasks_blocked()
        assert client.closes() == [1001]
        await trio.sleep(3)
        await client.stream.send_all(late)
        await trio.sleep(1)
        assert client.streams.bodies == [b"a f=1\n", b"late f=1\n"]
        assert not client.closed.is_set()
        await client.send(CloseConnection(1001))
        await wait_all_tasks_blocked()
        assert client.closed.is_set()
        assert b" 503 " in await refusal_of(client.sockets)


async def test_after_our_close_nothing_more_is_said(autojump_clock: MockClock) -> None:
    async with connected(path="/api/live/push/cpu?ack=1") as client:
        late = b"".join(client.frames.send(event) for event in (Ping(b"late"), BytesMessage(b"late f=1\n")))
        client.sockets.stop()
        await wait_all_tasks_blocked()
        await client.stream.send_all(late + b"\x82\x01x")  # at last one without a mask
        await client.closed.wait()
        assert client.streams.bodies == [b"late f=1\n"]
        assert client.received == b"\x88\x19\x03\xe9server is shutting down"


async def test_a_sender_that_is_ended_is_closed_at_once_and_nothing_more_is_pushed(autojump_clock: MockClock) -> None:
    async with connected() as client:
        await client.send(BytesMessage(b"a f=1\n"))
        await wait_all_tasks_blocked()
        assert client.sockets.identities() == [DEVELOPER]
        client.sockets.end(lambda identity: identity.login == "somebody else", may_return=False)
        await wait_all_tasks_blocked()
        assert client.closes() == []
        late = client.frames.send(BytesMessage(b"late f=1\n"))
        client.sockets.end(lambda identity: identity == DEVELOPER, may_return=True)
        await wait_all_tasks_blocked()
        assert client.closes() == [1008]
        await client.stream.send_all(late)
        await client.closed.wait()
        assert client.streams.bodies == [b"a f=1\n"]
        assert client.sockets.identities() == []


async def test_stop_waits_for_the_client_no_longer_than_its_deadline(autojump_clock: MockClock) -> None:
    async with connected() as client:
        begun = trio.current_time()
        client.sockets.stop()
        await client.closed.wait()
        assert trio.current_time() - begun == 5


async def test_a_sender_that_is_ended_in_the_middle_of_many_messages_has_no_more_of_them_pushed(
    autojump_clock: MockClock,
) -> None:
    async with connected() as client:
        push = client.streams.push

        async def end_then_push(*arguments: Any, **options: Any) -> Any:
            client.sockets.end(lambda identity: True, may_return=False)
            return await push(*arguments, **options)

        client.streams.push = end_then_push  # type: ignore[method-assign] # the sender is revoked during its own push
        frames = b"".join(client.frames.send(BytesMessage(b"a f=1\n")) for _ in range(10))
        await client.stream.send_all(frames)
        await client.stream.send_eof()
        await client.closed.wait()
        assert client.closes() == [1008]
        assert len(client.streams.bodies) == 1


async def test_a_socket_ends_with_the_token_that_let_it_in(autojump_clock: MockClock) -> None:
    async def gate(head: RequestHead) -> Identity:
        return replace(DEVELOPER, lasts_until=time.time() + 30)

    async with connected(gate=gate) as client:
        for _ in range(3):
            await client.send(BytesMessage(b"a f=1\n"))
            await trio.sleep(9)
        assert client.closes() == []
        await trio.sleep(4)
        assert client.closes() == [1008]
        await client.stream.send_eof()
        await client.closed.wait()


@pytest.mark.parametrize(
    "end", [lambda sockets: sockets.end(lambda identity: True, may_return=False), PushSockets.stop]
)
async def test_an_end_that_comes_while_a_ping_is_being_sent_is_not_forgotten(
    end: Callable[[PushSockets], object], autojump_clock: MockClock
) -> None:
    async with connected() as client:
        send_all = client.ours.send_all

        async def send_slowly(data: Any) -> None:
            if not client.closes() and not ended.is_set():
                ended.set()
                end(client.sockets)
            await send_all(data)

        ended = trio.Event()
        client.ours.send_all = send_slowly  # type: ignore[method-assign] # somebody ends it during the first ping
        await ended.wait()
        begun = trio.current_time()
        await wait_all_tasks_blocked()
        assert len(client.closes()) == 1
        assert trio.current_time() == begun


async def test_the_clients_close_is_answered_with_its_code(autojump_clock: MockClock) -> None:
    async with connected() as client:
        await client.send(BytesMessage(b"a f=1\n"), CloseConnection(1000, "bye"))
        await client.closed.wait()
        assert client.closes() == [1000]
        assert client.streams.bodies == [b"a f=1\n"]


@pytest.mark.parametrize("graceful", [True, False])
async def test_a_peer_that_leaves_without_a_close_is_no_error(graceful: bool, autojump_clock: MockClock) -> None:
    with structlog.testing.capture_logs() as logs:
        async with connected() as client:
            await client.send(BytesMessage(b"a f=1\n"), BytesMessage(b"half", message_finished=False))
            await wait_all_tasks_blocked()
            if graceful:
                await client.stream.send_eof()
            else:
                await client.stream.aclose()
            await client.closed.wait()
            assert client.streams.bodies == [b"a f=1\n"]
            assert client.intake.budget.held_bytes == 0
    assert [entry for entry in logs if entry["log_level"] not in {"debug", "info"}] == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x82\x01x", 1002),  # not masked
        (b"\xf2\x81\0\0\0\0x", 1002),  # reserved bits: a compressed frame nobody agreed on
        (b"\x80\x81\0\0\0\0x", 1002),  # a continuation of nothing
        (b"\x83\x81\0\0\0\0x", 1002),  # an opcode that is none
        (b"\x09\x80\0\0\0\0", 1002),  # a fragmented ping
        (b"\x81\x82\0\0\0\0\xc3\x28", 1007),  # text that is no UTF-8
    ],
)
async def test_broken_frames_end_the_socket_with_the_right_code(
    data: bytes, code: int, autojump_clock: MockClock
) -> None:
    async with connected() as client:
        await client.stream.send_all(data)
        await client.closed.wait()
        assert client.closes() == [code]
        assert client.streams.pushed == []


async def test_what_may_not_push_is_refused_before_the_upgrade(autojump_clock: MockClock) -> None:
    for gate, limits, path, status in [
        (closed_gate, LIMITS, "/api/live/push/cpu", b"401"),
        (open_gate, LIMITS, "/api/live/push/a%20b", b"400"),
        (open_gate, LIMITS, "/api/live/push/", b"400"),
        (open_gate, LIMITS, "/api/live/push/cpu?gf_live_frame_format=nope", b"400"),
        (open_gate, LIMITS, "/elsewhere", b"404"),
    ]:
        intake, _ = make_intake(limits, gate)
        assert (await refusal_of(PushSockets(intake, SERVER), path)).startswith(b"HTTP/1.1 " + status)


async def test_no_more_sockets_than_allowed(autojump_clock: MockClock) -> None:
    async with connected(Push(max_sockets=1)) as client:
        answer = await refusal_of(client.sockets)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: " in answer
        await client.send(CloseConnection(1000))
        await client.closed.wait()
        other = Client(client.sockets, client.streams, client.intake)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other.serve)
            await other.stream.send_all(upgrade())
            assert (await other.stream.receive_some()).startswith(b"HTTP/1.1 101 ")
            nursery.cancel_scope.cancel()
