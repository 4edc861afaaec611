"""The sans-io session against h2's server half: flow control, limits, and what a broken plugin can send."""

from collections import deque
from collections.abc import Callable

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamReset
from hypothesis import given
from hypothesis import strategies as st

from framecast.plugins.host.grpc.exchange import Exchange
from framecast.plugins.host.grpc.session import CallLimits, Session, SessionOverError
from framecast.plugins.host.grpc.status import StatusCode
from plugins.grpc_server import ANSWER, framed

LIMITS = CallLimits(window_bytes=65_536, message_bytes=1_000_000, max_held_bytes=10_000_000, max_calls=10)


class Pair:
    """A session and the plugin's half of its connection, with nothing between them."""

    def __init__(self, limits: CallLimits = LIMITS) -> None:
        self.session = Session(limits, scheme="http")
        self.plugin = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.plugin.initiate_connection()
        self.plugin_saw: list[object] = []
        self.exchange()

    def exchange(self) -> None:
        """Carry bytes to and fro until both are silent."""
        while True:
            out = self.session.take_output()
            if out:
                self.plugin_saw += self.plugin.receive_data(out)
            back = self.plugin.data_to_send()
            if back:
                self.session.receive(back)
            if not out and not back:
                return

    def open(self, request: bytes = b"") -> Exchange:
        exchange = self.session.open("/x/Y", timeout_seconds=1)
        self.session.send(exchange, memoryview(request))
        self.exchange()
        return exchange

    def begin_answer(self, exchange: Exchange) -> None:
        self.plugin.send_headers(exchange.stream_id, ANSWER)
        self.exchange()

    def send_as_allowed(self, exchange: Exchange, data: bytes, *, most: int | None = None) -> bytes:
        """Send from the plugin what its windows allow; return the rest."""
        window = self.plugin.local_flow_control_window(exchange.stream_id)
        size = min(window, len(data), self.plugin.max_outbound_frame_size, most or len(data))
        if size:
            self.plugin.send_data(exchange.stream_id, data[:size])
            self.exchange()
        return data[size:]

    def finish(self, exchange: Exchange, status: str = "0") -> None:
        self.plugin.send_headers(exchange.stream_id, [("grpc-status", status)], end_stream=True)
        self.exchange()


@given(
    sizes=st.lists(st.integers(0, 3_000), max_size=12),
    window=st.integers(1, 2_000),
    steps=st.lists(st.integers(1, 5_000), min_size=1, max_size=20),
    take_first=st.booleans(),
)
def test_all_messages_arrive_and_a_call_never_holds_more_than_its_window_and_one_message(
    sizes: list[int], window: int, steps: list[int], take_first: bool
) -> None:
    pair = Pair(CallLimits(window_bytes=window, message_bytes=3_000, max_held_bytes=10_000_000, max_calls=10))
    exchange = pair.open()
    pair.begin_answer(exchange)
    messages = [bytes([number]) * size for number, size in enumerate(sizes)]
    rest = b"".join(map(framed, messages))
    taken: list[bytes] = []
    pace = deque(steps)
    while len(taken) < len(messages):
        pace.rotate()
        before = (len(rest), len(taken))
        if rest:
            rest = pair.send_as_allowed(exchange, rest, most=pace[0])
        assert exchange.held_bytes <= window + 3_005
        stuck = len(rest) == before[0]
        if stuck or take_first or pace[0] % 2:
            message = pair.session.take_message(exchange)
            if message is not None:
                taken.append(message)
            pair.exchange()
        assert (len(rest), len(taken)) != before, "neither side can go on"
    pair.finish(exchange)
    assert taken == messages
    assert exchange.ended
    assert exchange.error is None


def test_a_consumer_that_takes_nothing_holds_the_plugin_back_at_the_window() -> None:
    pair = Pair()
    exchange = pair.open()
    pair.begin_answer(exchange)
    rest = framed(bytes(95)) * 10_000
    while (left := pair.send_as_allowed(exchange, rest)) != rest:
        rest = left
    assert exchange.held_bytes == LIMITS.window_bytes
    for _ in range(400):
        assert pair.session.take_message(exchange) == bytes(95)
    pair.exchange()
    assert pair.send_as_allowed(exchange, rest) != rest


def test_a_held_back_call_leaves_all_room_to_the_others() -> None:
    pair = Pair()
    slow, other = pair.open(), pair.open()
    pair.begin_answer(slow)
    pair.begin_answer(other)
    rest = framed(bytes(95)) * 1_000
    while (left := pair.send_as_allowed(slow, rest)) != rest:
        rest = left
    rest = framed(bytes(900_000))
    while rest:
        rest = pair.send_as_allowed(other, rest)
    assert pair.session.take_message(other) == bytes(900_000)


