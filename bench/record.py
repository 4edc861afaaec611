"""The record of a run of the table: all that is needed to believe it and to run it again.

Two files of one name: the JSON holds every round, the Markdown what they come to. They are written again after each
row, so that a run that breaks off leaves what it had.
"""

from pathlib import Path

import msgspec

from bench.comparison import Comparison, Round, compare
from bench.machine import Machine
from bench.rows.row import Row

FOLDER = Path(__file__).resolve().parent / "record"


class RowRecord(msgspec.Struct, frozen=True):
    """A row, measured."""

    name: str
    title: str
    comparisons: list[Comparison]
    rounds: list[Round]


class Run(msgspec.Struct, kw_only=True):
    """What is kept of a run of any question."""

    command: str
    commit: str
    began: str
    """UTC."""
    ended: str | None = None
    """None while it runs, and when it broke off."""
    machine: Machine
    versions: dict[str, str]


class Record(Run, kw_only=True):
    """A run of the table."""

    rounds: int
    seconds: float
    server_core: int
    load_core: int
    servers: dict[str, str]
    """The commands, by name."""
    rows: list[RowRecord] = []


def record_row(row: Row, rounds: list[Round]) -> RowRecord:
    """What the rounds of a row come to."""
    return RowRecord(row.name, row.title, [compare(figure, rounds) for figure in row.figures], rounds)


def write(record: msgspec.Struct, page: str, place: Path) -> None:
    """Write the record of any question, and its page, beside `place`, which has no suffix; whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"
    for suffix, content in ((".json", text), (".md", page.encode())):
        fresh = place.with_name(f".{place.name}{suffix}")
        fresh.write_bytes(content)
        fresh.replace(place.with_name(f"{place.name}{suffix}"))
