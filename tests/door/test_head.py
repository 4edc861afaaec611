"""The head reader: strict, bounded, and never anything but a head, a refusal or nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11
import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MemoryReceiveStream, MockClock, memory_stream_pair, wait_all_tasks_blocked

from framecast.door.closing import Closing
from framecast.door.head import REMEMBERED_BYTES, HeadReader, Received, RequestHead, parse_head
from framecast.errors import Refusal
from framecast.settings import Server

LIMITS = Server(head_bytes=512, head_seconds=10, keep_alive_seconds=75)
GOOD = (
    b"POST /api/live/push/cpu?report=1 HTTP/1.1\r\nHost: localhost:8300\r\nX-Many:  a b \r\nContent-Length: 3\r\n\r\n"
)


def parse(raw: bytes) -> RequestHead:
    return parse_head(raw, max_bytes=LIMITS.head_bytes).head


async def read(*pieces: bytes) -> tuple[Received | Refusal | None, bytes]:
    ours, theirs = memory_stream_pair()
    reader = HeadReader(ours, LIMITS)
    found: list[Received | Refusal | None] = []

    async def receive() -> None:
        try:
            found.append(await reader.next_request())
        except Refusal as refusal:
            found.append(refusal)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        for piece in pieces:
            await theirs.send_all(piece)
            await wait_all_tasks_blocked()
        await theirs.send_eof()
    return found[0], reader.take_rest()


async def test_a_head_is_read_whole_byte_by_byte_and_with_bytes_behind_it() -> None:
    for pieces in ([GOOD], [GOOD[i : i + 1] for i in range(len(GOOD))], [GOOD + b"abcGET /next"]):
        received, rest = await read(*pieces)
        assert isinstance(received, Received)
        head = received.head
        assert (head.method, head.path, head.query) == ("POST", "/api/live/push/cpu", "report=1")
        assert head.find(b"host") == b"localhost:8300"
        assert head.find(b"x-many") == b"a b"
        assert received.raw == GOOD
        assert rest == b"".join(pieces)[len(GOOD) :]


async def test_no_prefix_of_a_head_is_a_head_or_refused() -> None:
    for length in range(len(GOOD)):
        received, _ = await read(GOOD[:length])
        assert received is None


async def test_one_empty_line_before_a_request_is_forgiven_two_are_not() -> None:
    assert isinstance((await read(b"\r\n" + GOOD))[0], Received)
    assert isinstance((await read(b"\r", b"\n" + GOOD))[0], Received)
    assert isinstance((await read(b"\r\n\r\n" + GOOD))[0], Refusal)


HOST = b"Host: a\r\n"


@pytest.mark.parametrize(
    ("raw", "status", "word"),
    [
        (b"GET / HTTP/1.1\n" + HOST + b"\r\n", 400, "CR LF"),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400, "CR LF"),
        (b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400, "CR LF"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400, "folded"),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "folded"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n", 400, "header line 2"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x01b\r\n\r\n", 400, "header line 2"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n", 400, "header line 2"),
        (b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n", 400, "header line 2"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n", 400, "header line 2"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "no Host"),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400, "more than one Host"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "Host"),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "Host"),
        (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, "Host"),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "Host"),
        (b"GET / HTTP/1.1\r\nHost: a:port\r\n\r\n", 400, "Host"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "both"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, "Content-Length"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1, 1\r\n\r\n", 400, "Content-Length"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\n", 400, "Content-Length"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x1\r\n\r\n", 400, "Content-Length"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n\r\n", 400, "Content-Length"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 400, "chunked"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n", 400, "chunked"),
        (b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n", 400, "chunked"),
        (b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400, "request line"),
        (b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n", 400, "request line"),
        (b"GET /\r\n" + HOST + b"\r\n", 400, "request line"),
        (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400, "request line"),
        (b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n", 400, "fragment"),
        (b"GET a HTTP/1.1\r\n" + HOST + b"\r\n", 400, "target"),
        (b"GET http://evil/ HTTP/1.1\r\n" + HOST + b"\r\n", 400, "another host"),
        (b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"\r\n", 501, "CONNECT"),
        (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505, "HTTP/1.1"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "TLS"),
        (b"\x00\x00", 400, "no HTTP"),
        (b"GET /" + b"a" * 600, 414, "512"),
        (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 100, 431, "512"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"1" * 600 + b"\r\n\r\n", 431, "512"),
    ],
)
async def test_a_doubtful_head_is_refused_with_the_reason(raw: bytes, status: int, word: str) -> None:
    for pieces in ([raw], [raw[i : i + 1] for i in range(len(raw))]):
        refusal, _ = await read(*pieces)
        assert isinstance(refusal, Refusal)
        assert refusal.code == status
        assert word in refusal.message


async def test_an_absolute_target_of_the_same_host_is_read_as_its_path() -> None:
    head = parse(b"GET http://A:1/x?y HTTP/1.1\r\nHost: a:1\r\n\r\n")
    assert (head.path, head.query) == ("/x", "y")


async def test_http_1_0_needs_no_host() -> None:
    assert parse(b"GET / HTTP/1.0\r\n\r\n").version == "1.0"


@asynccontextmanager
async def timed_reader(limits: Server = LIMITS) -> AsyncIterator[tuple[HeadReader, trio.abc.SendStream]]:
    """A reader whose waits end in time, and the peer's end."""
    ours, theirs = memory_stream_pair()
    closing = Closing()
    async with trio.open_nursery() as nursery:
        await nursery.start(closing.run, limits)
        yield HeadReader(ours, limits, closing), theirs
        nursery.cancel_scope.cancel()