def test_the_connection_never_runs_out_of_window() -> None:
    pair = Pair()
    exchange = pair.open()
    pair.begin_answer(exchange)
    whole = pair.plugin.outbound_flow_control_window
    pair.session._unreturned_bytes = 2**30  # as after a gigabyte of packets
    pair.session._h2._inbound_flow_control_window_manager.window_consumed(2**30)
    pair.plugin.outbound_flow_control_window -= 2**30
    pair.send_as_allowed(exchange, framed(b"x"))
    assert pair.plugin.outbound_flow_control_window == whole


def test_what_all_calls_hold_is_bounded_and_the_one_that_holds_most_ends() -> None:
    pair = Pair(CallLimits(window_bytes=65_536, message_bytes=1_000_000, max_held_bytes=300_000, max_calls=10))
    large, small = pair.open(), pair.open()
    for exchange in (large, small):
        pair.begin_answer(exchange)
    pair.send_as_allowed(small, framed(b"kept"))
    rest = framed(bytes(900_000))
    while rest and not large.ended:
        rest = pair.send_as_allowed(large, rest)
    assert large.error is not None
    assert large.error.code is StatusCode.RESOURCE_EXHAUSTED
    assert large.held_bytes == 0
    assert [event.error_code for event in pair.plugin_saw if isinstance(event, StreamReset)] == [ErrorCodes.CANCEL]
    assert not small.ended
    assert pair.session.take_message(small) == b"kept"


def test_padding_costs_the_plugin_its_window_for_a_while_only() -> None:
    pair = Pair()
    exchange = pair.open()
    pair.begin_answer(exchange)
    for _ in range(2_000):
        pair.plugin.send_data(exchange.stream_id, framed(b"x"), pad_length=200)
        pair.exchange()
        assert pair.session.take_message(exchange) == b"x"
        pair.exchange()
    assert not exchange.ended


def test_a_request_waits_for_the_plugin_s_window_and_ends_with_its_last_byte() -> None:
    pair = Pair()
    exchange = pair.session.open("/x/Y", timeout_seconds=1)
    rest = memoryview(bytes(200_000))
    while rest:
        sent = pair.session.send(exchange, rest)
        rest = rest[sent:]
        assert exchange.request_ended == (not rest)
        pair.exchange()
        for event in pair.plugin_saw:
            if isinstance(event, DataReceived):
                pair.plugin.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        pair.plugin_saw.clear()
        pair.exchange()
        assert pair.session.request_window_grew
        pair.session.request_window_grew = False


def test_closing_a_call_that_runs_resets_its_stream_and_what_comes_late_is_nothing_to_others() -> None:
    pair = Pair()
    gone, other = pair.open(), pair.open()
    pair.begin_answer(gone)
    pair.begin_answer(other)
    pair.session.close(gone)
    reset = pair.session.take_output()
    pair.plugin.send_data(gone.stream_id, framed(b"late"))
    pair.plugin.send_headers(gone.stream_id, [("grpc-status", "0")], end_stream=True)
    pair.exchange()
    pair.plugin.receive_data(reset)
    pair.send_as_allowed(other, framed(b"on"))
    assert reset == b"\0\0\x04\x03\0" + gone.stream_id.to_bytes(4, "big") + ErrorCodes.CANCEL.to_bytes(4, "big")
    assert pair.session.take_message(other) == b"on"
    assert gone.held_bytes == 0


def test_a_call_that_ended_is_not_reset() -> None:
    pair = Pair()
    exchange = pair.open()
    pair.begin_answer(exchange)
    pair.finish(exchange)
    pair.session.close(exchange)
    pair.exchange()
    assert not [event for event in pair.plugin_saw if isinstance(event, StreamReset)]


def test_the_stricter_of_both_limits_on_calls_counts() -> None:
    pair = Pair()
    pair.plugin.update_settings({3: 2})  # MAX_CONCURRENT_STREAMS
    pair.exchange()
    first, _second = pair.open(), pair.open()
    assert not pair.session.has_room()
    pair.session.close(first)
    assert pair.session.has_room()
    own = Pair(CallLimits(window_bytes=1_000, message_bytes=1_000, max_held_bytes=1_000, max_calls=1))
    own.open()
    assert not own.session.has_room()


