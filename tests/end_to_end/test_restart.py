"""What a restart keeps: a panel that comes back sees the columns that it knows, in their order."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from end_to_end.programs import python_subscriber
from end_to_end.server import RunningServer, serve_command
from end_to_end.test_starting_and_stopping import refused_start
from end_to_end.wire import connect
from patience import PATIENCE_SECONDS

BODY = b'm,h=a b=1,a=t 1\nm,h=b c="x" 1\nk\\ l x=1 1\n'
OTHER_ORDER = b'm,h=b c="y" 2\nm,h=a a=f,b=2 2\n'


class Life:
    """Servers one after the other over the same data."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._log = folder / "stderr.log"
        self._servers: list[RunningServer] = []

    def start(self, *settings: str) -> RunningServer:
        server = RunningServer(serve_command(self.data, *settings), self._log)
        self._servers.append(server)
        return server

    def kept_columns(self) -> int:
        """How many columns the database has, read from outside."""
        with closing(sqlite3.connect(f"file:{self.data}/framecast.db?mode=ro", uri=True)) as connection:
            texts = connection.execute("SELECT columns FROM columns").fetchall()
        return sum(text.count(b",0]") + text.count(b",1]") for (text,) in texts)

    def kept_messages(self) -> list[Any]:
        """The last messages of broadcasts that the database has."""
        with closing(sqlite3.connect(f"file:{self.data}/framecast.db?mode=ro", uri=True)) as connection:
            return [json.loads(data) for (data,) in connection.execute("SELECT message FROM broadcasts")]

    async def until_kept(self, columns: int) -> None:
        while self.kept_columns() != columns:  # noqa: ASYNC110 - another process, nothing to wait on
            await trio.sleep(0.02)

    def end(self) -> None:
        for server in self._servers:
            server.kill()


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    life = Life(tmp_path)
    yield life
    life.end()


async def begin(server: RunningServer, frame_format: str) -> dict[str, Any]:
    """Push; the schemas that subscribers get then."""
    async with connect(server.address) as pushing:
        await pushing.push("s", BODY, query=f"?gf_live_frame_format={frame_format}")
    return await schemas(server)


async def schemas(server: RunningServer) -> dict[str, Any]:
    """What the subscribe replies say."""
    async with python_subscriber(server.subscribe_url) as program:
        replies = {path: (await program.subscribe(f"stream/s/{path}"))["data"] for path in ("m", "k=20l")}
    return {path: reply and reply["schema"] for path, reply in replies.items()}


async def check_goes_on(server: RunningServer, known: dict[str, Any], frame_format: str) -> None:
    """A subscriber gets the known schema and no rows, and then a packet that needs no other."""
    async with python_subscriber(server.subscribe_url) as program, connect(server.address) as pushing:
        for path, schema in known.items():
            assert (await program.subscribe(f"stream/s/{path}"))["data"] == {"schema": schema}
        await pushing.push("s", OTHER_ORDER)
        frame = (await program.wait_for("publication"))["data"]
        assert "schema" not in frame
        if frame_format == "labels_column":
            assert frame["data"]["values"][2:] == [[None, False], [None, 2], ["y", None]]
        else:
            assert frame["data"]["values"][1:] == [[False], [2], ["y"]]
    server.check_well()


@pytest.mark.parametrize("frame_format", ["labels_column", "wide", "series"])
async def test_an_orderly_restart_keeps_all_columns(life: Life, frame_format: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        # Nothing is written before the end.
        first = life.start("store.save_seconds=1000")
        known = await begin(first, frame_format)
        assert life.kept_columns() == 0
        first.stop()
        second = life.start()
        await check_goes_on(second, known, frame_format)
        second.stop()
        assert sorted(file.name for file in life.data.iterdir()) == ["framecast.db", "framecast.lock", "secret.key"]


@pytest.mark.parametrize("frame_format", ["labels_column", "wide", "series"])
async def test_a_kill_keeps_the_columns_that_were_written(life: Life, frame_format: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        first = life.start("store.save_seconds=0.05")
        known = await begin(first, frame_format)
        await life.until_kept(4)
        first.kill()
        second = life.start()
        await check_goes_on(second, known, frame_format)
        second.stop()


async def test_a_kill_before_the_write_leaves_the_columns_of_before(life: Life) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        first = life.start("store.save_seconds=0.05")
        known = await begin(first, "wide")
        await life.until_kept(4)
        first.kill()
        second = life.start("store.save_seconds=1000")
        async with connect(second.address) as pushing:
            await pushing.push("s", b"m,h=c new=1\nlater f=1")
        assert (await schemas(second))["m"] != known["m"]
        second.kill()
        third = life.start()
        assert await schemas(third) == known
        third.stop()


async def test_listed_channels_are_there_before_the_first_push(life: Life) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        first = life.start()
        known = await begin(first, "series")
        first.stop()
        second = life.start()
        async with connect(second.address) as asking:
            await asking.send(b"GET /api/live/list HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            body = (await asking.answer()).body
        assert b'"channel":"stream/s/k=20l"' in body
        assert b'"channel":"stream/s/m"' in body
        assert await schemas(second) == known
        second.stop()


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_broadcast_begins_with_what_was_said_before_the_restart(life: Life, end: str) -> None:
    channel = "grafana/broadcast/news"
    with trio.fail_after(60):
        first = life.start("store.save_seconds=1000" if end == "stop" else "store.save_seconds=0.05")
        async with python_subscriber(first.subscribe_url) as program:
            await program.ask("publish", channel=channel, data={"n": 1})
            await program.ask("publish", channel=channel, data={"n": "é\n2"})
        if end == "kill":
            while life.kept_messages() != [{"n": "é\n2"}]:  # noqa: ASYNC110 - another process, nothing to wait on
                await trio.sleep(0.02)
        getattr(first, end)()
        second = life.start()
        async with python_subscriber(second.subscribe_url) as program:
            subscribed = await program.subscribe(channel)
            assert subscribed["data"] == {"n": "é\n2"}
            await program.ask("publish", channel=channel, data=3)
            assert (await program.wait_for("publication"))["data"] == 3
        second.stop()


async def test_pushing_goes_on_while_the_database_is_locked(life: Life) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        server = life.start("store.save_seconds=0.05", "store.lock_seconds=0.05", "store.retry_seconds=0.1")
        with closing(sqlite3.connect(life.data / "framecast.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            known = await begin(server, "wide")
            async with connect(server.address) as asking:
                figures = b""
                while not re.search(rb"^framecast_store_failed_writes_total [1-9]", figures, re.MULTILINE):
                    await trio.sleep(0.02)
                    await asking.send(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    figures = (await asking.answer()).body
            assert await schemas(server) == known
            other.execute("ROLLBACK")
        await life.until_kept(4)
        server.stop()


def test_a_database_that_cannot_be_used_refuses_the_start(tmp_path: Path) -> None:
    (tmp_path / "framecast.db").write_bytes(b"this is no database, but long enough to be one" * 100)
    message = refused_start(serve_command(tmp_path))
    assert f"{tmp_path}/framecast.db is damaged" in message
    assert "move it away" in message
