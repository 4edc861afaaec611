"""What the URL of a server says."""

import socket

import pytest

from framecast.cli.bench.target import find_target, reach
from framecast.cli.failure import CommandError


@pytest.mark.parametrize(
    ("url", "port", "path", "push_path"),
    [
        ("http://h:8300", 8300, "/api/live/ws", "/api/live/push/s"),
        ("ws://h", 80, "/api/live/ws", "/api/live/push/s"),
        ("http://h:3000/grafana/api/live/ws", 3000, "/grafana/api/live/ws", "/grafana/api/live/push/s"),
        ("ws://h:8000/connection/websocket", 8000, "/connection/websocket", "/api/live/push/s"),
        ("http://h/ws?format=protobuf", 80, "/ws?format=protobuf", "/api/live/push/s"),
        ("http://h/", 80, "/api/live/ws", "/api/live/push/s"),
        ("h:8300", 8300, "/api/live/ws", "/api/live/push/s"),
        ("h:8000/connection/websocket", 8000, "/connection/websocket", "/api/live/push/s"),
        ("https://h", 443, "/api/live/ws", "/api/live/push/s"),
        ("wss://h:8000/connection/websocket", 8000, "/connection/websocket", "/api/live/push/s"),
    ],
)
def test_a_url_names_the_websocket_or_the_server(url: str, port: int, path: str, push_path: str) -> None:
    target = find_target(url, None)
    assert (target.host, target.port, target.path, target.push_path("s")) == ("h", port, path, push_path)
    assert target.headers == []
    assert target.secured == url.startswith(("https:", "wss:"))


@pytest.mark.parametrize(
    ("url", "token", "header"),
    [
        ("http://h", "t", "Bearer t"),
        ("http://admin:a%3Ab@h:3000", None, "Basic YWRtaW46YTpi"),
        ("http://admin:a@h:3000", "t", "Bearer t"),
    ],
)
def test_a_token_or_a_password_goes_into_every_request(url: str, token: str | None, header: str) -> None:
    target = find_target(url, token)
    assert target.headers == [("Authorization", header)]
    assert "@" not in target.netloc


@pytest.mark.parametrize(
    "url", ["ftp://h", "http://", "http://h:port", "http://h/a b", "http://h#x", "h:port", "a b", ""]
)
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(CommandError) as failure:
        find_target(url, None)
    assert failure.value.status == 2


def test_the_address_is_that_which_takes_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = reach(find_target(f"http://localhost:{port}", None), 7)
    assert (server.address, server.host, server.pid) == (f"127.0.0.1:{port}", f"localhost:{port}", 7)


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CommandError, match=r"Connection refused; the URL of the server .* serve --dev"):
        reach(find_target(f"http://127.0.0.1:{port}", None), None)
