"""Where a request's body ends: both kinds of bodies are read as h11 reads them, however they are cut."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.door.body import IncomingBody
from framecast.door.head import Received, parse_head
from framecast.errors import Refusal

HEAD = b"POST /p HTTP/1.1\r\nHost: a\r\n"
MAX_BYTES = 999


def parse(*headers: bytes, version: bytes = b"1.1") -> Received:
    head = HEAD.replace(b"1.1", version) + b"".join(header + b"\r\n" for header in headers) + b"\r\n"
    return parse_head(head, max_bytes=MAX_BYTES)


def take_all(body: IncomingBody, data: bytes, size: int) -> bytes:
    """What comes out of a body that arrives in pieces of `size`, with whatever is behind it."""
    taken = b""
    for start in range(0, len(data), size):
        body.receive(data[start : start + size])
        while piece := body.take():
            taken += piece
    return taken


@given(st.binary(max_size=40), st.binary(max_size=9), st.integers(min_value=1, max_value=60))
def test_a_body_of_known_length_is_told_from_what_follows(content: bytes, behind: bytes, size: int) -> None:
    body = parse(b"Content-Length: %d" % len(content)).body
    assert take_all(body, content + behind, size) == content
    assert (body.take(), body.ended, body.rest) == (b"", True, behind)


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=5), st.binary(max_size=9), st.integers(1, 60))
def test_a_body_in_chunks_is_told_from_what_follows(chunks: list[bytes], behind: bytes, size: int) -> None:
    body = parse(b"Transfer-Encoding: chunked").body
    sent = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    assert take_all(body, sent + behind, size) == b"".join(chunks)
    assert (body.take(), body.ended, body.rest) == (b"", True, behind)


def test_a_body_that_has_not_arrived_is_waited_for() -> None:
    for body in (parse(b"Content-Length: 3").body, parse(b"Transfer-Encoding: chunked").body):
        assert body.take() is None
        assert not body.ended


def test_a_body_that_came_along_is_taken_whole_and_what_follows_is_left() -> None:
    body = parse(b"Content-Length: 3").body
    body.receive(b"ab")
    assert body.take_whole() is None
    body.receive(b"cnext")
    assert (body.take_whole(), body.ended, body.rest) == (b"abc", True, b"next")


def test_nobody_knows_that_a_body_in_chunks_is_whole() -> None:
    body = parse(b"Transfer-Encoding: chunked").body
    body.receive(b"1\r\na\r\n0\r\n\r\n")
    assert (body.take_whole(), body.take(), body.take(), body.ended) == (None, b"a", b"", True)


def test_a_request_without_a_length_has_no_body() -> None:
    body = parse().body
    assert (body.take(), body.ended) == (b"", True)


def test_a_chunk_without_a_size_is_refused() -> None:
    body = parse(b"Transfer-Encoding: chunked").body
    body.receive(b"no size\r\n")
    with pytest.raises(Refusal, match="bad request body"):
        body.take()


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("connection", [b"close", b"Keep-Alive", b"upgrade, Close", b"closed", b""])
@pytest.mark.parametrize("expect", [b"100-continue", b"100-Continue, x", b"100", b""])
def test_what_a_head_asks_of_the_connection_is_what_h11_makes_of_it(
    version: bytes, connection: bytes, expect: bytes
) -> None:
    headers = (b"Content-Length: 1", b"Connection: " + connection, b"Expect: " + expect)
    received = parse(*headers, version=version)
    reference = h11.Connection(h11.SERVER)
    reference.receive_data(received.raw)
    reference.next_event()
    assert received.head.waits_to_go_on == reference.they_are_waiting_for_100_continue
    reference.receive_data(b"x")
    while not isinstance(reference.next_event(), h11.EndOfMessage):
        pass
    assert received.head.keeps_alive == (reference.their_state is h11.DONE)
