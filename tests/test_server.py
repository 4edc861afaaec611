"""The supervisor within the test's own process: how it begins, whom it lets in, what one failure costs, how it ends."""

import gc
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from end_to_end.wire import TEXT, Connection, connect, encode_frame, request, upgrade_request
from framecast.server import serve
from framecast.settings import Settings, load_settings

PATIENCE_SECONDS = 20


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """A server freezes what the collector knows; here that is the tests' garbage."""
    yield
    gc.unfreeze()


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as events:
        yield events


def settings_for(data: Path, *overrides: str, dev: bool = True, listen: str = "127.0.0.1:0") -> Settings:
    flags = {("server", "data"): str(data), ("server", "dev"): dev, ("server", "listen"): [listen]}
    return load_settings(environment={}, overrides=["server.shutdown_grace_seconds=5", *overrides], flags=flags)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[str]:
    """Run a server, within a deadline, and give its HOST:PORT. It may end by itself before the block does."""
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            [place] = await nursery.start(serve, settings)
            yield place
            nursery.cancel_scope.cancel()


async def ask(connection: Connection, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
    """One request on a connection that stays open; its status and JSON, text or nothing."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    await connection.send(request(method, path, body, host="127.0.0.1", headers=fields))
    answer = await connection.answer()
    is_json = answer.headers.get("content-type") == "application/json"
    return answer.status, json.loads(answer.body) if is_json else answer.body.decode()


async def subscribe(connection: Connection, place: str, channel: str) -> list[Any]:
    """Become a subscriber; the replies to `connect` and `subscribe`."""
    await connection.upgrade(upgrade_request("/api/live/ws", host=place))
    commands = f'{{"id":1,"connect":{{}}}}\n{{"id":2,"subscribe":{{"channel":"{channel}"}}}}'
    await connection.send(encode_frame(TEXT, commands.encode()))
    replies: list[Any] = []
    while len(replies) < 2:
        replies += [json.loads(line) for line in (await connection.message()).payload.splitlines()]
    return replies


# How it begins.


# Whom it lets in.


# What one failure costs.


# How it ends.


async def test_cancelling_ends_it_at_once_with_subscribers_and_pushes_under_way(
    tmp_path: Path, logged: list[Any]
) -> None:
    settings = settings_for(tmp_path)
    async with trio.open_nursery() as nursery:
        [place] = await nursery.start(serve, settings)
        async with connect(place) as listening, connect(place) as pushing, connect(place) as late:
            await subscribe(listening, place, "stream/s/m")
            await pushing.send(request("POST", "/api/live/push/s", b"m n=1i\n" * 10, host=place)[:-20])
            assert (await ask(late, "GET", "/"))[0] == 200
            nursery.cancel_scope.cancel()
            # Far less than the deadlines that would end it should one of its tasks be waited for in vain.
            with trio.CancelScope(deadline=trio.current_time() + 2, shield=True) as patience:
                for connection in (listening, pushing, late):
                    await connection.until_closed()
            assert not patience.cancelled_caught
    assert [event["event"] for event in logged if event["log_level"] in {"warning", "error"}] == []
    async with running(settings) as place:
        assert place
