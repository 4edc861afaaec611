"""The fan-out as Python sees it: conversions, errors, threads. Its rules: rust/tests/fanout."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

import pytest
from fanout_peers import wait_for

from framecast._core import Fanout
from patience import PATIENCE_SECONDS


@pytest.fixture
def fanout() -> Iterator[Fanout]:
    with contextlib.closing(Fanout(max_total_bytes=1 << 30)) as fanout:
        yield fanout


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(PATIENCE_SECONDS)
    with ours, theirs:
        yield ours, theirs


def receive(peer: socket.socket) -> object:
    """One WebSocket text message of less than 64 KiB, decoded."""
    head = peer.recv(2, socket.MSG_WAITALL)
    assert head[0] == 0x81
    length = head[1] if head[1] < 126 else int.from_bytes(peer.recv(2, socket.MSG_WAITALL), "big")
    return json.loads(peer.recv(length, socket.MSG_WAITALL))


def test_publication_reaches_subscriber_under_its_own_spelling(
    fanout: Fanout, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    connection = fanout.add(ours.fileno(), 1 << 20, write_seconds=60)
    fanout.subscribe(connection, "stream/cpu", '1/stream/"cpü"')
    assert fanout.publish("stream/cpu", b'{"a":[1,2]}', 0) == 1
    assert fanout.publish("stream/mem", b"1", 0) == 0
    fanout.send_message(connection, b'{"id":1}')
    assert receive(theirs) == {"push": {"channel": '1/stream/"cpü"', "pub": {"data": {"a": [1, 2]}}}}
    assert receive(theirs) == {"id": 1}
    fanout.publish("stream/cpu", b"null", 2**63)
    pub = {"data": None, "offset": 2**63}
    assert receive(theirs) == {"push": {"channel": '1/stream/"cpü"', "pub": pub}}


def test_overflow_then_release_arrive_on_the_event_descriptor(
    fanout: Fanout, pair: tuple[socket.socket, socket.socket]
) -> None:
    connection = fanout.add(pair[0].fileno(), 10, write_seconds=60)
    assert fanout.take_events() == []
    assert not fanout.send(connection, b"eleven byte")
    assert [(event.connection, event.kind) for event in wait_for(fanout, "overflow")] == [(connection, "overflow")]
    fanout.remove(connection)
    assert [(event.connection, event.kind) for event in wait_for(fanout, "released")] == [(connection, "released")]
    assert fanout.statistics().overflows == 1
    assert fanout.statistics().connections == 0


def test_longest_queue_is_cut_when_all_together_are_too_long() -> None:
    with contextlib.closing(Fanout(max_total_bytes=1 << 22)) as fanout, contextlib.ExitStack() as sockets:
        sizes = [1 << 19, 3 << 20]
        pairs = [socket.socketpair() for _ in sizes]
        for end in (end for pair in pairs for end in pair):
            sockets.enter_context(end).setblocking(False)
        connections = [fanout.add(ours.fileno(), 1 << 24, write_seconds=60) for ours, _ in pairs]
        for connection, size in zip(connections, sizes, strict=True):
            assert fanout.send(connection, bytes(size))
        while fanout.statistics().send_calls < 2 * len(sizes):
            assert not fanout.take_events(), "each socket takes a part and then is full"
        assert 3 << 20 < fanout.statistics().total_bytes <= 1 << 22
        assert not fanout.take_events()
        fanout.send(connections[0], bytes(1 << 20))
        assert [event.connection for event in wait_for(fanout, "overflow")] == connections[1:]
        fanout.close()


def test_stall_arrives_on_the_event_descriptor(fanout: Fanout, pair: tuple[socket.socket, socket.socket]) -> None:
    connection = fanout.add(pair[0].fileno(), 1 << 24, write_seconds=0.01)
    assert fanout.send(connection, bytes(1 << 23))
    assert [(event.connection, event.kind) for event in wait_for(fanout, "stalled")] == [(connection, "stalled")]
    assert fanout.statistics().stalls == 1


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_limit_that_is_no_time_is_a_value_error(fanout: Fanout, seconds: float) -> None:
    with pytest.raises(ValueError, match="write_seconds must be a finite number"):
        fanout.add(0, 10, write_seconds=seconds)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e300])
def test_window_that_is_no_time_is_a_value_error(seconds: float) -> None:
    with pytest.raises(ValueError, match="coalesce_seconds must be a finite number"):
        Fanout(max_total_bytes=1, coalesce_seconds=seconds)


def test_publications_wait_for_the_window_and_a_message_takes_them_along(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    with contextlib.closing(Fanout(max_total_bytes=1 << 30, coalesce_seconds=1e6)) as fanout:
        connection = fanout.add(pair[0].fileno(), 1 << 20, framing="stream", write_seconds=60)
        fanout.subscribe(connection, "a", "a")
        for number in range(1, 11):
            assert fanout.publish("a", b"1", number) == 1
        assert fanout.statistics().send_calls == 0
        assert fanout.send_message(connection, b"end")
        received = b""
        while not received.endswith(b"end\n"):
            received += pair[1].recv(1 << 16)
        assert received.count(b'"pub"') == 10
        assert fanout.statistics().send_calls == 1
        fanout.close()


def test_descriptor_that_cannot_be_watched_is_an_os_error(fanout: Fanout) -> None:
    with pytest.raises(OSError, match="os error 9"):
        fanout.add(-1, 10, write_seconds=60)
    with pytest.raises(OverflowError):
        fanout.add(3, -1, write_seconds=60)


def test_closed_fanout_is_harmless(pair: tuple[socket.socket, socket.socket]) -> None:
    fanout = Fanout(max_total_bytes=1 << 30)
    connection = fanout.add(pair[0].fileno(), 10, write_seconds=60)
    fanout.subscribe(connection, "a", "a")
    fanout.close()
    fanout.close()
    assert [(event.connection, event.kind) for event in fanout.take_events()] == [(connection, "released")]
    assert fanout.publish("a", b"1", 1) == 0
    assert not fanout.send(connection, b"1")
    assert fanout.queued_bytes(connection) == 0
    with pytest.raises(OSError, match="writer thread has ended"):
        fanout.add(pair[0].fileno(), 10, write_seconds=60)


def test_threads_may_publish_at_once(fanout: Fanout, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    fanout.subscribe(fanout.add(ours.fileno(), 1 << 24, write_seconds=60), "a", "a")

    def publish(name: int) -> None:
        for number in range(500):
            fanout.publish("a", b"[%d,%d]" % (name, number), 0)

    threads = [threading.Thread(target=publish, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for _ in range(1500):
        message = receive(theirs)
        assert isinstance(message, dict)
        name, number = message["push"]["pub"]["data"]
        seen[name].append(number)
    for thread in threads:
        thread.join()
    assert seen == {name: list(range(500)) for name in range(3)}
