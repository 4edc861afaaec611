"""What a peer reads from every wire form is what was published, joined or left. Bytes: rust/tests/pushes.rs."""

import itertools
import json
from typing import Any

import pytest
from centrifuge.fossil import apply_delta  # type: ignore[import-untyped]  # it ships no types
from fanout_peers import READERS, Framing, Peer, Protocol, peers_of
from hypothesis import given
from hypothesis import strategies as st

from framecast._core import Fanout

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
JSON = st.builds(
    lambda value, indent, ascii_only: json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(),
    VALUES,
    st.none() | st.integers(0, 2),
    st.booleans(),
)
INFOS = st.tuples(NAMES, NAMES, st.just(b"") | JSON, st.just(b"") | JSON)
PIECES = ["ä" * 9, "ö", "€", "₭", "0123456789abcdef", "a\nb", '"', "😀😁" * 5]
FORMS = [(*reader, unidirectional) for reader, unidirectional in itertools.product(READERS, [False, True])]


def join(peers: list[Peer], fanout: Fanout, reader: tuple[Protocol, Framing], *, unidirectional: bool = False) -> Peer:
    protocol, framing = reader
    peers.append(Peer(fanout, protocol=protocol, framing=framing, unidirectional=unidirectional))
    return peers[-1]


def read_info(info: tuple[str, str, bytes, bytes]) -> dict[str, Any]:
    user, client, *rest = info
    optional = {key: json.loads(value) for key, value in zip(["conn_info", "chan_info"], rest, strict=True) if value}
    return {"user": user, "client": client, **optional}


@given(spelling=NAMES, data=JSON, offset=st.just(0) | st.integers(1, 2**64 - 1), info=st.none() | INFOS)
def test_every_form_says_what_was_published(
    spelling: str, data: bytes, offset: int, info: tuple[str, str, bytes, bytes] | None
) -> None:
    fanout = Fanout(max_total_bytes=1 << 30)
    with peers_of(fanout) as peers:
        for protocol, framing, unidirectional in FORMS:
            peer = join(peers, fanout, (protocol, framing), unidirectional=unidirectional)
            fanout.subscribe(peer.connection, "channel", spelling)
        assert fanout.publish("channel", data, offset, info) == len(FORMS)
        for peer, (protocol, _, unidirectional) in zip(peers, FORMS, strict=True):
            pub = {"data": json.loads(data) if protocol == "json" else data}
            pub |= {"offset": offset} if offset else {}
            pub |= {"info": read_info(info)} if info else {}
            push = {"channel": spelling, "pub": pub}
            assert peer.receive() == (push if unidirectional else {"push": push})


@given(data=JSON, detail=st.none() | JSON, offset=st.integers(1, 2**64 - 1), info=st.none() | INFOS)
def test_every_form_says_the_detail_to_those_who_read_it(
    data: bytes, detail: bytes | None, offset: int, info: tuple[str, str, bytes, bytes] | None
) -> None:
    fanout = Fanout(max_total_bytes=1 << 30)
    with peers_of(fanout) as peers:
        wanted = [(form, detailed) for form in FORMS for detailed in (False, True)]
        for (protocol, framing, unidirectional), detailed in wanted:
            peer = join(peers, fanout, (protocol, framing), unidirectional=unidirectional)
            fanout.subscribe(peer.connection, "channel", "c", detailed=detailed)
        assert fanout.publish("channel", data, offset, info, detail=detail) == len(wanted)
        assert fanout.statistics().encodings == len(wanted)
        for peer, ((protocol, _, unidirectional), detailed) in zip(peers, wanted, strict=True):
            payload = detail if detailed and detail is not None else data
            pub = {"data": json.loads(payload) if protocol == "json" else payload, "offset": offset}
            pub |= {"info": read_info(info)} if info else {}
            push = {"channel": "c", "pub": pub}
            assert peer.receive() == (push if unidirectional else {"push": push})


@given(spelling=NAMES, info=INFOS)
def test_every_form_says_who_joined_and_left(spelling: str, info: tuple[str, str, bytes, bytes]) -> None:
    fanout = Fanout(max_total_bytes=1 << 30)
    with peers_of(fanout) as peers:
        for protocol, framing, unidirectional in FORMS:
            peer = join(peers, fanout, (protocol, framing), unidirectional=unidirectional)
            fanout.subscribe(peer.connection, "channel", spelling, events=True)
        for joined in True, False:
            assert fanout.announce("channel", joined, info) == len(FORMS)
        for peer, (_, _, unidirectional) in zip(peers, FORMS, strict=True):
            for what in "join", "leave":
                push = {"channel": spelling, what: {"info": read_info(info)}}
                assert peer.receive() == (push if unidirectional else {"push": push})


