"""What no data source can be is refused before the store is asked, and what it names is no secret."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasource_desk import order
from framecast.datasources.order import check_order, read_json_data
from framecast.errors import Refusal
from framecast.settings import DataSources

LIMITS = DataSources(json_bytes=1_024, secret_bytes=1_024, secrets=2)


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"name": ""}, 400, "name: must not be empty"),
        ({"name": " \u2003"}, 400, "name: must not be empty"),
        ({"type": ""}, 400, "type: must not be empty"),
        ({"access": "server"}, 400, "access: has to be proxy or direct"),
        ({"name": "x" * 191}, 400, "name: too long"),
        ({"type": "x" * 191}, 400, "type: too long"),
        ({"url": "x" * 2_001}, 400, "url: too long"),
        ({"database": "x" * 191}, 400, "database: too long"),
        ({"user": "x" * 191}, 400, "user: too long"),
        ({"basic_auth_user": "x" * 191}, 400, "basicAuthUser: too long"),
        ({"url": "http://x\r\nHost: y"}, 400, "url: must not hold control characters"),
        ({"name": "a\0"}, 400, "name: must not hold control"),
        ({"uid": "a/b"}, 400, "uid: uid contains illegal"),
        ({"uid": "x" * 41}, 400, "uid: uid too long"),
        ({"json_data": b"x" * 1_025}, 413, "datasources.json_bytes"),
        ({"secrets": {"a": "sesame", "b": "sesame", "c": "sesame"}}, 400, "at most 2 secrets"),
        ({"secrets": {"": "sesame"}}, 400, "a key must not be empty"),
        ({"secrets": {"x" * 191: "sesame"}}, 400, "a key: too long"),
        ({"secrets": {"a\n": "sesame"}}, 400, "a key: must not hold"),
        ({"secrets": {"a": "sesame" + "ä" * 512}}, 413, "datasources.secret_bytes"),
    ],
)
def test_what_cannot_be_is_refused(asked: dict[str, Any], code: int, words: str) -> None:
    with pytest.raises(Refusal) as caught:
        check_order(order(**asked), LIMITS)
    assert caught.value.code == code
    assert words in caught.value.message
    assert "sesame" not in caught.value.message


def test_the_largest_that_can_be_is_taken() -> None:
    asked = order("x" * 190, url="y" * 2_000, uid="u" * 40, secrets={"a": "s" * 1_024, "b": ""}, json_data=b"x" * 1_024)
    check_order(asked, LIMITS)
    assert "sss" not in repr(asked)


def test_json_data_stays_as_it_came_but_for_space() -> None:
    assert read_json_data(b'{ "a": 0.10,\n "b": [1E2, -0, 12345678901234567890123] }') == (
        b'{"a":0.10,"b":[1E2,-0,12345678901234567890123]}'
    )


@pytest.mark.parametrize("text", [b"[]", b"1", b'"x"', b"null"])
def test_json_data_is_an_object(text: bytes) -> None:
    with pytest.raises(Refusal, match="jsonData: has to be an object"):
        read_json_data(text)


@given(st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.text(max_size=5), max_size=4))
def test_every_object_means_the_same_afterwards(value: dict[str, Any]) -> None:
    assert msgspec.json.decode(read_json_data(msgspec.json.format(msgspec.json.encode(value)))) == value
