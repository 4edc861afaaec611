"""`StreamParser` against a model of it that is slow and plain, on points that Hypothesis makes."""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from framecast._core import StreamParser

Scalar = bool | int | float | str


@dataclass(frozen=True)
class Point:
    measurement: str
    tags: dict[str, str]
    fields: dict[str, Scalar]
    time_ns: int | None


@dataclass
class Model:
    """Measurement to columns, and columns to the Python type that settled them."""

    columns: dict[str, dict[str, type]] = field(default_factory=dict)
    newest_ns: dict[str, int] = field(default_factory=dict)
    mismatched: int = 0
    late: int = 0

    def push(self, points: list[Point], received_ns: int) -> dict[str, list[list[Any]]]:
        pushed: dict[str, list[Point]] = {}
        for point in points:
            pushed.setdefault(point.measurement, []).append(point)
            columns = self.columns.setdefault(point.measurement, {})
            for key in sorted(point.fields):
                columns.setdefault(key, family(point.fields[key]))
        return {name: self.frame(name, rows, received_ns) for name, rows in pushed.items()}

    def frame(self, name: str, points: list[Point], received_ns: int) -> list[list[Any]]:
        rows: dict[tuple[int, str], dict[str, Scalar]] = {}
        for point in points:
            time_ns = received_ns if point.time_ns is None else point.time_ns
            rows.setdefault((time_ns, label_cell(point.tags)), {}).update(point.fields)
        order = sorted(rows, key=lambda row: row[0])
        newest_ns = self.newest_ns.get(name, order[0][0])
        self.late += sum(time_ns < newest_ns for time_ns, _ in order)
        self.newest_ns[name] = max(newest_ns, order[-1][0])
        frame: list[list[Any]] = [
            [labels for _, labels in order],
            [time_ns // 1_000_000 for time_ns, _ in order],
        ]
        for key, kind in self.columns[name].items():
            frame.append([self.cell(rows[row].get(key), kind) for row in order])
        return frame

    def cell(self, value: Scalar | None, kind: type) -> Scalar | None:
        cell, fitted = fit(value, kind)
        self.mismatched += not fitted
        return cell


@dataclass
class LabelledModel:
    """The same for frames whose columns have labels: measurement to columns, in order of first appearance.

    A column of integers is one of floats from the first other number on.
    """

    columns: dict[str, dict[tuple[str, str], type]] = field(default_factory=dict)
    mismatched: int = 0

    def push(self, points: list[Point], received_ns: int) -> dict[str, list[list[Any]]]:
        pushed: dict[str, dict[int, dict[tuple[str, str], Scalar]]] = {}
        for point in points:
            columns = self.columns.setdefault(point.measurement, {})
            time_ns = received_ns if point.time_ns is None else point.time_ns
            row = pushed.setdefault(point.measurement, {}).setdefault(time_ns, {})
            labels = json.dumps(point.tags, sort_keys=True)
            for key in sorted(point.fields):
                value = point.fields[key]
                kind = columns.setdefault((key, labels), int if is_int64(value) else family(value))
                if kind is int and family(value) is float and not is_int64(value):
                    columns[key, labels] = float
                row[key, labels] = value
        return {name: self.frame(name, rows) for name, rows in pushed.items()}

    def frame(self, name: str, rows: dict[int, dict[tuple[str, str], Scalar]]) -> list[list[Any]]:
        times = sorted(rows)
        frame: list[list[Any]] = [[time_ns // 1_000_000 for time_ns in times]]
        for column, kind in self.columns[name].items():
            cells = [fit(rows[time_ns].get(column), kind) for time_ns in times]
            self.mismatched += sum(not fitted for _, fitted in cells)
            frame.append([cell for cell, _ in cells])
        return frame


def fit(value: Scalar | None, kind: type) -> tuple[Scalar | None, bool]:
    if value is None or family(value) is (float if kind is int else kind):
        return value, True
    return (spell(value).rstrip("iu") if kind is str else None), False


def label_cell(tags: dict[str, str]) -> str:
    """The text of a labels cell: quoted where the plain text would be misread."""
    plain = ", ".join(f"{key}={value}" for key, value in sorted(tags.items()))
    if not plain.startswith("{") and not any(set(",=") & set(key + value) for key, value in tags.items()):
        return plain
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for _, value in sorted(tags.items()))
    return "{" + ", ".join(f'{key}="{value}"' for key, value in zip(sorted(tags), quoted, strict=True)) + "}"


def family(value: Scalar) -> type:
    return str if isinstance(value, str) else bool if isinstance(value, bool) else float


def is_int64(value: Scalar) -> bool:
    return type(value) is int and value < 2**63


def spell(value: Scalar) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case int():
            return f"{value}i" if value < 2**63 else f"{value}u"
        case _:
            return repr(value)


def escape(name: str) -> str:
    for separator in (",", " ", "="):
        name = name.replace(separator, "\\" + separator)
    return name


def line(point: Point) -> str:
    measurement = point.measurement.replace(",", "\\,").replace(" ", "\\ ")
    tags = "".join(f",{escape(key)}={escape(value)}" for key, value in point.tags.items())
    fields = ",".join(f"{escape(key)}={spell(value)}" for key, value in point.fields.items())
    return f"{measurement}{tags} {fields}" + ("" if point.time_ns is None else f" {point.time_ns}")


names = st.sampled_from(["a", "b", "c", "a b", "a,b", "é", 'q"', "{a", "time"])
scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(2**63, 2**64 - 1),
    # Python and Rust spell the shortest float alike only where no exponent is needed; text columns show it.
    st.integers(-(10**6), 10**6).map(lambda number: number / 64),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
points = st.builds(
    Point,
    measurement=st.sampled_from(["m", "n n", "o,=o"]),
    tags=st.dictionaries(names, names, max_size=3),
    fields=st.dictionaries(names, scalars, min_size=1, max_size=4),
    time_ns=st.none() | st.integers(0, 1) | st.integers(-(10**7), 10**7) | st.integers(-(2**63), 2**63 - 1),
)


@settings(max_examples=200, deadline=None)
@given(
    pushes=st.lists(st.lists(points, max_size=8), max_size=4),
    max_packet_bytes=st.sampled_from([1_300, 2_000, 1 << 20]),
    received_ns=st.integers(0, 2**62),
)
def test_parser_makes_the_frames_of_the_model(
    pushes: list[list[Point]], max_packet_bytes: int, received_ns: int
) -> None:
    parser = make_parser("labels_column", max_packet_bytes)
    model = Model()
    known: dict[str, list[str]] = {}
    for batch in pushes:
        result = parser.push("\n".join(map(line, batch)).encode(), received_ns, "ns")
        assert [rejection.message for rejection in result.rejections] == []
        before = model.mismatched, model.late
        want = model.push(batch, received_ns)
        assert (result.mismatched, result.late) == (model.mismatched - before[0], model.late - before[1])
        assert list(dict.fromkeys(packet.measurement for packet in result.packets)) == list(want)
        got: dict[str, list[list[Any]]] = {}
        for packet in result.packets:
            frame = json.loads(packet.payload)
            if "schema" in frame:
                assert packet.measurement not in got, "the schema comes first"
                columns = [column["name"] for column in frame["schema"]["fields"]]
                assert len(columns) > len(known.get(packet.measurement, []))
                known[packet.measurement] = columns
            pieces = got.setdefault(packet.measurement, [[] for _ in known[packet.measurement]])
            for column, piece in zip(pieces, frame["data"]["values"], strict=True):
                column.extend(piece)
        assert got == want
        for name, sticky in model.columns.items():
            assert known[name] == ["labels", "time", *sticky]
    assert parser.measurements() == list(model.columns)


def make_parser(frame_format: str, max_packet_bytes: int) -> StreamParser:
    return StreamParser(
        max_measurements=10,
        max_columns=200,
        max_path_bytes=150,
        max_packet_bytes=max_packet_bytes,
        max_push_output_bytes=1 << 24,
        max_rejections=1,
        format=frame_format,
    )


@settings(max_examples=200, deadline=None)
@given(
    pushes=st.lists(st.lists(points, max_size=8), max_size=4),
    max_packet_bytes=st.sampled_from([40_000, 1 << 20]),
    received_ns=st.integers(0, 2**62),
    frame_format=st.sampled_from(["wide", "series"]),
)
def test_parser_makes_the_labelled_frames_of_the_model(
    pushes: list[list[Point]], max_packet_bytes: int, received_ns: int, frame_format: str
) -> None:
    parser = make_parser(frame_format, max_packet_bytes)
    model = LabelledModel()
    known: dict[str, list[dict[str, Any]]] = {}
    for batch in pushes:
        result = parser.push("\n".join(map(line, batch)).encode(), received_ns, "ns")
        assert result.accepted == len(batch)
        before = model.mismatched
        types = {name: list(columns.values()) for name, columns in model.columns.items()}
        want = model.push(batch, received_ns)
        assert result.mismatched == model.mismatched - before
        changed = {name for name, columns in model.columns.items() if list(columns.values()) != types.get(name)}
        assert {packet.measurement for packet in result.packets if packet.schema} == changed
        got: dict[str, list[list[Any]]] = {}
        for packet in result.packets:
            frame = json.loads(packet.payload)
            if "schema" in frame:
                assert packet.measurement not in got, "the schema comes first"
                fields = frame["schema"]["fields"]
                sticky = known.get(packet.measurement, [])
                assert [identity(field) for field in fields[: len(sticky)]] == [identity(field) for field in sticky]
                known[packet.measurement] = fields
            pieces = got.setdefault(packet.measurement, [[] for _ in known[packet.measurement]])
            for column, piece in zip(pieces, frame["data"]["values"], strict=True):
                column.extend(piece)
        assert got == want
        for name, columns in model.columns.items():
            time, *fields = known[name]
            assert time == {"name": "time", "type": "time", "typeInfo": {"frame": "time.Time"}}
            labels = [json.dumps(field["labels"], sort_keys=True) for field in fields]
            keys = [field["name"] for field in fields]
            assert [field["typeInfo"]["frame"] for field in fields] == [FRAME_TYPES[kind] for kind in columns.values()]
            assert [list(field["labels"]) for field in fields] == [sorted(field["labels"]) for field in fields]
            if frame_format == "wide":
                assert list(zip(keys, labels, strict=True)) == list(columns)
            else:
                assert len({"time", *keys}) == len(fields) + 1, "two columns have one name"
                assert [(series_name(key, text)) for key, text in columns] == keys


FRAME_TYPES = {int: "int64", float: "float64", bool: "bool", str: "string"}


def identity(column: dict[str, Any]) -> tuple[Any, ...]:
    """What of a column never changes."""
    return column["name"], column["type"], column.get("labels"), column.get("config")


def series_name(key: str, labels: str) -> str:
    """A column's name in series frames, from what it stands for."""

    def escape(text: str) -> str:
        return "".join("\\" + char if char in ",={}\\" else char for char in text)

    tags = ", ".join(f"{escape(key)}={escape(value)}" for key, value in sorted(json.loads(labels).items()))
    return escape(key) + ("{" + tags + "}" if tags or key == "time" else "")
