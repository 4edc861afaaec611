"""What a running server tells in its log of who may not, by every way in."""

import json
from pathlib import Path
from typing import Any

import pytest
import structlog

from end_to_end.wire import TEXT, connect, encode_frame, request, upgrade_request
from served import running, settings_for
from test_permissions_held import Site, site

ASKED = {
    "push": ("viewer", "POST", "/api/live/push/mine", b"m f=1", ("push", "mine")),
    "influx": ("viewer", "POST", "/write?db=mine", b"m f=1", ("push", "mine")),
    "route": ("viewer", "GET", "/metrics", b"", ("GET", "/metrics")),
    "in a route": ("editor", "DELETE", "/api/tokens/98765", b"", ("DELETE", "/api/tokens/98765")),
    "publish": (
        "limited",
        "POST",
        "/api/live/publish",
        b'{"channel": "grafana/broadcast/x", "data": 1}',
        ("POST", "/api/live/publish"),
    ),
}


def denials(logs: list[Any]) -> list[tuple[str, str, str, int]]:
    return [
        (line["name"], line["wanted"], line["resource"], line["status"])
        for line in logs
        if line["event"] == "permission refused"
    ]


@pytest.mark.parametrize("way", ASKED)
async def test_a_request_that_may_not_be_made_is_told_with_who_and_what(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, method, path, body, (wanted, resource) = ASKED[way]
    async with site(tmp_path, monkeypatch) as here:
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                answer = await here.ask(who, method, path, body, Content_Type="application/json")
                assert answer.status == 403
        name = "agent" if who == "limited" else who
        assert denials(logs) == [(name, wanted, resource, 403)]
        assert here.tokens[who] not in str(logs)


async def test_a_stranger_is_told_by_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(tmp_path, monkeypatch) as here:
        with structlog.testing.capture_logs() as logs:
            for path in ("/api/user", "/api/live/list"):
                assert (await here.ask("stranger", "GET", path)).status == 401
            assert (await here.ask("stranger", "POST", "/api/live/push/mine", b"m f=1")).status == 401
        assert denials(logs) == [("", "GET", "/api/user", 401), ("", "POST", "/api/live/push/mine", 401)]


async def commands(here: Site, who: str, *frames: dict[str, Any]) -> list[Any]:
    async with connect(here.place) as connection:
        await connection.send(upgrade_request("/api/live/ws", host=here.place, headers=here.headers(who)))
        assert (await connection.answer()).status == 101
        replies = []
        for frame in ({"id": 1, "connect": {}}, *frames):
            await connection.send(encode_frame(TEXT, json.dumps(frame).encode()))
            replies.append(json.loads((await connection.frame()).payload))
        return replies


async def test_commands_that_may_not_be_given_are_told_and_final(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path, monkeypatch) as here:
        with structlog.testing.capture_logs() as logs:
            _, subscribed, published = await commands(
                here,
                "limited",
                {"id": 2, "subscribe": {"channel": "stream/theirs/m"}},
                {"id": 3, "publish": {"channel": "grafana/broadcast/x", "data": {}}},
            )
        for reply in (subscribed, published):
            assert (reply["error"]["code"], reply["error"].get("temporary", False)) == (403, False)
        assert denials(logs) == [
            ("agent", "subscribe", "stream/theirs/m", 403),
            ("agent", "publish", "grafana/broadcast/x", 403),
        ]


async def test_a_stranger_among_subscribers_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(tmp_path, monkeypatch) as here:
        with structlog.testing.capture_logs() as logs:
            [reply] = await commands(here, "stranger")
        assert reply["error"]["code"] == 101
        assert denials(logs) == [("", "connect", "", 101)]


async def test_a_proxy_that_names_an_org_that_there_is_not_is_told(tmp_path: Path) -> None:
    proxy = ("login_header=X-WEBAUTH-USER", "login_addresses=127.0.0.1", "org_header=X-WEBAUTH-ORG")
    settings = settings_for(tmp_path, *(f"proxy.{one}" for one in proxy), dev=False)
    with structlog.testing.capture_logs() as logs:
        async with running(settings) as place, connect(place) as connection:
            for org, status in (("99", 401), ("1", 200)):
                headers = {"X-WEBAUTH-USER": "ann", "X-WEBAUTH-ORG": org}
                await connection.send(request("GET", "/api/user", host=place, headers=headers))
                assert (await connection.answer()).status == status
    [line] = [line for line in logs if line["event"] == "permission refused"]
    assert line["reason"].startswith("the proxy's user is of org 99 (X-WEBAUTH-ORG), which is none of this server")
