"""A server and the key of its secrets: made with the first start, needed by all others, and changed by a start."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from end_to_end.wire import connect, request
from framecast.errors import ConfigurationError
from framecast.server import serve
from framecast.store.secret_keys import KEY_FILE, add_key, keep_first_key
from served import running, settings_for

SOURCE = {"name": "n", "type": "t", "uid": "u", "secureJsonData": {"password": "sesame-open"}}


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as events:
        yield events


async def ask(place: str, method: str, path: str, body: bytes = b"") -> Any:
    async with connect(place) as connection:
        await connection.send(request(method, path, body, host=place, headers={"Content-Type": "application/json"}))
        answer = await connection.answer()
    assert answer.status == 200
    return json.loads(answer.body)


async def check_still_there(folder: Path) -> None:
    async with running(settings_for(folder)) as place:
        shown = await ask(place, "GET", "/api/datasources/uid/u")
        assert shown["secureJsonFields"] == {"password": True}


def contents_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


async def test_no_start_without_the_key_and_none_is_made_in_its_place(tmp_path: Path, logged: list[Any]) -> None:
    async with running(settings_for(tmp_path)) as place:
        await ask(place, "POST", "/api/datasources", json.dumps(SOURCE).encode())
    await check_still_there(tmp_path)
    key = tmp_path / KEY_FILE
    key.rename(tmp_path / "elsewhere")
    before = contents_of(tmp_path)
    with pytest.raises(ConfigurationError, match=KEY_FILE):
        await serve(settings_for(tmp_path))
    assert contents_of(tmp_path).keys() == before.keys()
    (tmp_path / "elsewhere").rename(key)
    await check_still_there(tmp_path)
    assert not any(b"sesame" in content for content in contents_of(tmp_path).values())
    assert "sesame" not in repr(logged)


async def test_a_start_takes_a_new_key_and_the_next_needs_it_alone(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place:
        await ask(place, "POST", "/api/datasources", json.dumps(SOURCE).encode())
    former = contents_of(tmp_path)[KEY_FILE]
    add_key(tmp_path)
    await check_still_there(tmp_path)
    keep_first_key(tmp_path)
    await check_still_there(tmp_path)
    (tmp_path / KEY_FILE).write_bytes(former)
    with pytest.raises(ConfigurationError, match=KEY_FILE):
        await serve(settings_for(tmp_path))