async def wait_in_vain(reader: HeadReader) -> None:
    """Wait for the next request until that is ended. Refusal for one that had begun."""
    with reader.scope:
        await reader.next_request()
        pytest.fail("it came, or the peer left")
    reader.check_late()


async def test_a_head_that_drips_is_refused_with_408_in_time(autojump_clock: MockClock) -> None:
    async def drip(theirs: trio.abc.SendStream) -> None:
        for byte in b"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
            await theirs.send_all(bytes([byte]))
            await trio.sleep(1)

    async with timed_reader() as (reader, theirs), trio.open_nursery() as nursery:
        nursery.start_soon(drip, theirs)
        with pytest.raises(Refusal) as refusal:
            await wait_in_vain(reader)
        assert refusal.value.code == 408
        assert trio.current_time() == 10
        nursery.cancel_scope.cancel()


async def test_an_idle_connection_ends_without_a_word_and_later_requests_may_wait_longer(
    autojump_clock: MockClock,
) -> None:
    async with timed_reader() as (reader, _):
        await wait_in_vain(reader)
        assert trio.current_time() == 10

    async with timed_reader() as (reader, theirs):
        await theirs.send_all(GOOD)
        assert await reader.next_request() is not None
        before = trio.current_time()
        await wait_in_vain(reader)
        assert trio.current_time() - before == 75


@pytest.mark.parametrize(("keep_alive_seconds", "begins_at"), [(75, 60), (10, 6), (7, 6)])
async def test_the_head_time_begins_with_the_first_byte_of_a_later_request(
    keep_alive_seconds: float, begins_at: float, autojump_clock: MockClock
) -> None:
    async def begin_late(theirs: trio.abc.SendStream) -> None:
        await trio.sleep(begins_at)
        await theirs.send_all(b"GET")
        await trio.sleep(9)
        await theirs.send_all(b" /")

    limits = msgspec.structs.replace(LIMITS, keep_alive_seconds=keep_alive_seconds)
    async with timed_reader(limits) as (reader, theirs), trio.open_nursery() as nursery:
        await theirs.send_all(GOOD)
        await reader.next_request()
        nursery.start_soon(begin_late, theirs)
        with pytest.raises(Refusal):
            await wait_in_vain(reader)
        assert trio.current_time() == begins_at + 10


async def test_waits_end_one_after_another_each_in_its_time(autojump_clock: MockClock) -> None:
    closing, ended = Closing(), []

    class Waiting:
        idle = True

        def end(self) -> None:
            ended.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        await nursery.start(closing.run, LIMITS)
        patient, served = Waiting(), Waiting()
        closing.wait(patient, 75)
        closing.wait(served, 10)
        await trio.sleep(4)
        closing.wait(Waiting(), 10)
        closing.wait_no_more(served, 10)
        await trio.sleep(3)
        closing.wait(Waiting(), 10)
        await trio.sleep(100)
        assert ended == [14, 17, 75]
        nursery.cancel_scope.cancel()


async def test_a_request_that_comes_when_its_time_is_over_is_not_begun() -> None:
    stream = MemoryReceiveStream()
    reader = HeadReader(stream, LIMITS)

    async def end_as_it_comes() -> None:
        await wait_all_tasks_blocked()
        stream.put_data(GOOD)
        reader.end()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_as_it_comes)
        with reader.scope:
            await reader.next_request()
            pytest.fail("it was begun")
    assert reader.scope.cancelled_caught


async def test_a_reset_while_reading_a_head_is_no_error() -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(b"GET /")
    await theirs.aclose()
    assert await HeadReader(ours, LIMITS).next_request() is None


def with_length(*lines: bytes) -> bytes:
    return b"\r\n".join([b"POST /p HTTP/1.1", b"Host: a", *lines, b"", b""])


