"""``framecast push``: line protocol from files or a pipe to a stream, with a report of what was refused."""

import math
import os
import sys
from collections.abc import Iterable
from typing import Annotated, BinaryIO
from urllib.parse import urlsplit

import trio
from cyclopts import Parameter

from framecast.channels.address import is_namespace
from framecast.cli.batches import Batch, BatchCutter, LeftOut
from framecast.cli.delivery import Delivery, Report, UndeliveredError, open_client
from framecast.cli.failure import CommandError
from framecast.cli.source import open_source
from framecast.logs import escape_controls

CHUNK_BYTES = 256 * 1024
WAITING_CHUNKS = 4
WAITING_BATCHES = 2
MAX_TOLD = 1_000
"""Columns whose values of another type are told of."""

PROGRESS_SECONDS = 0.2


def push(
    stream: Annotated[str, Parameter(help="The stream's id.")],
    /,
    *files: Annotated[str, Parameter(help="Files of line protocol; - or none is stdin.")],
    url: Annotated[str, Parameter(help="The server.")] = "http://127.0.0.1:8300",
    token: Annotated[str | None, Parameter(help="Or $FRAMECAST_TOKEN.")] = None,
    batch_lines: Annotated[int, Parameter(help="Lines in one request at most.")] = 1000,
    flush_seconds: Annotated[float, Parameter(help="A line of a pipe waits no longer for its batch.")] = 1.0,
    retry_seconds: Annotated[float, Parameter(help="How long one batch is tried again.")] = 60.0,
    strict: Annotated[bool, Parameter(help="Stop after the first batch with a refused line.", negative=())] = False,
) -> int:
    """Send line protocol to a stream and say what was refused, by file, line and column.

    Exit status 1 when a line was refused or something could not be delivered.
    """
    if not is_namespace(stream):
        raise CommandError(f"{stream!r} is no stream id: letters, digits and _ - . only", status=2)
    if urlsplit(url).scheme not in {"http", "https"}:
        raise CommandError(f"--url {url} is not of the form http://HOST:PORT or https://HOST:PORT", status=2)
    if batch_lines < 1 or not 0 < flush_seconds < math.inf or not 0 <= retry_seconds < math.inf:
        raise CommandError("--batch-lines and --flush-seconds must be above 0, --retry-seconds 0 or more", status=2)
    session = PushSession(stream, batch_lines=batch_lines, flush_seconds=flush_seconds, strict=strict)
    token = token or os.environ.get("FRAMECAST_TOKEN")
    trio.run(session.run, url, token, retry_seconds, files or ("-",))
    session.summarise()
    return 1 if session.failed else 0


