"""Addresses: what is one, and that every spelling of a channel is the same channel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.channels.address import Address, is_namespace, parse_address, parse_channel, parse_key
from framecast.errors import Refusal

CPU = Address(1, "stream", "demo", "cpu")


@pytest.mark.parametrize(
    "spelling",
    ["stream/demo/cpu", "1/stream/demo/cpu", "default/stream/demo/cpu", "org-1/stream/demo/cpu"],
)
def test_every_spelling_of_a_channel_is_one_address(spelling: str) -> None:
    assert parse_channel(spelling, 1) == CPU
    assert parse_channel(spelling, 1).key == "1/stream/demo/cpu"


@pytest.mark.parametrize("address", [CPU, Address(7, "a.b", "c-d", "e/f=g/h/")])
def test_a_key_reads_back_as_its_address(address: Address) -> None:
    assert parse_key(address.key) == address


@pytest.mark.parametrize("spelling", ["2/stream/demo/cpu", "org-2/stream/demo/cpu"])
def test_another_orgs_prefix_is_permission_denied(spelling: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_channel(spelling, 1)
    assert refused.value.code == 103


def test_the_same_spelling_is_another_channel_in_another_org() -> None:
    assert parse_channel("stream/demo/cpu", 2).key != parse_channel("stream/demo/cpu", 1).key
    assert parse_channel("org-2/stream/demo/cpu", 2) == parse_channel("stream/demo/cpu", 2)


@pytest.mark.parametrize(
    ("text", "path"),
    [("a/b/c", "c"), ("a/b/c/", "c/"), ("a/b/c/d.e_f-g=20", "c/d.e_f-g=20"), ("a.b/c.d/e", "e")],
)
def test_valid_addresses(text: str, path: str) -> None:
    assert parse_address(text, 1).path == path
    assert str(parse_address(text, 1)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a/b",
        "a/b/",
        "/a/b/c",
        "a//c",
        "a/b//c",
        "a/b/c d",
        "a/b/é",
        "a/b=c/d",
        "a/b/c:d",
        "a/b/c%20",
        "a/b/c\n",
    ],
)
def test_invalid_addresses_are_400(text: str) -> None:
    with pytest.raises(Refusal, match="invalid channel ID") as refused:
        parse_address(text, 1)
    assert refused.value.code == 400


def test_160_bytes_are_the_limit_without_the_prefix() -> None:
    longest = "stream/demo/" + "x" * 148
    assert str(parse_channel("default/" + longest, 1)) == longest
    with pytest.raises(Refusal, match="longer than 160 bytes"):
        parse_channel(longest + "x", 1)


@given(st.text(max_size=200))
def test_any_text_is_an_address_or_a_refusal(text: str) -> None:
    try:
        address = parse_channel(text, 1)
    except Refusal as refusal:
        assert refusal.code in {400, 103}
    else:
        assert parse_channel(str(address), 1) == address
        assert parse_channel(f"1/{address}", 1) == address


@pytest.mark.parametrize(
    ("text", "expected"),
    [("demo", True), ("a.b-c_1", True), ("", False), ("a/b", False), ("a b", False), ("é", False), ("x" * 160, False)],
)
def test_what_can_be_a_stream_id(text: str, expected: bool) -> None:
    assert is_namespace(text) is expected
