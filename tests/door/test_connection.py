"""One connection from request to request: rooms, order, refusals that a peer can read, hand-overs."""

from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, MockClock, memory_stream_pair, wait_all_tasks_blocked

from framecast.door.answer import Answer
from framecast.door.connection import ExchangeRoom, Rooms, TakeOver, serve_connection
from framecast.door.exchange import Disconnected, Exchange
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.settings import Server

LIMITS = Server(head_bytes=1024, linger_bytes=100_000)
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\n" + KEY
)


def post(body: bytes, *headers: bytes, path: bytes = b"/echo") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"POST " + path + b" HTTP/1.1", b"Host: a", length, *headers, b"", body])


@dataclass
class House:
    """Rooms that record what reaches them: /echo answers its body, /ws is a WebSocket room, the rest is the app's."""

    seen: list[str] = field(default_factory=list)

    def rooms(self) -> Rooms:
        return Rooms(self.check, self.admit_websocket, self.find_exchange, self.app)

    def check(self, head: RequestHead) -> None:
        if head.find(b"host") == b"evil":
            raise Refusal(403, "not that name")

    async def admit_websocket(self, head: RequestHead) -> TakeOver:
        if head.path != "/ws":
            raise Refusal(404, "no WebSocket here")
        return self.websocket

    async def websocket(self, stream: trio.abc.Stream) -> None:
        self.seen.append("websocket")
        await stream.send_all(b"the room's bytes")

    def find_exchange(self, head: RequestHead) -> ExchangeRoom | None:
        return self.echo if head.method == "POST" and head.path == "/echo" else None

    async def echo(self, exchange: Exchange) -> Answer:
        self.seen.append("exchange")
        if exchange.head.query == "refuse":
            raise Refusal(413, "too large")
        body = b""
        async for piece in exchange:
            body += piece
        if exchange.head.query == "204":
            return Answer(204, (("X-Length", str(len(body))),))
        return Answer(200, (), body)

    async def app(self, stream: trio.abc.Stream) -> None:
        data = b""
        while piece := await stream.receive_some():
            data += piece
        self.seen.append(f"app {data.decode()}")


async def converse(sent: bytes, *, size: int = 0, limits: Server = LIMITS) -> tuple[bytes, list[str]]:
    house = House()
    ours, theirs = memory_stream_pair()
    answer = bytearray()

    async def serve() -> None:
        await serve_connection(ours, house.rooms(), limits)
        await ours.aclose()

    async def read() -> None:
        async for data in theirs:
            answer.extend(data)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        nursery.start_soon(read)
        for start in range(0, len(sent), size or len(sent)):
            await theirs.send_all(sent[start : start + (size or len(sent))])
            if size:
                await wait_all_tasks_blocked()
        await theirs.send_eof()
    return bytes(answer), house.seen


CHUNKED = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


@pytest.mark.parametrize("size", [0, 1, 7])
async def test_pipelined_requests_are_answered_in_order_and_the_rest_goes_to_the_app(size: int) -> None:
    last = b"GET /page HTTP/1.1\r\nHost: a\r\n\r\nmore"
    answer, seen = await converse(post(b"one") + CHUNKED + post(b"three!", path=b"/echo?204") + last, size=size)
    assert seen == ["exchange", "exchange", "exchange", f"app {last.decode()}"]
    first, second, third = answer.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200 OK\r\n")
    assert first.endswith(b"\r\n\r\none")
    assert b"Content-Length: 3\r\n" in first
    assert b"Connection: close" not in first
    assert second.endswith(b"\r\n\r\nabcde")
    assert third.startswith(b"204 No Content\r\nX-Length: 6\r\n")
    assert b"ontent-" not in third.split(b"\r\n", 1)[1]


@pytest.mark.parametrize("size", [0, 1])
async def test_an_upgrade_may_follow_pushes_on_the_same_connection(size: int) -> None:
    answer, seen = await converse(post(b"one") + UPGRADE + b"\r\n", size=size)
    assert seen == ["exchange", "websocket"]
    assert answer.endswith(b"onethe room's bytes")


async def test_every_head_is_checked_and_finds_its_own_room_though_it_comes_behind_another() -> None:
    evil = post(b"four").replace(b"Host: a", b"Host: evil")
    requests = post(b"one") + post(b"three!") + post(b"two", path=b"/echo?204") + post(b"one") + evil
    answer, seen = await converse(requests)
    assert seen == ["exchange"] * 4
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"204", b"200", b"403"]
    _, seen = await converse(post(b"one") + post(b"one", path=b"/page"))
    assert seen == ["exchange", f"app {post(b'one', path=b'/page').decode()}"]


