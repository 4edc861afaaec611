"""Whatever a client says: it is answered or ended, and nothing in here fails because of it."""

import json
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from client.desk import Desk
from client.talk import keep
from client.transcripts import TRANSCRIPTS, read_transcript
from client.world import PLAIN, MemoryOptions, Wishes
from framecast.channels.address import Address
from framecast.errors import PeerError
from framecast.protocol.codec import CODECS
from framecast.settings import ChannelOptions, Live

OPEN = ChannelOptions(presence=True, ask_presence=True, ask_history=True, join_leave="asked", recovery="stream")
CONNECT = {"json": b'{"id":1,"connect":{}}', "protobuf": b"\x04\x08\x01\x22\x00"}
SEEDS = {
    name: [
        command
        for transcript in map(read_transcript, TRANSCRIPTS)
        for who, what in transcript.steps
        if who == ">" and name == transcript.wishes.codec.NAME
        for command in transcript.singly(what)
    ]
    for name in CODECS
}
ODD: list[Any] = [
    *(None, True, 0, -1, -2, 1, 2**31 - 1, 2**31, 2**32, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64, 10**30, -(10**30)),
    *(0.5, 1e300, "", "stream/a/b", "1/stream/a/b", "\ud800", "x" * 300, "/", "//", "1/", "default/", "1/1/a/b/c"),
    *([], [1], {}, {"offset": 2**53 - 1, "epoch": "EPOCH"}, {"offset": -1}, {"a": {"recover": True}}),
]


def expect_survival(form: str, messages: list[bytes]) -> None:
    """Say all this to a new session. Only PeerError may come of it, and replies that are no failure of ours."""
    options = MemoryOptions(dict.fromkeys(("a", "full", "tiny"), OPEN) | {"tg": PLAIN})
    desk = Desk(wishes=Wishes(Live(channels_per_client=8), codec=CODECS[form], options=options))
    for scope, namespace, path in (("stream", "a", "b"), ("grafana", "full", "a"), ("grafana", "tiny", "r")):
        keep(desk, 3, Address(1, scope, namespace, path))
    desk.give(CONNECT[form])
    with structlog.testing.capture_logs() as logs:
        try:
            for message in messages:
                desk.give(message)
        except PeerError as broken:
            assert broken.code in {3501, 3508}
    # Who is refused is told; nothing else is worth a line, a failure of ours least of all.
    assert [line for line in logs if line["event"] != "permission refused"] == []
    assert {key for key, _ in desk.hub.subscribers} == {address.key for address in desk.session.subscriptions}


@st.composite
def spoiled(draw: st.DrawFn, form: str) -> bytes:
    """A message of a transcript with some bytes changed."""
    message = bytearray(draw(st.sampled_from(SEEDS[form])))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(message) - 1)))
        message[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(message)


@given(st.lists(spoiled("json") | st.binary(), max_size=4), st.lists(spoiled("protobuf") | st.binary(), max_size=4))
def test_no_bytes_make_a_session_fail(text: list[bytes], binary: list[bytes]) -> None:
    expect_survival("json", text)
    expect_survival("protobuf", binary)


FIELDS = {
    "subscribe": (
        "channel",
        "recover",
        "epoch",
        "offset",
        "token",
        "join_leave",
        "flag",
        "delta",
        "type",
        "tf",
        "data",
    ),
    "history": ("limit", "since", "reverse"),
    "publish": ("channel", "data"),
    "presence": ("channel",),
    "sub_refresh": ("token",),
    "refresh": ("token",),
    "rpc": ("method", "data"),
    "unsubscribe": ("channel",),
}


@pytest.mark.parametrize(("method", "field"), [(method, field) for method in FIELDS for field in FIELDS[method]])
def test_no_value_in_any_field_makes_a_session_fail(method: str, field: str) -> None:
    for value in ODD:
        command = json.dumps({"id": 2, method: {"channel": "stream/a/b", field: value}})
        subscribed = b'{"id":3,"subscribe":{"channel":"stream/a/b"}}'
        expect_survival("json", [command.encode()] if method == "subscribe" else [subscribed, command.encode()])