def test_after_a_farewell_the_calls_that_the_plugin_has_go_on_and_later_ones_end() -> None:
    pair = Pair()
    kept, lost = pair.open(), pair.open()
    pair.begin_answer(kept)
    pair.session.receive(b"\0\0\x08\x07\0\0\0\0\0" + kept.stream_id.to_bytes(4, "big") + bytes(4))
    assert not pair.session.has_room()
    assert lost.error is not None
    assert lost.error.code is StatusCode.UNAVAILABLE
    pair.send_as_allowed(kept, framed(b"still here"))
    pair.finish(kept)
    assert pair.session.take_message(kept) == b"still here"
    assert (kept.ended, kept.error) == (True, None)


def test_a_goaway_that_tells_an_error_is_the_end_with_the_plugin_s_words() -> None:
    pair = Pair()
    exchange = pair.open()
    pair.plugin.close_connection(ErrorCodes.ENHANCE_YOUR_CALM, b"too_many_pings")
    with pytest.raises(SessionOverError, match="ENHANCE_YOUR_CALM: too_many_pings"):
        pair.exchange()
    pair.session.end("it is over")
    assert exchange.error is not None
    assert (exchange.error.code, exchange.error.message) == (StatusCode.UNAVAILABLE, "it is over")


def ping(number: int) -> bytes:
    return b"\0\0\x08\x06\0\0\0\0\0" + number.to_bytes(8, "big")


def settings(_number: int) -> bytes:
    return b"\0\0\0\x04\0\0\0\0\0"


def empty_data(_number: int) -> bytes:
    return b"\0\0\0\0\0\0\0\0\1"


def unknown(_number: int) -> bytes:
    return b"\0\0\0\xee\0\0\0\0\0"


@pytest.mark.parametrize("spell", [ping, settings, empty_data, unknown])
def test_a_flood_of_frames_that_carry_nothing_ends_the_session(spell: Callable[[int], bytes]) -> None:
    pair = Pair()
    exchange = pair.open()
    pair.begin_answer(exchange)
    flood = b"".join(spell(number) for number in range(20_000))
    with pytest.raises(SessionOverError, match="floods us with HTTP/2 frames"):
        pair.session.receive(flood)


def test_many_pings_among_many_packets_are_no_flood() -> None:
    pair = Pair()
    exchange = pair.open()
    pair.begin_answer(exchange)
    for number in range(30_000):
        pair.session.receive(ping(number))
        if number % 5 == 0:
            pair.send_as_allowed(exchange, framed(b"x"))
            pair.session.take_message(exchange)
    assert not exchange.ended


def test_packets_that_come_at_once_count_each_against_the_pings_among_them() -> None:
    pair = Pair()
    exchange = pair.open()
    pair.begin_answer(exchange)
    message = framed(b"x")
    packet = len(message).to_bytes(3, "big") + bytes(2) + exchange.stream_id.to_bytes(4, "big") + message
    for number in range(500):
        pair.session.receive(packet * 10 + ping(number) * 50)
        for _ in range(10):
            assert pair.session.take_message(exchange) == b"x"
    assert not exchange.ended


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_whatever_a_plugin_sends_ends_in_calls_or_in_the_end_of_the_session(pieces: list[bytes]) -> None:
    pair = Pair()
    exchange = pair.open()
    pair.begin_answer(exchange)
    try:
        for piece in pieces:
            pair.session.receive(piece)
    except SessionOverError as error:
        pair.session.end(str(error))
        assert exchange.ended


FRAMES = st.builds(
    lambda kind, flags, stream_id, payload: (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload
    ),
    st.integers(0, 11),
    st.integers(0, 255),
    st.integers(0, 5),
    st.binary(max_size=60),
)


@given(st.lists(FRAMES, max_size=12))
def test_whatever_frames_a_plugin_sends_end_in_calls_or_in_the_end_of_the_session(frames: list[bytes]) -> None:
    pair = Pair()
    exchange = pair.open()
    pair.begin_answer(exchange)
    try:
        pair.session.receive(b"".join(frames))
        pair.session.take_message(exchange)
    except SessionOverError as error:
        pair.session.end(str(error))
        assert exchange.ended
    pair.session.close(exchange)
    assert exchange.held_bytes == 0


def test_a_request_names_what_grpc_demands() -> None:
    pair = Pair()
    pair.open()
    [request] = [event for event in pair.plugin_saw if isinstance(event, RequestReceived)]
    fields = {str(name): str(value) for name, value in request.headers}
    assert fields.pop("user-agent").startswith("framecast/")
    assert fields == {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/x/Y",
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        "grpc-timeout": "1000m",
    }