class PushSession:
    """One run of the command: reads, cuts and sends at the same time, and keeps count."""

    def __init__(self, stream: str, *, batch_lines: int, flush_seconds: float, strict: bool) -> None:
        self._stream = stream
        self._batch_lines = batch_lines
        self._flush_seconds = flush_seconds
        self._strict = strict
        self._terminal = sys.stderr.isatty()
        self._began = self._shown = 0.0
        self._took = 0.0
        self._entries = 0
        self._accepted = 0
        self._rejected = 0
        self._mismatched = 0
        self._late = 0
        self._told: set[str] = set()
        self.failed = False

    async def run(self, url: str, token: str | None, retry_seconds: float, sources: Iterable[str]) -> None:
        """Push everything. What goes wrong is printed and makes `failed` true."""
        self._began = trio.current_time()
        address = f"{url.rstrip('/')}/api/live/push/{self._stream}?report=1"
        async with open_client(url, token) as client, trio.open_nursery() as nursery:
            delivery = Delivery(client, address, retry_seconds=retry_seconds, notice=self._say)
            batches, ready = trio.open_memory_channel[Batch | LeftOut](WAITING_BATCHES)
            nursery.start_soon(self._read_sources, sources, batches)
            await self._deliver_all(delivery, ready)
            nursery.cancel_scope.cancel()
        self._took = trio.current_time() - self._began

    async def _read_sources(self, sources: Iterable[str], batches: trio.MemorySendChannel[Batch | LeftOut]) -> None:
        async with batches:
            for name in sources:
                try:
                    stream = open_source(name)
                except OSError as error:
                    self._fail(f"cannot read {name}: {error.strerror}")
                    continue
                try:
                    await self._read_source("stdin" if name == "-" else name, stream, batches)
                finally:
                    stream.close()

    async def _read_source(
        self, label: str, stream: BinaryIO, batches: trio.MemorySendChannel[Batch | LeftOut]
    ) -> None:
        async with trio.open_nursery() as nursery:
            chunks, arrived = trio.open_memory_channel[bytes](WAITING_CHUNKS)
            nursery.start_soon(self._read_chunks, label, stream, chunks)
            await self._cut(BatchCutter(label, batch_lines=self._batch_lines), arrived, batches)

    async def _read_chunks(self, label: str, stream: BinaryIO, chunks: trio.MemorySendChannel[bytes]) -> None:
        """Read in a thread that is left behind when we stop: a pipe may stay silent for ever."""
        async with chunks:
            try:
                while data := await trio.to_thread.run_sync(
                    os.read, stream.fileno(), CHUNK_BYTES, abandon_on_cancel=True
                ):
                    await chunks.send(data)
            except OSError as error:
                self._fail(f"cannot read {label}: {error.strerror}")

    async def _cut(
        self,
        cutter: BatchCutter,
        arrived: trio.MemoryReceiveChannel[bytes],
        batches: trio.MemorySendChannel[Batch | LeftOut],
    ) -> None:
        """Cut what arrives; what has waited for `flush_seconds` goes on its way in a smaller batch."""
        deadline = math.inf
        while True:
            data = None
            with trio.move_on_at(deadline) as waiting:
                try:
                    data = await arrived.receive()
                except trio.EndOfChannel:
                    break
            ready = cutter.flush() if waiting.cancelled_caught or data is None else cutter.feed(data)
            if not cutter.whole_entries:
                deadline = math.inf
            elif deadline == math.inf or ready:
                deadline = trio.current_time() + self._flush_seconds
            for batch in ready:
                await batches.send(batch)
        for batch in cutter.finish():
            await batches.send(batch)

    async def _deliver_all(self, delivery: Delivery, ready: trio.MemoryReceiveChannel[Batch | LeftOut]) -> None:
        async for batch in ready:
            if isinstance(batch, LeftOut):
                self._rejected += 1
                self._fail(f"{batch.source}:{batch.line}:{batch.column}: {batch.reason}")
                continue
            try:
                report = await delivery.deliver(batch.body, batch.entries)
            except UndeliveredError as error:
                self._fail(f"{batch.source}:{batch.first_line}: nothing from here on was delivered: {error}")
                return
            self._count(batch, report)
            if self._strict and report.rejected:
                self._say(f"{batch.source}: stopped after the batch that starts on line {batch.first_line} (--strict)")
                return

    def _count(self, batch: Batch, report: Report) -> None:
        self._entries += batch.entries
        self._accepted += report.accepted
        self._rejected += report.rejected
        for found in report.rejections:
            self._fail(f"{batch.source}:{batch.first_line + found.line - 1}:{found.column}: {found.words}")
        if unnamed := report.rejected - len(report.rejections):
            self._fail(f"{batch.source}:{batch.first_line}: {unnamed:,} more lines refused in the batch from here")
        self._mismatched += report.mismatched
        self._late += report.late
        for sentence in report.mismatches:
            self._tell_once(sentence)
        now = trio.current_time()
        if self._terminal and now - self._shown >= PROGRESS_SECONDS:
            self._shown = now
            rate = self._entries / max(now - self._began, 0.001)
            counts = f"{self._entries:,} lines, {self._accepted:,} accepted, {self._rejected:,} rejected"
            print(f"\r{counts}, {rate:,.0f} lines/s\x1b[K", end="", file=sys.stderr, flush=True)

    def _fail(self, message: str) -> None:
        self.failed = True
        self._say(message)

    def _tell_once(self, sentence: str) -> None:
        """A column that gets values of another type gets them in every batch."""
        if sentence not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(sentence)
            self._say(sentence)

    def _say(self, message: str) -> None:
        clear = "\r\x1b[K" if self._terminal else ""
        print(f"{clear}{escape_controls(message)}", file=sys.stderr, flush=True)

    def summarise(self) -> None:
        """The last line: what became of everything."""
        rate = self._entries / max(self._took, 0.001)
        self._say(
            f"{self._entries:,} lines to {self._stream}: {self._accepted:,} points accepted, "
            f"{self._rejected:,} rejected, in {self._took:.1f} s ({rate:,.0f} lines/s)"
        )
        if self._mismatched:
            self._say(f"{self._mismatched:,} values were of another type than their column")
        if self._late:
            self._say(f"{self._late:,} rows were older than what was there")
