"""Client programs around the real SDKs, each a process that takes commands and tells events as JSON lines."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import trio

from end_to_end.server import clean_environment
from patience import PATIENCE_SECONDS

HERE = Path(__file__).parent
PYTHON_SUBSCRIBER = (sys.executable, str(HERE / "python_subscriber.py"))
INFLUX_WRITER = (sys.executable, str(HERE / "influx_writer.py"))
JAVASCRIPT_SUBSCRIBER = ("node", str(HERE / "node" / "subscriber.cjs"))
JAVASCRIPT_PANEL = ("node", str(HERE / "node" / "panel.cjs"))

Happening = dict[str, Any]


class Refused(Exception):  # noqa: N818 - it is what an answer says, not a mistake of the program
    """A call was answered with an error; `code` is None when it was the SDK itself that gave up."""

    def __init__(self, code: int | None, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Program:
    """A running client program. What it tells is kept in `events`, in order."""

    def __init__(self, process: trio.Process) -> None:
        self.events: list[Happening] = []
        self._process = process
        self._taken: set[int] = set()
        self._asked = 0
        self._turn = trio.StrictFIFOLock()
        self._news = trio.Condition()
        self._ended = False

    async def do(self, what: str, **arguments: object) -> None:
        """Give one command; several tasks may."""
        assert self._process.stdin is not None
        async with self._turn:
            await self._process.stdin.send_all(json.dumps({"do": what, **arguments}).encode() + b"\n")

    async def ask(self, what: str, **arguments: object) -> Happening:
        """Give a command that is answered; what the answer holds. Refused when it is an error."""
        self._asked += 1
        number = self._asked
        await self.do(what, number=number, **arguments)
        answer = await self.wait_for("answer", number=number)
        if "code" in answer:
            raise Refused(answer["code"], answer["message"])
        return answer

    async def wait_for(self, event: str, **wanted: object) -> Happening:
        """The first event of this kind that fits and was not handed out before; waits until it comes."""
        at = 0
        while True:
            for number in range(at, len(self.events)):
                found = self.events[number]
                if number not in self._taken and found["event"] == event and found.items() >= wanted.items():
                    self._taken.add(number)
                    return found
            at = len(self.events)
            await self.wait_for_news()

    async def wait_for_news(self) -> None:
        async with self._news:
            assert not self._ended, f"the program ended; the last it told: {self.events[-5:]}"
            await self._news.wait()

    async def wait_for_count(self, event: str, count: int, **wanted: object) -> list[Happening]:
        """Wait until at least `count` events fit; all that fit."""
        at, found = 0, []
        while True:
            found += [one for one in self.events[at:] if one["event"] == event and one.items() >= wanted.items()]
            at = len(self.events)
            if len(found) >= count:
                return found
            await self.wait_for_news()

    def all(self, event: str, **wanted: object) -> list[Happening]:
        """What has come so far."""
        return [one for one in self.events if one["event"] == event and one.items() >= wanted.items()]

    async def subscribe(self, channel: str) -> Happening:
        """Subscribe and wait for the reply."""
        await self.do("subscribe", channel=channel)
        return await self.wait_for("subscribed", channel=channel)

    async def finish(self) -> None:
        """Let it disconnect and exit."""
        assert self._process.stdin is not None
        await self._process.stdin.aclose()
        with trio.fail_after(PATIENCE_SECONDS):
            await self._process.wait()

    async def read_events(self) -> None:
        """Belongs to `run_program`."""
        assert self._process.stdout is not None
        pieces: list[bytes] = []
        try:
            async for data in self._process.stdout:
                head, newline, rest = bytes(data).rpartition(b"\n")
                if not newline:
                    pieces.append(rest)
                else:
                    lines = b"".join([*pieces, head]).split(b"\n")
                    pieces = [rest]
                    self.events += [json.loads(line, parse_float=Decimal) for line in lines]
                    async with self._news:
                        self._news.notify_all()
        finally:
            self._ended = True
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                async with self._news:
                    self._news.notify_all()


@asynccontextmanager
async def run_program(
    command: tuple[str, ...], *arguments: str, environment: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Program]:
    """Run a client program for the length of the block; it must then exit by itself with status 0."""
    async with trio.open_nursery() as nursery:
        start = partial(
            trio.run_process,
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_environment() | dict(environment),
        )
        process: trio.Process = await nursery.start(start)
        program = Program(process)
        nursery.start_soon(program.read_events)
        yield program
        await program.finish()


@asynccontextmanager
async def python_subscriber(url: str) -> AsyncIterator[Program]:
    """centrifuge-python, connected; it tells numbers as the server wrote them."""
    async with run_program(PYTHON_SUBSCRIBER, url, json.dumps({"exact_numbers": True})) as program:
        await program.do("connect")
        await program.wait_for("connected")
        yield program


@asynccontextmanager
async def influx_writer(url: str, *, gzip: bool = False) -> AsyncIterator[Program]:
    """influxdb-client, which writes one command at a time."""
    async with run_program(INFLUX_WRITER, url, *(["--gzip"] if gzip else [])) as program:
        yield program


@asynccontextmanager
async def javascript_subscriber(url: str) -> AsyncIterator[Program]:
    """centrifuge-js, connected."""
    async with run_program(JAVASCRIPT_SUBSCRIBER, url) as program:
        await program.do("connect")
        await program.wait_for("connected")
        yield program


@asynccontextmanager
async def panel(url: str, channel: str) -> AsyncIterator[Program]:
    """A Grafana panel's buffer, subscribed to `channel`."""
    async with run_program(JAVASCRIPT_PANEL, url) as program:
        await program.do("connect")
        await program.wait_for("connected")
        await program.subscribe(channel)
        yield program
