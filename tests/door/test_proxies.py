"""Who the client is behind proxies: what strangers write is never believed."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.door.proxies import TrustedProxies
from framecast.errors import ConfigurationError
from heads import head_of

OURS = TrustedProxies(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])


def client(neighbour: str, *forwarded: str, proxies: TrustedProxies = OURS) -> str:
    headers = [(b"x-forwarded-for", text.encode("latin-1")) for text in forwarded]
    head = proxies.see_through(head_of("/", *headers, peer=neighbour))
    assert head.neighbour == neighbour
    return head.peer


@pytest.mark.parametrize(
    ("neighbour", "forwarded", "expected"),
    [
        ("127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["1.1.1.1, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        ("127.0.0.1", ["1.1.1.1", "203.0.113.9,10.1.2.3"], "203.0.113.9"),
        ("::ffff:127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("fd00::7", ["2001:DB8::0:1"], "2001:db8::1"),
        ("127.0.0.1", ["203.0.113.9:5123"], "203.0.113.9"),
        ("127.0.0.1", ["[2001:db8::1]:5123"], "2001:db8::1"),
        ("127.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", ["unknown"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9, unknown"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9, _hidden, 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["203.0.113.9,"], "127.0.0.1"),
        ("127.0.0.1", ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ("127.0.0.1", ["203.0.113.9\xff"], "127.0.0.1"),
        ("203.0.113.9", ["1.1.1.1"], "203.0.113.9"),
        ("", ["1.1.1.1"], ""),
    ],
)
def test_the_rightmost_address_that_is_no_proxy_is_the_client(
    neighbour: str, forwarded: list[str], expected: str
) -> None:
    assert client(neighbour, *forwarded) == expected


def test_without_listed_proxies_nobody_is_believed() -> None:
    assert client("127.0.0.1", "203.0.113.9", proxies=TrustedProxies()) == "127.0.0.1"


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "300.1.1.1", "", "10.0.0.0/33"])
def test_what_is_no_network_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"proxy\.addresses"):
        TrustedProxies([text])


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), st.ip_addresses(v=4, network="10.0.0.0/8")).map(str)
entries = st.one_of(addresses, st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters=",")))


@given(forged=st.lists(entries), real=addresses, hops=st.lists(st.ip_addresses(v=4, network="10.0.0.0/8").map(str)))
def test_whatever_a_client_writes_it_is_known_by_its_own_address(forged: list[str], real: str, hops: list[str]) -> None:
    said = ", ".join([*forged, real, *hops])
    found = client("127.0.0.1", said)
    if real not in OURS:
        assert ip_address(found) == (getattr(ip_address(real), "ipv4_mapped", None) or ip_address(real))
    assert client("203.0.113.9", said) == "203.0.113.9"
