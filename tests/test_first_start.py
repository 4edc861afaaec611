"""A server that was never started before: it has one org, and shows one token, once."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from end_to_end.wire import TEXT, Connection, connect, encode_frame, request, upgrade_request
from framecast.accounts.clock import ForwardClock
from framecast.accounts.register.first_start import prepare
from framecast.accounts.register.register import open_register
from framecast.settings import Accounts, Store
from framecast.store.database import open_database
from served import running, settings_for

TOKEN = re.compile(r"^  export FRAMECAST_TOKEN=(fct_[A-Za-z0-9]{43})$", re.MULTILINE)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as events:
        yield events


def tokens_in(said: str) -> list[str]:
    assert said.startswith("listening on http://")
    return TOKEN.findall(said)


async def ask(place: str, method: str, path: str, body: bytes = b"", token: str = "") -> int:
    async with connect(place) as connection:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        await connection.send(request(method, path, body, host=place, headers=headers))
        return (await connection.answer()).status


async def first_reply(connection: Connection, place: str, headers: dict[str, str], connect_token: str) -> Any:
    await connection.upgrade(upgrade_request("/api/live/ws", host=place, headers=headers))
    command = {"id": 1, "connect": {"token": connect_token}}
    await connection.send(encode_frame(TEXT, json.dumps(command).encode()))
    return json.loads((await connection.message()).payload)


async def test_the_token_is_shown_behind_the_line_that_scripts_wait_for_and_never_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], logged: list[Any]
) -> None:
    async with running(settings_for(tmp_path, dev=False)) as place:
        said = capsys.readouterr()
        [token] = tokens_in(said.out)
        assert said.out.splitlines()[0] == f"listening on http://{place}"
        assert token not in said.err
        assert token not in repr(logged)
        assert await ask(place, "GET", "/metrics", token=token) == 200
    async with running(settings_for(tmp_path, dev=False)) as place:
        assert tokens_in(capsys.readouterr().out) == []
        assert await ask(place, "GET", "/metrics", token=token) == 200
        assert await ask(place, "GET", "/metrics", token=token[:-1]) == 401


async def test_it_lets_in_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with running(settings_for(tmp_path, dev=False)) as place:
        [token] = tokens_in(capsys.readouterr().out)
        for path, token_there, status in (
            ("/api/live/push/s", token, 204),
            ("/api/live/push/s", "", 401),
            ("/api/v2/write?bucket=s", token, 204),
            (f"/write?db=s&u=any&p={token}", "", 204),
            ("/write?db=s&u=any&p=fct_no", "", 401),
        ):
            assert await ask(place, "POST", path, b"m n=1i", token=token_there) == status
        header = {"Authorization": f"Bearer {token}"}
        for headers, connect_token in ((header, ""), ({}, token)):
            async with connect(place) as connection:
                assert "client" in (await first_reply(connection, place, headers, connect_token))["connect"]
        async with connect(place) as connection:
            assert (await first_reply(connection, place, {}, ""))["error"]["code"] == 101
        async with connect(place) as connection:
            await connection.upgrade(upgrade_request("/api/live/push/s", host=place, headers=header))
        for query, said in ((f"&token={token}", b'"connect"'), ("&token=fct_no", b'"code":3500')):
            async with connect(place) as connection:
                await connection.send(request("GET", f"/api/live/uni_sse?channel=1/stream/s/m{query}", host=place))
                await connection._until(said)
        assert await ask(place, "GET", "/api/live/uni_sse?channel=stream/s/m") == 401


async def test_who_shows_nothing_is_refused_for_good_and_who_may_log_in_again_is_told_to_come_again(
    tmp_path: Path,
) -> None:
    """SDKs go by `temporary`: a browser whose session ended must not be dead until its page is loaded again."""
    ended = {"Cookie": "framecast_session=of-a-session-that-ended"}
    async with running(settings_for(tmp_path, dev=False)) as place:
        for headers, temporary in (({}, False), (ended, True)):
            async with connect(place) as connection:
                error = (await first_reply(connection, place, headers, ""))["error"]
            assert (error["code"], error.get("temporary", False)) == (101, temporary)
            async with connect(place) as connection:
                body = b'{"id":1,"connect":{}}'
                await connection.send(request("POST", "/api/live/http_stream", body, host=place, headers=headers))
                said = json.loads((await connection._until(b"}}\n")).partition(b"\r\n\r\n")[2].partition(b"\n")[2])
            assert (said["error"]["code"], said["error"].get("temporary", False)) == (101, temporary)


async def test_with_dev_nobody_needs_one_and_the_first_start_without_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(settings_for(tmp_path)) as place:
        assert capsys.readouterr().out == f"listening on http://{place}\n"
    async with running(settings_for(tmp_path, dev=False)) as place:
        assert len(tokens_in(capsys.readouterr().out)) == 1
    async with running(settings_for(tmp_path)) as place:
        assert capsys.readouterr().out == f"listening on http://{place}\n"


async def test_where_tokens_let_nobody_in_none_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with running(settings_for(tmp_path, "accounts.service_tokens=false", dev=False)) as place:
        assert capsys.readouterr().out == f"listening on http://{place}\n"


async def test_a_reader_that_takes_one_line_and_goes_ends_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OneLine:
        said = ""

        def write(self, text: str) -> int:
            if "\n" in self.said:
                raise BrokenPipeError
            self.said += text
            return len(text)

        def flush(self) -> None:
            pass

    reader = OneLine()
    monkeypatch.setattr(sys, "stdout", reader)
    async with running(settings_for(tmp_path, "log.level=error", dev=False)) as place:
        assert reader.said == f"listening on http://{place}\n"
        assert await ask(place, "GET", "/api/health") == 200


async def test_no_later_start_makes_a_token_where_somebody_has_removed_all_of_them(tmp_path: Path) -> None:
    async with open_database(tmp_path, Store()) as database:
        register = await open_register(database, Accounts(), ForwardClock())
        assert await prepare(register, with_token=False) is None
        assert [org.name for org in register.directory.orgs] == ["Main Org."]
        secret = await prepare(register, with_token=True)
        assert secret is not None
        [token] = register.directory.tokens.of_org(1)
        register.desk.last_admin.may_go = True
        await register.service_tokens._revoke(token.token_id)
        assert await prepare(register, with_token=True) is None
        later = await open_register(database, Accounts(), ForwardClock())
        assert await prepare(later, with_token=True) is None
        assert later.directory.tokens.of_org(1) == []
        assert len(later.directory.orgs) == 1
