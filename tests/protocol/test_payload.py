"""Payloads that reach other clients: what passes, what is refused and how it is told."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from framecast.errors import PeerError, Refusal
from framecast.protocol import json_codec
from framecast.protocol.payload import check_payload

NESTED = b"[" * 100_000 + b"]" * 100_000


def json_connection_takes(data: bytes) -> bool:
    """Whether a command on a JSON connection may carry `data`."""
    [item] = json_codec.decode(b'{"id":1,"rpc":{"data":' + data + b"}}")
    return not isinstance(item, PeerError)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"null", b"null"),
        (b'{"b" : 1.50e3}', b'{"b" : 1.50e3}'),
        (b' \r\n{"a":\n[1,\r2]}\n', b'{"a":[1,2]}'),
        ('"é\\n\\u00e9\u2028"'.encode(), '"é\\n\\u00e9\u2028"'.encode()),
        (b"1e999", b"1e999"),
    ],
)
def test_one_json_value_passes_on_one_line_and_else_as_it_is(data: bytes, text: bytes) -> None:
    assert check_payload(data) == text


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b" ", "truncated"),
        (b"hello", "byte 0"),
        (b"{}{}", "trailing characters"),
        (b'{"a":1,}', "byte 7"),
        (b'"a\nb"', "byte 2"),
        (b"\xef\xbb\xbf1", "byte 0"),
        (b'"a\xff"', "no UTF-8 at byte 2"),
        (b'"\xed\xa0\x80"', "no UTF-8 at byte 1"),
        (b'"\\ud800"', "truncated"),
        (b"NaN", "byte 0"),
        (NESTED, "nested too deep"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_anything_else_is_refused_with_where_and_what_to_do(data: bytes, why: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_payload(data)
    assert refused.value.code == 107
    assert refused.value.message.startswith("bad request: data is not JSON (")
    assert why in refused.value.message
    assert "send one JSON value in UTF-8" in refused.value.message
    assert len(refused.value.message) < 300


PIECES = [*rb"""{ } [ ] "a" : 1 , -0.5 null true "\u00e9" \n " \ud800 NaN 01""".split(), b"\n", b"\r", b" ", b"\xff"]


@given(st.one_of(st.binary(), st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)))
@example(b"1 ")
@example(b"[1,\n2]")
def test_what_passes_is_what_other_readers_of_json_take(data: bytes) -> None:
    try:
        text = check_payload(data)
    except Refusal:
        with pytest.raises((ValueError, AssertionError)):
            refuse_constants(data)
        return
    assert b"\n" not in text
    assert b"\r" not in text
    assert refuse_constants(text) == refuse_constants(data)
    assert json_connection_takes(data.replace(b"\n", b""))


def refuse_constants(data: bytes) -> object:
    """Python's own reader, without the constants, byte order marks and half surrogate pairs that it takes besides."""

    def refuse(name: str) -> object:
        raise ValueError(name)

    value = json.loads(data.decode("utf-8"), parse_constant=refuse)
    json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value
