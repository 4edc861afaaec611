"""Whose pages may talk to the server, and under which names."""

from contextlib import nullcontext

import pytest

from framecast.door.head import parse_head
from framecast.door.origin import (
    OriginRules,
    check_host,
    check_origin,
    check_page,
    is_allowed_origin,
    is_loopback_host,
    parse_root_url,
)
from framecast.errors import ConfigurationError, Refusal


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8300", "localhost.", "127.0.0.1", "127.9.8.7:1", "[::1]", "[::1]:8300", "127.0.0.1:"],
)
def test_loopback_names_are_known(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":80",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "[::2]",
        "::1",
        "2130706433",
        "127.1",
        "0.0.0.0",
        "localhost@evil",
        "[::1",
        "[::ffff:10.0.0.1]",
    ],
)
def test_other_names_are_not(host: str) -> None:
    assert not is_loopback_host(host)


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "expected"),
    [
        (None, "a:1", (), True),
        ("https://evil.example", "a:1", ("*",), True),
        ("https://evil.example", "a:1", ("*", "x"), True),
        ("http://A:1", "a:1", (), True),
        ("http://a", "a:1", (), False),
        ("http://a:1.evil", "a:1", (), False),
        ("http://evil@a:1", "a:1", (), False),
        ("null", "a:1", (), False),
        ("https://evil.example", "a:1", (), False),
        ("https://sub.good.example", "a:1", ("https://*.good.example",), True),
        ("HTTPS://SUB.GOOD.EXAMPLE", "a:1", ("https://*.good.example",), True),
        ("https://good.example.evil", "a:1", ("https://*.good.example",), False),
        ("http://a:1, http://evil", "a:1", (), False),
        ("http://a:1", None, (), False),
    ],
)
def test_the_origin_rule(origin: str | None, host: str | None, allowed: tuple[str, ...], expected: bool) -> None:
    assert is_allowed_origin(origin, host, OriginRules(allowed)) is expected


@pytest.mark.parametrize(
    ("origin", "root_url", "expected"),
    [
        ("https://grafana.example.com", "https://grafana.example.com", True),
        ("https://grafana.example.com", "https://grafana.example.com/", True),
        ("https://grafana.example.com", "https://grafana.example.com/sub/path/", True),
        ("HTTPS://Grafana.Example.COM", "https://GRAFANA.example.com", True),
        ("https://grafana.example.com", "https://grafana.example.com:443/", True),
        ("https://grafana.example.com", "https://grafana.example.com:3000/", True),
        ("https://grafana.example.com:3000", "https://grafana.example.com:3000/", True),
        ("http://[::1]", "http://[::1]:3000/", True),
        ("http://[::1]:3000", "http://[::1]:3000/", True),
        ("https://grafana.example.com:443", "https://grafana.example.com", False),
        ("https://grafana.example.com:3001", "https://grafana.example.com:3000/", False),
        ("http://grafana.example.com", "https://grafana.example.com", False),
        ("https://example.com", "https://grafana.example.com", False),
        ("https://grafana.example.com.evil", "https://grafana.example.com", False),
        ("https://evil@grafana.example.com", "https://grafana.example.com", False),
        ("null", "https://grafana.example.com", False),
        ("https://grafana.example.com", "", False),
    ],
)
def test_pages_of_the_root_url_are_our_own(origin: str, root_url: str, expected: bool) -> None:
    rules = OriginRules(root=parse_root_url(root_url))
    assert is_allowed_origin(origin, "backend:8300", rules) is expected
    assert is_allowed_origin(origin, None, rules) is expected


@pytest.mark.parametrize(
    "text", ["grafana.example.com", "ftp://a", "https://", "https://user@a", "https:///x", "http://a b", "https://a?b"]
)
def test_a_root_url_that_is_none_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"server\.root_url"):
        parse_root_url(text)


def test_a_foreign_page_may_neither_post_nor_open_a_socket_but_may_get() -> None:
    for start, more, refused in [
        (b"POST", b"", True),
        (b"GET", b"Upgrade: websocket\r\n", True),
        (b"GET", b"", False),
    ]:
        raw = start + b" / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n" + more + b"\r\n"
        head = parse_head(raw, max_bytes=999).head
        check_host(head)
        if refused:
            with pytest.raises(Refusal, match="Origin"):
                check_origin(head, OriginRules())
        else:
            check_origin(head, OriginRules())
        check_origin(head, OriginRules(("https://evil.*",)))


@pytest.mark.parametrize(
    ("more", "allowed", "refused"),
    [
        (b"", (), False),
        (b"Origin: http://localhost\r\n", (), False),
        (b"Origin: https://evil.example\r\n", (), True),
        (b"Origin: https://evil.example\r\nSec-Fetch-Site: same-origin\r\n", (), True),
        (b"Origin: null\r\n", (), True),
        (b"Sec-Fetch-Site: none\r\n", (), False),
        (b"Sec-Fetch-Site: same-origin\r\n", (), False),
        (b"Sec-Fetch-Site: same-site\r\n", (), True),
        (b"Sec-Fetch-Site: cross-site\r\n", (), True),
        (b"Sec-Fetch-Site: cross-site\r\n", ("https://good.example",), True),
        (b"Sec-Fetch-Site: cross-site\r\nOrigin: https://good.example\r\n", ("https://good.example",), False),
        (b"Sec-Fetch-Site: cross-site\r\n", ("*",), False),
    ],
)
def test_a_foreign_page_may_not_even_get_what_takes_a_place(
    more: bytes, allowed: tuple[str, ...], refused: bool
) -> None:
    head = parse_head(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + more + b"\r\n", max_bytes=999).head
    with pytest.raises(Refusal) if refused else nullcontext():
        check_page(head, OriginRules(allowed))


def test_a_rebound_name_is_refused_with_the_reason() -> None:
    head = parse_head(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", max_bytes=999).head
    with pytest.raises(Refusal, match="localhost") as refusal:
        check_host(head)
    assert refusal.value.code == 403
