"""A page that is sent away: the operator is told what to set, and not once per request."""

from contextlib import suppress
from typing import Any

import pytest
import structlog.testing
import trio
from trio.testing import MockClock

from framecast.door.foreign import PageCheck
from framecast.errors import Refusal
from framecast.settings import Live, Server
from heads import head_of

EVIL = (b"origin", b"https://evil.example")


def complaints(logs: list[Any]) -> list[Any]:
    return [(entry["origin"], entry["unlogged"]) for entry in logs if entry["log_level"] == "warning"]


async def test_a_refused_page_is_told_once_in_a_while_with_the_remedy(autojump_clock: MockClock) -> None:
    pages = PageCheck(Server(), Live(complaint_seconds=60))
    head = head_of("/api/live/ws", (b"host", b"backend:8300"), EVIL, method="POST")
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            with pytest.raises(Refusal) as caught:
                pages.check(head, whatever_method=False)
            assert caught.value.code == 403
        await trio.sleep(61)
        with suppress(Refusal):
            pages.check(head, whatever_method=False)
    assert complaints(logs) == [("https://evil.example", 0), ("https://evil.example", 4)]
    assert logs[0]["host"] == "backend:8300"
    assert "server.root_url" in logs[0]["remedy"]
    assert "live.allowed_origins" in logs[0]["remedy"]


async def test_what_is_logged_of_a_page_is_bounded(autojump_clock: MockClock) -> None:
    pages = PageCheck(Server(), Live())
    head = head_of("/" + "p" * 5000, (b"host", b"h" * 5000), (b"origin", b"https://" + b"e" * 5000), method="POST")
    with structlog.testing.capture_logs() as logs, suppress(Refusal):
        pages.check(head, whatever_method=False)
    assert len(repr(logs)) < 2000


async def test_the_settings_reach_the_rules(autojump_clock: MockClock) -> None:
    ours = (b"origin", b"https://grafana.example.com")
    pages = PageCheck(Server(root_url="https://grafana.example.com/sub/"), Live(allowed_origins=("https://kiosk.*",)))
    with structlog.testing.capture_logs() as logs:
        pages.check(head_of("/", (b"host", b"backend"), ours, method="POST"), whatever_method=False)
        pages.check(head_of("/", (b"host", b"backend"), ours), whatever_method=True)
        pages.check(head_of("/", (b"host", b"backend"), (b"origin", b"https://kiosk.example")), whatever_method=True)
        pages.check(head_of("/", (b"host", b"backend"), EVIL), whatever_method=False)
        with pytest.raises(Refusal):
            pages.check(head_of("/", (b"host", b"backend"), EVIL), whatever_method=True)
    assert len(complaints(logs)) == 1
