"""What a plugin prints becomes entries of our log, as fast as a log can be read, and no faster than we can afford.

A plugin blocks when nobody reads what it prints, so it is read on whatever it is. Lines that are too many are counted
instead of logged; who writes faster than `plugins.log_bytes_per_second` is slowed down, not left unread.
"""

import logging
import math
from collections import deque
from collections.abc import Iterable
from typing import Literal

import structlog
import trio

from framecast.bucket import Bucket
from framecast.plugins.host import metrics
from framecast.plugins.host.hclog import Level, LevelReader, LineCutter, read_entry
from framecast.settings import Plugins

log = structlog.get_logger(__name__)

Source = Literal["stdout", "stderr"]

_READ_BYTES = 8 * 1024
"""Handled in one turn: four thousand lines of one letter, a few milliseconds."""

_LINE_COSTS = 64
"""Bytes that a line counts for on top of its own, where reading is slowed down: that is what its handling costs."""

_TELL_SECONDS = 10.0
"""Between two lines about how many were left out."""

_LAST_LINES = 5
_LAST_CHARACTERS = 300
"""Of each of the last lines, where they are told as the reason of an end."""


class PluginOutput:
    """All output of one life of a plugin. Debug lines have a budget of their own, so that they hide no others."""

    def __init__(self, plugin_id: str, settings: Plugins) -> None:
        now = trio.current_time()
        self._log = log.bind(plugin=plugin_id)
        self._wants_debug = bool(self._log.is_enabled_for(logging.DEBUG))
        self._line_bytes = settings.log_line_bytes
        self._debug_lines = Bucket(settings.log_lines_per_second, settings.log_burst, now)
        self._other_lines = Bucket(settings.log_lines_per_second, settings.log_burst, now)
        self._bytes = Bucket(settings.log_bytes_per_second, settings.log_bytes_per_second, now)
        self._left_out = 0
        self._told_at = -math.inf
        self._last: deque[bytes] = deque(maxlen=_LAST_LINES)

    @property
    def last_words(self) -> str:
        """The last lines, for whoever asks why it ended; "" when there were none."""
        return " / ".join(line.decode("utf-8", "replace")[:_LAST_CHARACTERS] for line in self._last)

    def reader(self, source: Source) -> "OutputReader":
        """For one of the streams that the plugin prints to."""
        return OutputReader(self, source, LineCutter(self._line_bytes))

    async def follow(self, stream: trio.abc.ReceiveStream, source: Source, begun: bytes = b"") -> None:
        """Log what comes, after `begun`, until the stream ends."""
        reader = self.reader(source)
        try:
            await reader.take(begun)
            while data := await stream.receive_some(_READ_BYTES):
                await reader.take(bytes(data))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # as good as its end
        finally:
            reader.finish()

    async def rest(self, size: int, lines: int) -> None:
        """Wait where so much more was read than may be."""
        seconds = self._bytes.take(size + _LINE_COSTS * lines, trio.current_time())
        if seconds > 0:
            await trio.sleep(seconds)

    def note(self, line: bytes, level: Level, source: Source, now: float) -> None:
        """Log a line, or count it."""
        self._last.append(line)
        if level == "debug" and not self._wants_debug:
            return
        if (self._debug_lines if level == "debug" else self._other_lines).take_one(now):
            entry = read_entry(line)
            getattr(self._log, level)("plugin output", source=source, text=entry.text, **entry.fields)
        else:
            metrics.LINES_LEFT_OUT.inc()
            self._left_out += 1
        if self._left_out and now - self._told_at >= _TELL_SECONDS:
            self.tell_left_out(now)

    def tell_left_out(self, now: float) -> None:
        """Say how many lines nobody will read, if there are any."""
        if self._left_out:
            self._told_at = now
            self._log.warning("plugin output left out", lines=self._left_out)
            self._left_out = 0


class OutputReader:
    """One stream of a plugin's output, in whatever pieces it comes."""

    def __init__(self, output: PluginOutput, source: Source, lines: LineCutter) -> None:
        self._output = output
        self._source = source
        self._cutter = lines
        self._levels = LevelReader()

    async def take(self, data: bytes) -> None:
        """Log the lines of a piece; waits where too many bytes came lately."""
        await self._output.rest(len(data), self._note(self._cutter.feed(data)))

    def finish(self) -> None:
        """Log what is left, as nothing more comes."""
        self._note(self._cutter.finish())
        self._output.tell_left_out(trio.current_time())

    def _note(self, lines: Iterable[bytes]) -> int:
        now = trio.current_time()
        count = 0
        for line in lines:
            self._output.note(line, self._levels.read(line), self._source, now)
            count += 1
        return count