async def test_the_same_head_again_is_the_very_same_whatever_its_length() -> None:
    ours, theirs = memory_stream_pair()
    reader = HeadReader(ours, LIMITS)
    for length in (b"5", b"17", b"5", b"0", b"123456789012345678"):
        await theirs.send_all(with_length(b"Content-Length:\t" + length + b" ", b"X: 1"))
    received = [await reader.next_request() for _ in range(5)]
    heads = {id(one.head) for one in received if one is not None}
    assert len(heads) == 1
    assert [one.body.declared_bytes for one in received if one is not None] == [5, 17, 5, 0, 123456789012345678]


async def test_a_large_head_is_not_remembered() -> None:
    ours, theirs = memory_stream_pair()
    reader = HeadReader(ours, Server(head_bytes=65_536))
    large = with_length(b"Content-Length: 5", b"X: " + b"x" * REMEMBERED_BYTES)
    await theirs.send_all(large + large)
    first, second = await reader.next_request(), await reader.next_request()
    assert first is not None
    assert second is not None
    assert first.head == second.head
    assert first.head is not second.head


NEARLY_THE_SAME = st.lists(
    st.sampled_from(
        [
            with_length(b"Content-Length: 5"),
            with_length(b"Content-Length: 12"),
            with_length(b"Content-Length: 05"),
            with_length(b"content-length: 5"),
            with_length(b"Content-Length: 5", b"X: 5"),
            with_length(b"X: Content-Length: 5", b"Content-Length: 5"),
            with_length(b"Content-Length: 5,5"),
            with_length(b"Content-Length: "),
            with_length(b"Content-Length: 5\r\nContent-Length: 5"),
            with_length(b"Content-Length: 1234567890123456789"),
            with_length(b"Content-Length: \xb2"),
            with_length(b"Transfer-Encoding: chunked"),
            with_length(),
        ]
    ),
    min_size=1,
    max_size=6,
)


@given(NEARLY_THE_SAME)
def test_a_head_behind_others_is_read_as_it_is_alone(heads: list[bytes]) -> None:
    def read_alone(raw: bytes) -> Received | str:
        try:
            return parse_head(raw, max_bytes=LIMITS.head_bytes)
        except Refusal as refusal:
            return refusal.message

    async def run() -> None:
        ours, theirs = memory_stream_pair()
        reader = HeadReader(ours, LIMITS)
        await theirs.send_all(b"".join(heads))
        for raw in heads:
            alone = read_alone(raw)
            try:
                behind = await reader.next_request()
            except Refusal as refusal:
                assert refusal.message == alone
            else:
                assert behind is not None
                assert isinstance(alone, Received)
                assert (behind.head, behind.raw) == (alone.head, raw)
                assert behind.body.declared_bytes == alone.body.declared_bytes

    trio.run(run)


TOKENS = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=20)
NEAR_HEADS = st.lists(
    st.sampled_from(
        b"GET|POST| |/|/a?b|HTTP/1.1|\r\n|\n|\r|\0|Host: a|\r\n\r\n|Content-Length: 5|:|\t|\xff"
        b"|Transfer-Encoding: chunked|GET / HTTP/1.1\r\nHost: a".split(b"|")
    ),
    max_size=12,
).map(b"".join)


@given(st.one_of(st.binary(max_size=80), NEAR_HEADS))
def test_any_bytes_are_a_head_or_a_documented_refusal(raw: bytes) -> None:
    try:
        received = parse_head(raw, max_bytes=LIMITS.head_bytes)
    except Refusal as refusal:
        assert refusal.code in {400, 501, 505}
    else:
        assert received.raw == raw


@given(st.one_of(st.binary(max_size=80), NEAR_HEADS), st.integers(min_value=1, max_value=9))
def test_any_stream_of_bytes_ends_in_a_head_a_refusal_or_nothing(raw: bytes, size: int) -> None:
    async def run() -> None:
        ours, theirs = memory_stream_pair()
        reader = HeadReader(ours, LIMITS)
        for start in range(0, len(raw), size):
            await theirs.send_all(raw[start : start + size])
        await theirs.send_eof()
        try:
            received = await reader.next_request()
        except Refusal as refusal:
            assert refusal.code in {400, 408, 414, 431, 501, 505}
        else:
            assert received is None or raw.endswith(received.raw + reader.take_rest())

    trio.run(run)


@given(TOKENS, st.lists(st.tuples(TOKENS, VALUES), max_size=5))
def test_a_valid_head_reads_as_h11_reads_it(method: str, headers: list[tuple[str, str]]) -> None:
    framing = {"host", "content-length", "transfer-encoding"}
    lines = [f"{name}: {value}" for name, value in headers if name.lower() not in framing]
    raw = "\r\n".join([f"{method} /p?q HTTP/1.1", "Host: a", *lines, "", ""]).encode("latin-1")
    reference = h11.Connection(h11.SERVER)
    reference.receive_data(raw)
    event = reference.next_event()
    assert isinstance(event, h11.Request)
    head = parse(raw)
    assert head.method.encode() == event.method
    assert head.target.encode() == event.target
    assert list(head.headers) == list(event.headers)
