"""The shapes in which clients send tokens and passwords."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.accounts.authorization import ShownPassword, ShownToken, read_authorization
from framecast.accounts.secret import make_token
from framecast.errors import Refusal
from heads import head_of

TOKEN = make_token()


def basic(text: str, encoding: str = "utf-8") -> bytes:
    return b"Basic " + base64.b64encode(text.encode(encoding))


def shown(*values: bytes) -> object:
    return read_authorization(head_of("/", *((b"authorization", value) for value in values)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"Bearer {TOKEN}".encode(), ShownToken(TOKEN)),
        (f"bearer   {TOKEN} ".encode(), ShownToken(TOKEN)),
        (f"Token {TOKEN}".encode(), ShownToken(TOKEN)),
        (f"Token telegraf:{TOKEN}".encode(), ShownToken(TOKEN)),
        (basic(f"telegraf:{TOKEN}"), ShownToken(TOKEN)),
        (basic(f":{TOKEN}"), ShownToken(TOKEN)),
        (b"Bearer a.b.c", ShownToken("a.b.c")),
        (b"Token ann:secret", ShownPassword("ann", "secret")),
        (basic("ann:se:cret"), ShownPassword("ann", "se:cret")),
        (basic("ann:"), ShownPassword("ann", "")),
        (basic("änn:sécret"), ShownPassword("änn", "sécret")),
        (basic("änn:sécret", "latin-1"), ShownPassword("änn", "sécret")),
        (basic("ann"), None),
        (b"Basic !", None),
        (b"Basic", None),
        (b"Bearer", None),
        (b"Bearer ", None),
        (b"", None),
        (b"Negotiate abc", None),
        (TOKEN.encode(), None),
    ],
)
def test_each_shape_shows_a_token_or_a_password_or_neither(value: bytes, expected: object) -> None:
    assert shown(value) == expected


def test_two_headers_are_refused_and_none_is_nothing() -> None:
    with pytest.raises(Refusal, match="more than one") as caught:
        shown(b"Bearer a", b"Bearer b")
    assert caught.value.code == 401
    assert shown() is None


@given(st.binary(), st.sampled_from([b"Bearer ", b"Token ", b"Basic ", b""]))
def test_no_header_raises_anything(value: bytes, scheme: bytes) -> None:
    assert shown(scheme + value) is None or isinstance(shown(scheme + value), ShownToken | ShownPassword)


def test_no_secret_is_in_a_repr() -> None:
    assert "secret" not in repr(shown(basic("ann:secret")))
    assert TOKEN not in repr(shown(b"Bearer " + TOKEN.encode()))
