"""Grafana panels side by side, one for each frame format, which are pushed the same; between them and the server a
network that can fail.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from end_to_end.cutting import CuttingProxy, cutting_proxy
from end_to_end.panel_model import Given, PushedStream, Shown, check_series_names, check_shown, read_shown
from end_to_end.programs import JAVASCRIPT_PANEL, Program, run_program
from end_to_end.server import RunningServer
from end_to_end.wire import Connection, connect, request
from patience import PATIENCE_SECONDS

FORMATS = ("labels_column", "wide", "series")
NOBODY = "127.0.0.1:1"
UNITS_PER_MS = {"ms": 1, "us": 1_000}
HISTORY_ROWS = 10_000
"""What a server keeps if it is not told otherwise."""


class Dashboard:
    """The panels, what they were given, and a sender to their streams. Everything is measurement ``cpu``."""

    def __init__(
        self, program: Program, proxy: CuttingProxy, stream: str, formats: tuple[str, ...], history_rows: int
    ) -> None:
        self.program = program
        self.proxy = proxy
        self.formats = formats
        self.pushing: Connection | None = None
        self.pushed = {name: PushedStream(name, history_rows=history_rows) for name in formats}
        self.given = {name: Given(pushed) for name, pushed in self.pushed.items()}
        self._stream = stream
        self._format_of = {self.channel(name): name for name in formats}
        self._read = 0
        self._opened = 0

    def channel(self, frame_format: str) -> str:
        return f"stream/{self._stream}-{frame_format}/cpu"

    async def push(self, body: str, refused: Mapping[str, str] | None = None, *, precision: str = "ms") -> None:
        """Push lines; before them what the server must refuse, with its reasons."""
        assert self.pushing is not None
        bad = refused or {}
        sent = "\n".join([*bad, body]).encode()
        for name, pushed in self.pushed.items():
            query = f"?gf_live_frame_format={name}&precision={precision}&report=1"
            path = f"/api/live/push/{self._stream}-{name}{query}"
            await self.pushing.send(request("POST", path, sent, host="127.0.0.1"))
            report = json.loads((await self.pushing.answer()).body)
            assert [one["reason"] for one in report["rejections"]] == list(bad.values()), report
            pushed.push(body, units_per_ms=UNITS_PER_MS[precision])

    async def push_all(self, bodies: Iterable[str]) -> None:
        for body in bodies:
            await self.push(body)

    async def subscribe(self) -> None:
        """Subscribe all panels, or again."""
        async with self.returning():
            for name in self.formats:
                await self.program.do("subscribe", channel=self.channel(name))

    @asynccontextmanager
    async def returning(self) -> AsyncIterator[None]:
        """Wait, behind the block, until all panels have subscribed once more."""
        before = {name: len(self.program.all("subscribed", channel=self.channel(name))) for name in self.formats}
        yield
        for name, count in before.items():
            await self.program.wait_for_count("subscribed", count + 1, channel=self.channel(name))

    async def unsubscribe(self) -> None:
        """Unsubscribe all panels, which keep what they have."""
        for name in self.formats:
            await self.program.do("unsubscribe", channel=self.channel(name))
            await self.program.wait_for("unsubscribed", channel=self.channel(name))

    async def reopen(self) -> None:
        """Close all panels and open new ones."""
        for name in self.formats:
            await self.program.do("close", channel=self.channel(name))
            await self.program.wait_for("unsubscribed", channel=self.channel(name))
        self._opened = len(self.program.events)
        await self.subscribe()

    @asynccontextmanager
    async def absence(self) -> AsyncIterator[None]:
        """The connection is lost, and there is none for the length of the block; then the panels have returned."""
        target, self.proxy.target = self.proxy.target, NOBODY
        lost = len(self.program.all("connecting", code=1))
        async with self.returning():
            self.proxy.cut()
            await self.program.wait_for_count("connecting", lost + 1, code=1)
            yield
            self.proxy.target = target

    def restart(self, pushing: Connection) -> None:
        """From here on it is pushed to another server, which was started over the data of the one before."""
        self.pushing = pushing
        for pushed in self.pushed.values():
            pushed.restart()

    async def wait_until_given(self) -> None:
        """Wait until every panel had all that was pushed, or was told that it is gone."""
        while True:
            for event in self.program.events[self._read :]:
                name = self._format_of.get(event.get("channel", ""))
                if name is not None:
                    self.given[name].read(event)
            self._read = len(self.program.events)
            if all(given.is_complete for given in self.given.values()):
                return
            await self.program.wait_for_news()

    async def fields(self, frame_format: str) -> list[dict[str, Any]]:
        """What the panel shows, once it was given everything."""
        await self.wait_until_given()
        await self.program.do("show", channel=self.channel(frame_format))
        state = await self.program.wait_for("panel", channel=self.channel(frame_format))
        fields: list[dict[str, Any]] = state["fields"]
        return fields

    async def shown(self, frame_format: str) -> Shown:
        """The same, column by column."""
        return read_shown(await self.fields(frame_format))

    def expected(self, frame_format: str) -> Shown:
        """What the panel must show of what it was given."""
        return self.pushed[frame_format].shown(self.given[frame_format].messages)

    def broken(self, frame_format: str) -> list[str]:
        """What the panel's buffer threw since it was opened."""
        wanted = {"event": "broken", "channel": self.channel(frame_format)}
        return [one["message"] for one in self.program.events[self._opened :] if one.items() >= wanted.items()]

    async def check_panels(self, *formats: str) -> None:
        """Each of these panels shows exactly what it was given, under its own labels, and never threw."""
        for name in formats or self.formats:
            fields = await self.fields(name)
            check_shown(read_shown(fields), self.expected(name))
            if name == "series":
                check_series_names(fields)
            assert self.broken(name) == []

    async def check_dead(self, frame_format: str, *, messages: int) -> None:
        """The panel is empty, and threw at each of the last so many messages."""
        shown = await self.shown(frame_format)
        assert set(map(len, shown.values())) == {0}
        broken = self.broken(frame_format)
        assert len(broken) == messages
        assert all(message.startswith("push message mismatch") for message in broken), broken


@asynccontextmanager
async def dashboard(
    server: RunningServer,
    stream: str,
    formats: tuple[str, ...] = FORMATS,
    *,
    history_rows: int = HISTORY_ROWS,
) -> AsyncIterator[Dashboard]:
    """Panels of these formats, subscribed, for the length of the block."""
    with trio.fail_after(PATIENCE_SECONDS):
        async with _dashboard(server, stream, formats, history_rows) as here:
            yield here


@asynccontextmanager
async def _dashboard(
    server: RunningServer, stream: str, formats: tuple[str, ...], history_rows: int
) -> AsyncIterator[Dashboard]:
    async with (
        connect(server.address) as pushing,
        cutting_proxy(server.address) as proxy,
        run_program(JAVASCRIPT_PANEL, f"ws://{proxy.address}/api/live/ws") as program,
    ):
        await program.do("connect")
        await program.wait_for("connected")
        here = Dashboard(program, proxy, stream, formats, history_rows)
        here.pushing = pushing
        await here.subscribe()
        yield here
