"""Requests that carry a frame of commands for a session."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.protocol.emulation import EmulationRequest, parse_json, parse_protobuf
from framecast.protocol.schema import client_pb2

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS, TEXTS, TEXTS)
def test_what_is_written_in_json_is_read(session: str, node: str, frame: str) -> None:
    body = json.dumps({"session": session, "node": node, "data": frame, "more": [1]}).encode()
    assert parse_json(body) == EmulationRequest(session, node, frame.encode())


@given(TEXTS, TEXTS, st.binary())
def test_what_is_written_in_protobuf_is_read(session: str, node: str, frame: bytes) -> None:
    body = client_pb2.EmulationRequest(session=session, node=node, data=frame).SerializeToString()
    assert parse_protobuf(body + b"\xa0\x06\x01") == EmulationRequest(session, node, frame)


def test_protobuf_by_hand() -> None:
    assert parse_protobuf(b"\x0a\x01n\x12\x01s\x1a\x02\x00\xff") == EmulationRequest("s", "n", b"\x00\xff")


@given(st.binary())
def test_nothing_but_a_value_error_comes_of_any_body(body: bytes) -> None:
    for parse in (parse_json, parse_protobuf):
        try:
            assert isinstance(parse(body), EmulationRequest)
        except ValueError as error:
            assert type(error) is ValueError


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"session":"s","node":"n","data":"x"',
        b'{"session":"s","node":"n","data":"x"} {}',
        b'{"session":"s","node":"n"}',
        b'{"session":1,"node":"n","data":"x"}',
        b'{"session":"s","node":"n","data":{"id":1}}',
        b'{"session":"s","node":"n","data":"\\ud800"}',
        b'{"session":"s","node":"n","data":"\xff"}',
        b"[" * 100_000,
        b'{"more":' + b"[" * 100_000,
    ],
)
def test_malformed_json_is_no_request(body: bytes) -> None:
    with pytest.raises(ValueError, match="session") as error:
        parse_json(body)
    assert type(error.value) is ValueError


@pytest.mark.parametrize("body", [b"\x0a\xff", b"\x0a\x02n", b"\x0a\x01\xff", b"\x00"])
def test_malformed_protobuf_is_no_request(body: bytes) -> None:
    with pytest.raises(ValueError, match="EmulationRequest"):
        parse_protobuf(body)


def test_the_secret_is_not_shown() -> None:
    assert "secret" not in repr(EmulationRequest("secret", "n", b""))