async def test_connection_close_and_http_1_0_end_the_connection_after_the_answer() -> None:
    for first in (post(b"one", b"Connection: close"), b"POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\none"):
        answer, seen = await converse(first + post(b"two"))
        assert seen == ["exchange"]
        assert b"onnection: close\r\n" in answer
        assert answer.endswith(b"one")


async def test_an_offer_of_another_protocol_costs_a_push_no_connection() -> None:
    offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
    answers, _ = await converse(post(b"one", *offer) + post(b"two"))
    assert answers.count(b"HTTP/1.1 200 OK") == 2


async def test_expect_100_continue_is_answered_only_when_the_body_is_wanted() -> None:
    house = House()
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connection, ours, house.rooms(), LIMITS)
        await theirs.send_all(post(b"", b"Expect: 100-continue").replace(b"Length: 0", b"Length: 3"))
        assert (await theirs.receive_some()).startswith(b"HTTP/1.1 100 ")
        await theirs.send_all(b"abc")
        assert (await theirs.receive_some()).endswith(b"abc")
        await theirs.send_all(
            post(b"", b"Expect: 100-continue", path=b"/echo?refuse").replace(b"Length: 0", b"Length: 3")
        )
        refused = await theirs.receive_some()
        assert refused.startswith(b"HTTP/1.1 413 ")
        assert b"Connection: close" in refused
        await theirs.send_eof()


async def test_a_body_that_begins_in_crumbs_is_asked_for_once() -> None:
    answer, _ = await converse(CHUNKED.replace(b"Host: a", b"Host: a\r\nExpect: 100-continue"), size=1)
    assert answer.count(b"HTTP/1.1 100 Continue\r\n\r\n") == 1
    assert answer.endswith(b"abcde")


async def test_a_refused_body_that_is_there_already_costs_no_connection() -> None:
    answer, seen = await converse(post(b"abc", path=b"/echo?refuse") + post(b"two"))
    assert seen == ["exchange", "exchange"]
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'{"message":"too large"}' in answer
    assert answer.endswith(b"two")


async def test_a_broken_chunk_is_refused_and_the_connection_ends() -> None:
    raw = CHUNKED.replace(b"3\r\nabc", b"zz\r\nabc")
    answer, _ = await converse(raw + post(b"two"))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_peer_that_leaves_in_the_middle_of_a_body_gets_no_answer() -> None:
    answer, seen = await converse(post(b"abcdef")[:-3])
    assert seen == ["exchange"]
    assert answer == b""