def publish_in_turn(fanout: Fanout, peers: list[Peer], payloads: list[bytes]) -> None:
    for data in payloads:
        assert fanout.publish("a", data, 0) == len(peers)


@pytest.mark.parametrize("reader", READERS)
@given(payloads=st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map(lambda p: json.dumps(p).encode())))
def test_the_reference_reader_of_deltas_follows_every_publication(
    reader: tuple[Protocol, Framing], payloads: list[bytes]
) -> None:
    fanout = Fanout(max_total_bytes=1 << 30)
    with peers_of(fanout) as peers:
        peer = join(peers, fanout, reader)
        fanout.subscribe(peer.connection, "a", "a", delta=True)
        publish_in_turn(fanout, peers, payloads)
        last = b""
        for number, data in enumerate(payloads):
            pub = peer.receive()["push"]["pub"]
            got = pub["data"].encode() if reader[0] == "json" else pub["data"]
            assert isinstance(got, bytes)
            assert number > 0 or "delta" not in pub
            last = apply_delta(last, got) if pub.get("delta") else got
            assert last == data


def test_deltas_are_read_and_told_apart_in_every_form() -> None:
    fanout = Fanout(max_total_bytes=1 << 30)
    with peers_of(fanout) as peers:
        for protocol, framing, unidirectional in FORMS:
            peer = join(peers, fanout, (protocol, framing), unidirectional=unidirectional)
            fanout.subscribe(peer.connection, "a", "a", delta=True)
        before, after = (json.dumps(["größe" * 9, number, "€" * 50]).encode() for number in (1, 2))
        publish_in_turn(fanout, peers, [before, after])
        assert fanout.statistics().encodings == 2 * len(FORMS)
        for peer, (protocol, _, unidirectional) in zip(peers, FORMS, strict=True):
            first, second = (peer.receive() for _ in range(2))
            for message in first, second:
                assert ("push" in message) is not unidirectional
            full, changed = (message.get("push", message)["pub"] for message in (first, second))
            expected: Any = before if protocol == "protobuf" else before.decode()
            assert full == {"data": expected}
            delta = changed["data"] if protocol == "protobuf" else changed["data"].encode()
            assert len(delta) < len(after) / 2
            assert apply_delta(before, delta) == after
            assert changed["delta"] == 1


def test_who_joins_is_told_only_to_those_who_want_to_know() -> None:
    fanout = Fanout(max_total_bytes=1 << 30)
    with peers_of(fanout) as peers:
        for events in True, False:
            fanout.subscribe(join(peers, fanout, ("json", "stream")).connection, "a", "a", events=events)
        assert fanout.announce("a", True, ("u", "c", b"", b"")) == 1
        assert fanout.announce("b", True, ("u", "c", b"", b"")) == 0
        assert fanout.publish("a", b"1", 0) == 2
        assert "join" in peers[0].receive()["push"]
        assert "pub" in peers[0].receive()["push"]
        assert "pub" in peers[1].receive()["push"]
        fanout.subscribe(peers[0].connection, "a", "a")
        assert fanout.announce("a", False, ("u", "c", b"", b"")) == 0


def test_any_number_of_subscribers_costs_one_encoding_for_each_form() -> None:
    fanout = Fanout(max_total_bytes=1 << 30)
    with peers_of(fanout) as peers:
        for reader, events in itertools.product(READERS, [True, False, True]):
            fanout.subscribe(join(peers, fanout, reader).connection, "a", "a", events=events)
        assert fanout.publish("a", b"1", 0) == 3 * len(READERS)
        assert fanout.statistics().encodings == len(READERS)
        assert fanout.announce("a", True, ("u", "c", b"", b"")) == 2 * len(READERS)
        assert fanout.statistics().encodings == 2 * len(READERS)
        assert fanout.statistics().deliveries == 3 * len(READERS), "publications alone are counted"


@pytest.mark.parametrize(("protocol", "framing"), [("protobuf", "sse"), ("JSON", "stream"), ("json", "carrier pigeon")])
def test_protocol_and_framing_that_do_not_go_together_are_a_value_error(protocol: Any, framing: Any) -> None:
    fanout = Fanout(max_total_bytes=1 << 30)
    with peers_of(fanout), pytest.raises(ValueError, match=f'no "{protocol}" in "{framing}"'):
        fanout.add(0, 10, protocol=protocol, framing=framing, write_seconds=60)
