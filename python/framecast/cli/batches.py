"""Cuts a byte stream of line protocol into batches, at line ends only and never inside a quoted string. No I/O.

A line of line protocol may hold newlines: in the string of a field. So an *entry* here is one whole line in that
sense, over as many lines of text as it takes. What waits is bounded: an entry that outgrows `ENTRY_BYTES` is left out.
"""

import re
from dataclasses import dataclass

BATCH_BYTES = 1024 * 1024
"""A batch ends with the entry that reaches this size: far below the server's limit, enough to be efficient."""

ENTRY_BYTES = 8 * 1024 * 1024
"""One entry; longer than anything a sender means, short enough to find a forgotten quote soon."""

QUOTE, COMMA, BACKSLASH = b'",\\'

_COMMENT = re.compile(rb"[ \t]*#")
_HEAD = re.compile(rb" *(?:[^ \n]|(?<=\\) )*(?<!\\) +")
"""Measurement and tags, up to the fields. Quotes mean nothing here; outside strings a backslash escapes separators
only, not itself."""

_FIELD_KEY = re.compile(rb"(?:[^=, \n]|(?<=\\)[=, ])*(?<!\\)=")
_FIELD_VALUE = re.compile(rb"[^, \n]*,")
_QUOTE_OR_PAIR = re.compile(rb'"|\\.', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole entries that follow each other in `source`; the first starts on line `first_line`."""

    source: str
    first_line: int
    entries: int
    body: bytes


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line that is not sent, and why."""

    source: str
    line: int
    column: int
    reason: str


class BatchCutter:
    """One per source. Bytes go in, batches come out; what they hold, one after another, is what went in.

    How the bytes were divided on their way in makes no difference.
    """

    def __init__(
        self, source: str, *, batch_lines: int, batch_bytes: int = BATCH_BYTES, entry_bytes: int = ENTRY_BYTES
    ) -> None:
        self._source = source
        self._batch_lines = batch_lines
        self._batch_bytes = batch_bytes
        self._entry_bytes = entry_bytes
        self._pending = bytearray()
        self._line = 1  # the line of text on which the pending bytes start
        self._entries = 0  # whole entries among them
        self._entry = 0  # where the first entry that is not whole starts
        self._at = 0  # everything before is understood
        self._searched = 0  # no newline between _at and here
        self._quote = -1  # where the open string began, -1 outside
        self._after_string = False
        self._skipping = False  # inside an entry that was left out
        self._out: list[Batch | LeftOut] = []

    @property
    def whole_entries(self) -> int:
        """How many entries wait for their batch."""
        return self._entries

    def feed(self, data: bytes) -> list[Batch | LeftOut]:
        """Take the next bytes; return what became ready."""
        self._pending += data
        while self._find_entry():
            pass
        return self._take()

    def flush(self) -> list[Batch | LeftOut]:
        """Cut now: the entries that are whole."""
        self._cut()
        return self._take()

    def finish(self) -> list[Batch | LeftOut]:
        """The source has ended: everything, also an entry without its newline or its closing quote."""
        if len(self._pending) > self._entry and not self._skipping:
            self._entry = len(self._pending)
            self._entries += 1
        self._cut()
        return self._take()

    def _take(self) -> list[Batch | LeftOut]:
        out, self._out = self._out, []
        return out

    def _find_entry(self) -> bool:
        """Move on to the end of the next entry. False when more bytes are needed."""
        if self._skipping:
            return self._skip_line()
        if self._quote >= 0 and not self._close_string():
            return self._leave_out_when_too_long()
        newline = self._pending.find(b"\n", max(self._at, self._searched))
        if newline < 0:
            self._searched = len(self._pending)
            return self._leave_out_when_too_long()
        quote = self._find_open_string(newline)
        if quote >= 0:
            self._quote = quote
            self._at = quote + 1
            return True
        self._entries += 1
        self._entry = self._at = self._searched = newline + 1
        self._after_string = False
        if self._entries >= self._batch_lines or self._entry >= self._batch_bytes:
            self._cut()
        return True

    def _close_string(self) -> bool:
        for found in _QUOTE_OR_PAIR.finditer(self._pending, self._at):
            self._at = found.end()
            if found[0] == b'"':
                self._quote = -1
                self._after_string = True
                self._searched = self._at
                return True
        if self._at < len(self._pending):
            # a backslash at the end waits for what it escapes
            self._at = len(self._pending) - (self._pending[-1] == BACKSLASH)
        return False

    def _find_open_string(self, newline: int) -> int:
        """Where the next string opens between here and `newline`; -1 when none does.

        Follows the grammar just far enough: a quote opens a string only where a field's value begins.
        """
        text, at = self._pending, self._at
        if text.find(b'"', at, newline) < 0:
            return -1
        at = self._next_field(newline)
        while at >= 0 and (key := _FIELD_KEY.match(text, at, newline)):
            at = key.end()
            if text[at] == QUOTE:
                return at
            value = _FIELD_VALUE.match(text, at, newline)
            at = value.end() if value else -1
        return -1

    def _next_field(self, newline: int) -> int:
        """Where the next field's key starts; -1 when none follows on this line."""
        if self._after_string:
            return self._at + 1 if self._pending[self._at] == COMMA else -1
        if _COMMENT.match(self._pending, self._at, newline):
            return -1
        head = _HEAD.match(self._pending, self._at, newline)
        return head.end() if head else -1

    def _skip_line(self) -> bool:
        newline = self._pending.find(b"\n")
        if newline < 0:
            self._pending.clear()
            return False
        self._drop(newline + 1)
        self._skipping = False
        return True

    def _leave_out_when_too_long(self) -> bool:
        """Leave out the line on which the entry went wrong; go on with the text after it."""
        if len(self._pending) - self._entry <= self._entry_bytes:
            return False
        megabytes = f"{self._entry_bytes / (1024 * 1024):g} MiB"
        self._cut()
        if self._quote < 0:
            self._out.append(LeftOut(self._source, self._line, 1, f"longer than {megabytes}: left out"))
        else:
            line = self._line + self._pending.count(b"\n", 0, self._quote)
            column = self._quote - self._pending.rfind(b"\n", 0, self._quote)
            reason = f"the quote here opens a string that does not end within {megabytes}: left out up to this line"
            self._out.append(LeftOut(self._source, line, column, reason))
        newline = self._pending.find(b"\n", max(self._quote, 0))
        self._skipping = newline < 0
        self._drop(len(self._pending) if self._skipping else newline + 1)
        return True

    def _cut(self) -> None:
        if self._entries:
            body = bytes(memoryview(self._pending)[: self._entry])
            self._out.append(Batch(self._source, self._line, self._entries, body))
            quote = self._quote - self._entry
            position, searched = self._at - self._entry, self._searched - self._entry
            after_string = self._after_string
            self._drop(self._entry)
            self._at, self._searched = max(position, 0), max(searched, 0)
            self._quote = max(quote, -1)
            self._after_string = after_string

    def _drop(self, size: int) -> None:
        """Forget the first `size` bytes; what follows starts an entry."""
        self._line += self._pending.count(b"\n", 0, size)
        del self._pending[:size]
        self._entries = self._entry = self._at = self._searched = 0
        self._quote = -1
        self._after_string = False