BAD_UPGRADES = [
    (UPGRADE + b"\r\nX", 400, b"before it was answered"),
    (UPGRADE + b"Content-Length: 3\r\n\r\nabc", 400, b"no body"),
    (UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, b"no body"),
    (UPGRADE.replace(b"GET", b"POST") + b"\r\n", 400, b"GET"),
    (UPGRADE.replace(b"Version: 13", b"Version: 8") + b"\r\n", 426, b"version 13"),
    (UPGRADE.replace(KEY, b"") + b"\r\n", 400, b"Key"),
    (UPGRADE.replace(KEY, KEY * 2) + b"\r\n", 400, b"Key"),
    (UPGRADE.replace(b"dGhl", b"dGh") + b"\r\n", 400, b"Key"),
    (UPGRADE.replace(b"dGhl", b"\xff\xff\xff\xff") + b"\r\n", 400, b"Key"),
    (UPGRADE.replace(b"Connection: keep-alive, Upgrade\r\n", b"") + b"\r\n", 400, b"proxy"),
    (UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n", 400, b"HTTP/1.1"),
    (UPGRADE.replace(b"/ws", b"/nowhere") + b"\r\n", 404, b"no WebSocket"),
    (UPGRADE.replace(b"Host: a", b"Host: evil") + b"\r\n", 403, b"not that name"),
]


@pytest.mark.parametrize(("raw", "status", "word"), BAD_UPGRADES)
async def test_no_bad_upgrade_reaches_a_room(raw: bytes, status: int, word: bytes) -> None:
    answer, seen = await converse(raw)
    assert seen == []
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close\r\n" in answer
    assert word in answer
    assert (b"Sec-WebSocket-Version: 13\r\n" in answer) == (status == 426)


async def test_hostile_offers_do_not_spoil_a_good_upgrade() -> None:
    for line in (
        b"Sec-WebSocket-Protocol: \xff\r\n",
        b"Sec-WebSocket-Extensions: \xff\r\n",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=abc\r\n",
    ):
        _, seen = await converse(UPGRADE + line + b"\r\n")
        assert seen == ["websocket"]


async def test_an_offer_of_clear_text_http_2_is_taken_out() -> None:
    _, seen = await converse(
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
        b"Connection: Upgrade\r\nX: upgrade: 1\r\n\r\n"
    )
    assert seen == ["app GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nX: upgrade: 1\r\n\r\n"]


async def test_a_peer_can_read_why_it_was_refused_while_it_still_sends() -> None:
    body = b"x" * 50_000
    answer, _ = await converse(post(body, path=b"/echo?refuse").replace(b": 50000", b": 5000000"), size=1_000)
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_refused_peer_that_neither_reads_nor_closes_is_left_in_time(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(b"nonsense\r\n\r\n")
    await serve_connection(ours, House().rooms(), LIMITS)
    assert trio.current_time() == LIMITS.linger_seconds


async def test_a_refused_peer_that_sends_without_end_is_left_by_bytes(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(b"nonsense\r\n\r\n")

    async def flood() -> None:
        while True:
            await theirs.send_all(b"x" * 10_000)
            await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood)
        await serve_connection(ours, House().rooms(), LIMITS)
        assert 0.05 < trio.current_time() < 0.2
        nursery.cancel_scope.cancel()


async def test_a_peer_that_does_not_take_its_answer_is_left_in_time(autojump_clock: MockClock) -> None:
    for raw in (post(b"abc"), b"nonsense\r\n\r\n"):
        receive = MemoryReceiveStream()
        receive.put_data(raw)
        stream = trio.StapledStream(MemorySendStream(trio.sleep_forever), receive)
        before = trio.current_time()
        await serve_connection(stream, House().rooms(), LIMITS)
        assert trio.current_time() - before == LIMITS.send_seconds


async def test_a_room_that_raises_costs_its_request_a_500() -> None:
    class Buggy(House):
        async def echo(self, exchange: Exchange) -> Answer:
            raise KeyError("a bug")

    ours, theirs = memory_stream_pair()
    await theirs.send_all(post(b"abc") + post(b"def"))
    await theirs.send_eof()
    await serve_connection(ours, Buggy().rooms(), LIMITS)
    await ours.send_eof()
    answers = b""
    while piece := await theirs.receive_some():
        answers += piece
    assert answers.count(b"HTTP/1.1 500 ") == 2
    assert b"a bug" not in answers


async def test_an_idle_connection_ends_when_the_server_goes_down(autojump_clock: MockClock) -> None:
    rooms = House().rooms()
    ours, theirs = memory_stream_pair()
    await theirs.send_all(post(b"abc"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connection, ours, rooms, LIMITS)
        await wait_all_tasks_blocked()
        assert b"HTTP/1.1 200 " in await theirs.receive_some()
        rooms.closing.begin()
    assert trio.current_time() == 0


async def test_the_application_sends_no_longer_than_the_grace_time(autojump_clock: MockClock) -> None:
    class Chatty(House):
        async def app(self, stream: trio.abc.Stream) -> None:
            with trio.CancelScope(shield=True), pytest.raises(trio.BrokenResourceError):
                await stream.send_all(b"x")

    ours, theirs = memory_stream_pair()
    clogged = trio.StapledStream(MemorySendStream(trio.sleep_forever), ours.receive_stream)
    rooms = Chatty().rooms()
    await theirs.send_all(b"GET /app HTTP/1.1\r\nHost: a\r\n\r\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connection, clogged, rooms, Server(send_seconds=30))
        await wait_all_tasks_blocked()
        rooms.closing.begin(grace_seconds=4)
    assert trio.current_time() == 4


async def test_a_request_under_way_is_the_last_when_the_server_goes_down() -> None:
    rooms = House().rooms()
    ours, theirs = memory_stream_pair()
    request = post(b"abcdef")
    await theirs.send_all(request[:-3])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connection, ours, rooms, LIMITS)
        await wait_all_tasks_blocked()
        rooms.closing.begin()
        await theirs.send_all(request[-3:])
        await theirs.send_eof()
    answer = await theirs.receive_some()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in answer
    assert answer.endswith(b"abcdef")


async def test_disconnected_is_raised_while_iterating() -> None:
    found = []

    class Reader(House):
        async def echo(self, exchange: Exchange) -> Answer:
            found.append(await anext(exchange))
            with pytest.raises(Disconnected):
                await anext(exchange)
            raise Disconnected

    ours, theirs = memory_stream_pair()
    await theirs.send_all(post(b"abcdef")[:-3])
    await theirs.aclose()
    await serve_connection(ours, Reader().rooms(), LIMITS)
    assert found == [b"abc"]
