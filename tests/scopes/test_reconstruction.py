"""What a client puts together from everything it was sent, against a naive model of what was pushed.

Random lines in every format, while clients come, go, are cut off and return: each of them must hold exactly the rows of
the publications it was given, every value under its own field and labels, whatever grew meanwhile.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.channels.beginning import Beginning
from framecast.channels.broker import Position
from framecast.settings import FrameFormat, History
from live_world import Received, World, live_world, stream_address

M = stream_address("m")
FORMATS: list[FrameFormat] = ["labels_column", "wide", "series"]

Column = tuple[str, str]
"""A field and its labels as JSON; the labels are empty where they are a column."""
Line = tuple[str, tuple[tuple[str, str], ...], int]
"""Tags, fields and time in milliseconds, as written."""
Row = frozenset[tuple[Column, Any]]

TAGS = {"": {}, ",h=a": {"h": "a"}, ",h=b": {"h": "b"}, ",r=1,h=a": {"h": "a", "r": "1"}, ",h=a\\,b": {"h": "a,b"}}
LABELS_CELLS = {"": "", ",h=a": "h=a", ",h=b": "h=b", ",r=1,h=a": "h=a, r=1", ",h=a\\,b": '{h="a,b"}'}
VALUES = {"1i": 1, "2.5": 2.5, "t": True, '"x"': "x", '"{\\"a"': '{"a'}
AS_TEXT = {"1i": "1", "2.5": "2.5", "t": "true"}


class Model:
    """What a stream of one measurement makes of pushed lines, without a thought for speed."""

    def __init__(self, frame_format: FrameFormat) -> None:
        self.frame_format = frame_format
        self.families: dict[Column, type] = {}
        self.publications: list[list[Row]] = []

    def push(self, lines: list[Line]) -> None:
        """One body, one publication."""
        rows: dict[tuple[str, int], dict[Column, Any]] = {}
        for tags, fields, time in lines:
            labels = json.dumps(TAGS[tags]) if self.frame_format != "labels_column" else ""
            key = (tags if not labels else "", time)
            row = rows.setdefault(key, {("time", ""): time})
            if not labels:
                row["labels", ""] = LABELS_CELLS[tags]
            # New columns of one line are sorted, but nobody sees that here.
            for name, text in dict(fields).items():
                row[name, labels] = self._fit((name, labels), text)
        self.publications.append([frozenset(self._present(row)) for row in rows.values()])

    def _fit(self, column: Column, text: str) -> Any:
        value = VALUES[text]
        family = float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)
        settled = self.families.setdefault(column, family)
        if settled is family:
            return value
        return AS_TEXT.get(text) if settled is str else None

    @staticmethod
    def _present(row: Mapping[Column, Any]) -> list[tuple[Column, Any]]:
        return [(column, (type(value).__name__, value)) for column, value in row.items() if value is not None]


@dataclass
class Client:
    """Puts frames together as a panel does: the schema it was sent last, rows appended."""

    world: World
    frame_format: FrameFormat
    fields: list[dict[str, Any]] = field(default_factory=list)
    rows: Counter[Row] = field(default_factory=Counter)
    given: Counter[int] = field(default_factory=Counter)
    """The publications whose rows it must hold."""
    position: Position | None = None
    subscribed: bool = False
    spelling: int = 0

    def __post_init__(self) -> None:
        self.connection = self.world.subscriber()

    async def subscribe(self) -> None:
        if self.subscribed:
            return
        history = self.world.hub.history(M)
        kept = [] if history is None else [kept.offset for kept in history.after(0)]
        beginning = await self.world.begin(M, self.position)
        self.world.hub.subscribe(self.connection.connection, M, "m")
        self.subscribed = True
        self._begin(beginning, kept)

    def _begin(self, beginning: Beginning, kept: list[int]) -> None:
        behind = 0 if self.position is None else self.position.offset
        self.position = beginning.position
        if beginning.data is not None:
            self._take(beginning.data, sorted_by_time=True)
        for missed in beginning.missed:
            self._take(missed.data)
        self.given.update(offset for offset in kept if offset > behind)

    def read(self) -> None:
        """Take what was delivered."""
        for item in self.connection.received():
            self._deliver(item)

    def _deliver(self, item: Received) -> None:
        assert self.position is not None
        assert item.offset == self.position.offset + 1
        self.position = Position(self.position.epoch, item.offset)
        self.given[item.offset] += 1
        self._take(item.data)

    def lose(self) -> None:
        """The connection is cut, with what was on its way."""
        self.connection.received()
        self.world.hub.leave(self.connection.connection)
        self.subscribed = False

    def _take(self, data: bytes, *, sorted_by_time: bool = True) -> None:
        frame = json.loads(data)
        if "schema" in frame:
            self._grow(frame["schema"]["fields"])
        values = frame.get("data", {"values": []})["values"]
        assert "data" not in frame or len(values) == len(self.fields)
        columns = [self._identify(number) for number in range(len(values))]
        times = values[columns.index(("time", ""))] if values else []
        assert times == sorted(times)
        for cells in zip(*values, strict=True):
            pairs = zip(columns, cells, strict=True)
            self.rows[
                frozenset((column, (type(cell).__name__, cell)) for column, cell in pairs if cell is not None)
            ] += 1

    def _grow(self, fields: list[dict[str, Any]]) -> None:
        """A schema may only add columns; a number column may turn from int64 to float64."""
        for before, after in zip(self.fields, fields, strict=False):
            assert {**before, "typeInfo": None} == {**after, "typeInfo": None}
        assert len(fields) >= len(self.fields)
        names = [described["name"] for described in fields]
        assert self.frame_format == "wide" or len(set(names)) == len(names)
        self.fields = fields

    def _identify(self, number: int) -> Column:
        described = self.fields[number]
        if "labels" not in described:
            return (described["name"], "")
        return (described["name"].split("{")[0], json.dumps(described["labels"]))

    def check(self, model: Model) -> None:
        """Exactly the rows of the publications it was given, each publication once."""
        assert set(self.given.values()) <= {1}
        expected = Counter(row for offset in self.given for row in model.publications[offset - 1])
        assert self.rows == expected


tags = st.sampled_from(sorted(TAGS))
fields = st.lists(st.tuples(st.sampled_from("fgi"), st.sampled_from(sorted(VALUES))), min_size=1, max_size=3)
lines = st.lists(st.tuples(tags, fields.map(tuple), st.integers(1, 5)), min_size=1, max_size=5)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("push"), lines),
        st.tuples(st.just("push"), lines),
        st.tuples(st.sampled_from(["subscribe", "read", "lose", "reload"]), st.integers(0, 1)),
    ),
    max_size=30,
)


def written(body: list[Line]) -> bytes:
    text = "".join(
        f"m{tags} {','.join(f'{key}={value}' for key, value in fields)} {time}\n" for tags, fields, time in body
    )
    return text.encode()


@pytest.mark.parametrize("frame_format", FORMATS)
@given(steps=steps, window=st.sampled_from([1, 4, 1_000]))
async def test_every_client_holds_exactly_what_it_was_given(
    frame_format: FrameFormat, steps: list[tuple[Any, ...]], window: int
) -> None:
    async with live_world(history=History(rows=window)) as world:
        model = Model(frame_format)
        clients = [Client(world, frame_format) for _ in range(2)]
        for step in steps:
            match step:
                case ("push", body):
                    model.push(cast("list[Line]", body))
                    result = await world.streams.push(
                        1, "s", written(body), 0, precision="ms", frame_format=frame_format
                    )
                    assert (result.accepted, result.rejected) == (len(body), 0)
                case ("subscribe", who):
                    await clients[who].subscribe()
                case ("read", who):
                    clients[who].read()
                case ("lose", who):
                    clients[who].lose()
                case ("reload", who):
                    clients[who].lose()
                    clients[who].check(model)
                    clients[who] = Client(world, frame_format)
        for client in clients:
            client.lose()
            await client.subscribe()
            client.check(model)
