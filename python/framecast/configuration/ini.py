"""The grammar of a grafana.ini, as the library reads it that Grafana reads it with (ini.v1). Text in, entries out.

Never fails: what cannot be read is a fault with its line, and reading goes on behind it. What values mean, and the
references in them, are others' (expansion.py, grafana.py). The rules that surprise:

- a value ends at its first ``#`` or ``;``, quoted or not; only triple quotes and backticks keep them;
- ``:`` parts key and value as well as ``=``; letter case counts, also in the names of sections;
- a backslash at the end of a line joins the next one to it; triple quotes and backticks may span lines.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

DEFAULT_SECTION = "DEFAULT"
"""What stands before the first section."""

_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""What Go takes for white space; Python knows four more."""

_DELIMITER = re.compile("[=:]")
_COMMENT = re.compile("[#;]")
_TRIPLE = '"""'


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with its value; `line` counts from 1."""

    section: str
    key: str
    value: str
    line: int
    cut_in_quotes: bool = False
    """The value began with a quote, and ended at a comment's sign before it was closed: hardly what was meant."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What Grafana could not read, or would read in a way that nobody means."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ini:
    """What a text holds. Of entries with one section and key the last one counts."""

    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...]


class _FaultError(Exception):
    pass


def read_ini(text: str) -> Ini:
    """Read it all."""
    entries: list[Entry] = []
    faults: list[Fault] = []
    lines = _Lines(text.removeprefix("\ufeff"))
    section = DEFAULT_SECTION
    for number, line in lines:
        if not line or line[0] in "#;":
            continue
        try:
            if line[0] == "[":
                section = _read_section(line)
            else:
                key, rest = _read_key(line)
                value, cut = _read_value(rest, lines)
                entries.append(Entry(section, key, value, number, cut))
        except _FaultError as fault:
            faults.append(Fault(number, str(fault)))
    return Ini(tuple(entries), tuple(faults))


class _Lines:
    """The lines of a text, from the front, with their numbers. Each keeps the newline at its end."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._at = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Lines without what stands before their first sign."""
        while (line := self.take()) is not None:
            yield self._at, line.lstrip(_SPACE)

    def take(self) -> str | None:
        """The next line, None at the end."""
        if self._at == len(self._lines):
            return None
        self._at += 1
        line = self._lines[self._at - 1]
        return line + "\n" if self._at < len(self._lines) else line


def _read_section(line: str) -> str:
    end = line.rfind("]")
    if end < 0:
        raise _FaultError("the section's name is not closed with ]")
    name = line[1:end]
    if not name:
        raise _FaultError("the section has no name")
    if "]" in name:
        raise _FaultError("the section's name ends at the last ] of the line: write the comment on a line of its own")
    return name


def _read_key(line: str) -> tuple[str, str]:
    """The key, and what stands behind the delimiter."""
    quote = _TRIPLE if line.startswith(_TRIPLE) and len(line) > 6 else line[0] if line[0] in '"`' else ""
    end = line.find(quote, len(quote)) if quote else 0
    if end < 0:
        raise _FaultError(f"the key's quote {quote} is not closed")
    delimiter = _DELIMITER.search(line, end + len(quote))
    if delimiter is None:
        raise _FaultError("neither a comment, a [section] nor a key with = behind it")
    key = (line[len(quote) : end] if quote else line[: delimiter.start()]).strip(_SPACE)
    if not key:
        raise _FaultError("there is no key before the =")
    return key, line[delimiter.end() :]


def _read_value(text: str, lines: _Lines) -> tuple[str, bool]:
    """The value, and whether it was cut within its quotes."""
    text = text.lstrip(_SPACE)
    quote = _TRIPLE if text.startswith(_TRIPLE) and len(text) > len(_TRIPLE) else "`" if text.startswith("`") else ""
    if quote:
        end = text.rfind(quote, len(quote))
        return (text[len(quote) : end] if end >= 0 else _read_quoted_lines(text[len(quote) :], quote, lines)), False
    text = text.rstrip(_SPACE)
    if text.endswith("\\"):
        return _join_lines(text[:-1], lines), False
    comment = _COMMENT.search(text)
    value = text[: comment.start()].rstrip(_SPACE) if comment else text
    for quote in ("'", '"'):
        if len(value) >= 2 and value[0] == quote and value.find(quote, 1) == len(value) - 1:
            return value[1:-1], False
    return value, comment is not None and value[:1] in {"'", '"'} and value.count(value[0]) == 1


def _read_quoted_lines(value: str, quote: str, lines: _Lines) -> str:
    while (line := lines.take()) is not None:
        end = line.rfind(quote)
        if end >= 0:
            return value + line[:end]
        value += line
    raise _FaultError(f"the value's quote {quote} is not closed")


def _join_lines(value: str, lines: _Lines) -> str:
    while line := (lines.take() or "").strip(_SPACE):
        if not line.endswith("\\"):
            return value + line
        value += line[:-1]
    return value
