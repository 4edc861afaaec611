"""On which line of a TOML text a key stands: tomllib does not tell. For texts that it has read."""

import tomllib
from collections.abc import Iterator
from typing import Any

MAX_STATEMENT_LINES = 500
"""A statement is read anew with each line that it goes on; behind a longer one no line is told."""


def find_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line of every table and key, by path: ``("live", "max_connections")``.

    A statement (a table's head, or a key with its value) ends on the first line with which it is a whole TOML text.
    """
    found: dict[tuple[str, ...], int] = {}
    lines = text.replace("\r\n", "\n").split("\n")  # and at nothing else that Python takes for the end of a line
    table: tuple[str, ...] = ()
    at = 0
    while at < len(lines):
        statement, end = _read_statement(lines, at)
        if statement is None:
            break
        is_head = lines[at].lstrip(" \t").startswith("[")
        paths = list(_paths(statement))
        for path in paths:
            found.setdefault(path if is_head else table + path, at + 1)
        if is_head and paths:
            table = paths[-1]
        at = end
    return found


def _read_statement(lines: list[str], at: int) -> tuple[dict[str, Any] | None, int]:
    for end in range(at + 1, min(len(lines), at + MAX_STATEMENT_LINES) + 1):
        try:
            return tomllib.loads("\n".join(lines[at:end])), end
        except tomllib.TOMLDecodeError:
            continue
    return None, at


def _paths(table: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The path of everything in `table`, the shorter ones first."""
    for key, value in table.items():
        yield (key,)
        below = value[0] if isinstance(value, list) and value else value  # the list: [[…]]
        if isinstance(below, dict):
            yield from ((key, *rest) for rest in _paths(below))
