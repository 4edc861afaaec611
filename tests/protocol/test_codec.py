"""Which form a connection speaks, and that both forms play one role."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from framecast.errors import Refusal
from framecast.protocol.codec import CODECS, Codec, negotiate
from framecast.protocol.messages import Command, Ping, Pong, PublishRequest

JSON = "centrifuge-json"
PROTOBUF = "centrifuge-protobuf"


@pytest.mark.parametrize(
    ("subprotocols", "query", "chosen"),
    [
        ([], "", ("json", None)),
        ([JSON], "", ("json", JSON)),
        ([PROTOBUF], "", ("protobuf", PROTOBUF)),
        ([JSON, PROTOBUF], "", ("json", JSON)),
        ([PROTOBUF, JSON], "", ("protobuf", PROTOBUF)),
        (["foo", PROTOBUF], "", ("protobuf", PROTOBUF)),
        (["foo"], "", ("json", None)),
        (["Centrifuge-Protobuf"], "", ("json", None)),
        ([], "format=protobuf", ("protobuf", None)),
        ([], "cf_protocol=protobuf", ("protobuf", None)),
        ([], "a=b&cf_protocol=protobuf&c", ("protobuf", None)),
        ([], "format=proto%62uf", ("protobuf", None)),
        ([], "format=json", ("json", None)),
        ([], "format=Protobuf", ("json", None)),
        ([], "format=json&cf_protocol=protobuf", ("protobuf", None)),
        ([], "format=protobuf&cf_protocol=json", ("protobuf", None)),
        ([], "format=json&format=protobuf", ("json", None)),
        ([], "format=&format=protobuf", ("json", None)),
        ([], "formats=protobuf", ("json", None)),
        ([JSON], "format=protobuf", ("protobuf", JSON)),
        ([JSON, PROTOBUF], "format=protobuf", ("protobuf", JSON)),
        ([PROTOBUF], "format=json", ("protobuf", PROTOBUF)),
    ],
)
def test_a_client_gets_the_form_it_asked_for(
    subprotocols: list[str], query: str, chosen: tuple[str, str | None]
) -> None:
    assert negotiate(subprotocols, query) == chosen


@given(st.lists(st.sampled_from([JSON, PROTOBUF, ""]) | st.text()), st.text())
def test_any_offer_gets_a_known_form_and_an_echo_it_made(subprotocols: list[str], query: str) -> None:
    name, echo = negotiate(subprotocols, query)
    assert name in CODECS
    assert echo is None or echo in subprotocols


def test_both_forms_are_known_by_their_names() -> None:
    assert {name: (codec.NAME, codec.BINARY) for name, codec in CODECS.items()} == {
        "json": ("json", False),
        "protobuf": ("protobuf", True),
    }
    assert {name: codec.encode(Ping()) for name, codec in CODECS.items()} == {"json": b"{}", "protobuf": b"\x00"}


def data_of(codec: Codec, message: bytes) -> Raw:
    [command] = codec.decode(message)
    assert isinstance(command, Command)
    assert isinstance(command.request, PublishRequest)
    return command.request.data


def test_a_payload_is_published_the_same_from_both_forms() -> None:
    text = b'{"a":\n[1, 2]}'
    by_json = data_of(CODECS["json"], b'{"id":1,"publish":{"channel":"a","data": ' + text.replace(b"\n", b"\r") + b"}}")
    by_protobuf = data_of(CODECS["protobuf"], b"\x16\x08\x01\x3a\x12\x0a\x01a\x12\x0d" + text)
    assert CODECS["json"].publishable(by_json) == CODECS["protobuf"].publishable(by_protobuf) == b'{"a":[1, 2]}'


def test_a_payload_that_is_no_json_is_refused_where_it_can_come_in() -> None:
    with pytest.raises(Refusal, match="data is not JSON"):
        CODECS["protobuf"].publishable(Raw(b"\x00"))


@pytest.mark.parametrize("codec", CODECS.values())
def test_the_message_that_is_a_pong_is_read_as_one(codec: Codec) -> None:
    assert list(codec.decode(codec.PONG)) == [Pong()]
