"""A server behind proxies: every room is told of the same client, and limits count clients instead of proxies."""

import json
from pathlib import Path

import pytest

from end_to_end.wire import CLOSE, TEXT, Connection, connect, encode_frame, request, upgrade_request
from framecast.accounts import entrance
from framecast.accounts.identity import DEVELOPER, Identity
from framecast.door.head import RequestHead
from served import running, settings_for
from streamed import UNI_SSE

PROXY = "127.0.0.1"
CLIENT = {"X-Forwarded-For": "1.1.1.1, 203.0.113.9"}
OTHER = {"X-Forwarded-For": "203.0.113.10"}


@pytest.mark.parametrize(("listed", "client"), [(PROXY, "203.0.113.9"), ("10.0.0.1", PROXY), ("", PROXY)])
async def test_every_room_sees_the_client_of_a_listed_proxy_and_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, client: str
) -> None:
    seen: list[tuple[str, str, str]] = []

    async def gate(head: RequestHead) -> Identity:
        seen.append((head.path, head.peer, head.neighbour))
        return DEVELOPER

    monkeypatch.setattr(entrance, "open_gate", gate)
    async with running(settings_for(tmp_path, f"proxy.addresses={listed}")) as place:
        async with connect(place) as connection:
            for method, path in (("POST", "/api/live/push/a"), ("GET", "/api/live/list"), ("POST", "/api/live/push/b")):
                body = b"m f=1" if method == "POST" else b""
                await connection.send(request(method, path, body, host=place, headers=CLIENT))
                assert (await connection.answer()).status in {200, 204}
        for path in ("/api/live/ws", "/api/live/push/socket"):
            async with connect(place) as connection:
                await connection.upgrade(upgrade_request(path, host=place, headers=CLIENT))
    paths = ["/api/live/push/a", "/api/live/list", "/api/live/push/b", "/api/live/ws", "/api/live/push/socket"]
    assert list(dict.fromkeys(seen)) == [(path, client, PROXY) for path in paths]


async def begin(connection: Connection, place: str, client: dict[str, str]) -> int:
    """Become a subscriber; 0, or the code by which one is sent away."""
    await connection.upgrade(upgrade_request("/api/live/ws", host=place, headers=client))
    await connection.send(encode_frame(TEXT, b'{"id":1,"connect":{}}'))
    frame = await connection.message()
    return frame.close_code if frame.opcode == CLOSE else 0


async def test_limits_by_address_count_clients_and_not_their_proxy(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, f"proxy.addresses={PROXY}", "live.max_connections_per_address=1")
    async with running(settings) as place, connect(place) as first, connect(place) as second, connect(place) as third:
        assert await begin(first, place, CLIENT) == 0
        assert await begin(second, place, CLIENT) == 3504
        assert await begin(third, place, OTHER) == 0
        async with connect(place) as streaming:  # hypercorn's side of the house counts the same
            path = f"{UNI_SSE}?channel=stream/a/b"
            await streaming.send(request("GET", path, host=place, headers=CLIENT))
            answer = await streaming.answer()
            [said] = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ")]
            assert said["disconnect"]["code"] == 3504
