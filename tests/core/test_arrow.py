"""Arrow files of plugins → frame JSON: as Grafana's SDK writes it, as a naive twin reads it, whatever the bytes are."""

import json
import math
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast._core import arrow_to_frame

GOLDEN = Path(__file__).parent.parent / "data" / "arrow"
"""Made by Grafana's SDK, each frame in both of its formats (end_to_end/go_plugin/queries.go)."""
NAMES = sorted(path.stem for path in GOLDEN.glob("*.arrow"))
LIMIT = 1_000_000


def frame_of(file: bytes, *, ref_id: str = "A", max_bytes: int = LIMIT) -> Any:
    told = arrow_to_frame(file, ref_id=ref_id, max_bytes=max_bytes)
    assert len(told) <= max_bytes
    assert all(byte >= 0x20 for byte in told)
    return read(told)


def read(text: bytes) -> Any:
    return json.loads(text, parse_int=lambda digits: -0.0 if digits == "-0" else int(digits))


def spelled(frame: Any) -> str:
    """For a comparison that tells -0.0 from 0, and 1 from true."""
    return json.dumps(frame, sort_keys=True)


def file_of(table: pa.Table, *, rows_per_batch: int | None = None, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, rows_per_batch)
    return bytes(sink.getvalue())


def one_column(values: Any, kind: pa.DataType, **metadata: str) -> bytes:
    return file_of(pa.table([pa.array(values, kind)], pa.schema([pa.field("c", kind, metadata=metadata)])))


def test_the_selection_is_there() -> None:
    assert NAMES == ["labels", "nothing", "nullables", "numbers", "texts"]


@pytest.mark.parametrize("name", NAMES)
def test_frames_are_written_as_grafanas_sdk_writes_them(name: str) -> None:
    told = frame_of((GOLDEN / f"{name}.arrow").read_bytes())
    assert spelled(told) == spelled(read((GOLDEN / f"{name}.json").read_bytes()))


def test_a_frame_gets_the_query_that_it_answers_unless_it_names_one() -> None:
    file = one_column([1], pa.int8())
    assert frame_of(file, ref_id="B")["schema"]["refId"] == "B"
    assert "refId" not in frame_of(file, ref_id="")["schema"]
    named = file_of(pa.table({"c": [1]}).replace_schema_metadata({"refId": "C"}))
    assert frame_of(named, ref_id="B")["schema"]["refId"] == "C"


INTEGERS = {f"{sign}int{bits}": (sign, bits) for sign in ("", "u") for bits in (8, 16, 32, 64)}


def integers(kind: str) -> st.SearchStrategy[int]:
    sign, bits = INTEGERS[kind]
    return st.integers(0, 2**bits - 1) if sign else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    **{kind: (pa.type_for_alias(kind), integers(kind)) for kind in INTEGERS},
    "float32": (pa.float32(), st.floats(width=32)),
    "float64": (pa.float64(), st.floats()),
    "string": (pa.string(), st.text()),
    "bool": (pa.bool_(), st.booleans()),
    "time.Time": (pa.timestamp("ns"), st.integers(-(2**63) + 1, 2**63 - 1)),
    "json.RawMessage": (pa.binary(), st.recursive(st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)),
}
TYPES = {"string": "string", "bool": "boolean", "time.Time": "time", "json.RawMessage": "other"}


@st.composite
def tables(draw: Callable[..., Any]) -> tuple[list[tuple[str, str, list[Any]]], int]:
    """Columns (name, kind, values), and how many rows a batch has."""
    rows = draw(st.integers(0, 20))
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=5))
    columns = [
        (draw(st.text(max_size=5)), kind, draw(st.lists(st.none() | KINDS[kind][1], min_size=rows, max_size=rows)))
        for kind in kinds
    ]
    return columns, draw(st.integers(1, 21))


def naive(kind: str, values: list[Any]) -> tuple[list[Any], Any, Any]:
    """A column's values, entities and nanos."""
    if kind.startswith("float"):
        where: dict[str, Callable[[float], bool]] = {
            "NaN": math.isnan,
            "Inf": math.inf.__eq__,
            "NegInf": (-math.inf).__eq__,
        }
        rows = {
            key: [row for row, value in enumerate(values) if value is not None and test(value)]
            for key, test in where.items()
        }
        finite = [None if value is None or not math.isfinite(value) else value for value in values]
        return finite, {key: found for key, found in rows.items() if found} or None, None
    if kind == "time.Time":
        nanos = [0 if value is None else value % 1_000_000 for value in values]
        return [None if value is None else value // 1_000_000 for value in values], None, nanos if any(nanos) else None
    if kind == "json.RawMessage":
        return [None if value is None else json.loads(value) for value in values], None, None
    return values, None, None


def as_float(value: Any, kind: str) -> Any:
    """The number that a reader has who knows the kind."""
    code = "f" if kind == "float32" else "d"
    return None if value is None else struct.unpack(code, struct.pack(code, value))[0]


@given(tables())
def test_what_pyarrow_writes_is_read_as_a_naive_twin_reads_it(
    drawn: tuple[list[tuple[str, str, list[Any]]], int],
) -> None:
    columns, rows_per_batch = drawn
    schema = pa.schema([pa.field(name, KINDS[kind][0]) for name, kind, _ in columns])
    arrays = [pa.array(values, KINDS[kind][0]) for _, kind, values in columns]
    frame = frame_of(file_of(pa.table(arrays, schema), rows_per_batch=rows_per_batch))
    twins = [naive(kind, values) for _, kind, values in columns]
    told = frame["data"]
    for at, (_, kind, _) in enumerate(columns):
        if kind.startswith("float"):
            told["values"][at] = [as_float(value, kind) for value in told["values"][at]]
    assert spelled(told["values"]) == spelled([values for values, _, _ in twins])
    assert told.get("entities", [None] * len(columns)) == [entities for _, entities, _ in twins]
    assert told.get("nanos", [None] * len(columns)) == [nanos for _, _, nanos in twins]
    fields = frame["schema"]["fields"]
    assert [field.get("name", "") for field in fields] == [name for name, _, _ in columns]
    assert [field["typeInfo"] for field in fields] == [{"frame": kind, "nullable": True} for _, kind, _ in columns]
    assert [field["type"] for field in fields] == [TYPES.get(kind, "number") for _, kind, _ in columns]


@given(st.data())
def test_damaged_files_are_refused_or_are_frames(data: st.DataObject) -> None:
    file = bytearray((GOLDEN / f"{data.draw(st.sampled_from(NAMES))}.arrow").read_bytes())
    places = st.integers(0, len(file) - 1)
    for _ in range(data.draw(st.integers(1, 8))):
        file[data.draw(places)] = data.draw(st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    if data.draw(st.booleans()):
        start, length = data.draw(places), data.draw(st.integers(0, 100))
        del file[start : start + length]
    try:
        frame = frame_of(bytes(file), max_bytes=100_000)
    except ValueError as error:
        assert str(error)
    else:
        assert len(frame["schema"]["fields"]) == len(frame["data"]["values"])


@given(st.binary(max_size=200))
def test_bytes_that_are_no_arrow_are_refused(noise: bytes) -> None:
    for file in (noise, b"ARROW1\0\0" + noise, b"ARROW1\0\0" + noise + struct.pack("<i", len(noise)) + b"ARROW1"):
        with pytest.raises(ValueError, match=r"Arrow file"):
            frame_of(file)


@pytest.mark.parametrize("name", NAMES)
def test_files_that_end_early_are_refused(name: str) -> None:
    file = (GOLDEN / f"{name}.arrow").read_bytes()
    for length in range(len(file)):
        with pytest.raises(ValueError, match="is no Arrow file"):
            frame_of(file[:length])


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (one_column([[1]], pa.list_(pa.int8())), 'column "c" is of the Arrow type List'),
        (one_column([{"a": 1}], pa.struct([("a", pa.int8())])), "of the Arrow type Struct"),
        (one_column(["x"], pa.large_string()), "of the Arrow type LargeUtf8"),
        (one_column([1], pa.decimal128(5)), "of the Arrow type Decimal"),
        (one_column([None], pa.null()), "of the Arrow type Null"),
        (one_column([1.0], pa.float16()), "of the Arrow type FloatingPoint"),
        (one_column(["x"], pa.dictionary(pa.int8(), pa.string())), "a column with a dictionary"),
        (file_of(pa.table({"c": list(range(1_000))}), compression="zstd"), "compressed columns"),
        (one_column([b"{"], pa.binary()), 'column "c": a value is no JSON'),
        (one_column([2**62], pa.timestamp("s")), 'column "c": a time does not fit'),
        (one_column([1], pa.int8(), labels="{"), 'metadata "labels" is not the JSON'),
        (one_column([1], pa.int8(), labels='{"a": 1}'), 'metadata "labels" is not the JSON'),
        (one_column([1], pa.int8(), config="[]"), 'metadata "config" is not the JSON'),
        (file_of(pa.table({"c": [1]}).replace_schema_metadata({"meta": "1"})), 'metadata "meta" is not the JSON'),
        (one_column([1], pa.int8(), **{f"k{number}": "" for number in range(65)}), "more metadata than are read"),
        (file_of(pa.table({str(n): pa.array([], pa.int8()) for n in range(65_537)})), "more fields than are read"),
        (file_of(pa.table({"c": list(range(65_537))}), rows_per_batch=1), "more record batches than are read"),
    ],
)
def test_what_frames_do_not_have_is_refused_by_its_name(file: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        frame_of(file, max_bytes=10_000_000)


@pytest.mark.parametrize("name", NAMES)
def test_no_frame_passes_the_limit(name: str) -> None:
    file = (GOLDEN / f"{name}.arrow").read_bytes()
    needed = len(arrow_to_frame(file, ref_id="A", max_bytes=LIMIT))
    for max_bytes in range(needed):
        with pytest.raises(ValueError, match=r"larger than|more bytes"):
            arrow_to_frame(file, ref_id="A", max_bytes=max_bytes)
    assert len(arrow_to_frame(file, ref_id="A", max_bytes=needed + 5_000)) == needed


def test_one_text_that_many_columns_share_is_counted_each_time() -> None:
    blank = json.dumps({}).rjust(10_000)
    fields = [pa.field(str(number), pa.int8(), metadata={"labels": blank}) for number in range(200)]
    file = file_of(pa.table([pa.array([], pa.int8())] * len(fields), pa.schema(fields)))
    with pytest.raises(ValueError, match="larger than 1000000 bytes"):
        frame_of(file)


def test_other_units_of_time_keep_their_instants() -> None:
    for unit, factor in {"s": 1_000, "ms": 1}.items():
        assert frame_of(one_column([-3, 5], pa.timestamp(unit)))["data"] == {"values": [[-3 * factor, 5 * factor]]}
    told = frame_of(one_column([-3, 5_000], pa.timestamp("us")))["data"]
    assert told == {"values": [[-1, 5]], "nanos": [[997_000, 0]]}


def test_text_that_is_no_utf8_is_mended() -> None:
    file = one_column(["caf_"], pa.string()).replace(b"caf_", b"caf\xe9")
    assert frame_of(file)["data"]["values"] == [["caf\N{REPLACEMENT CHARACTER}"]]


def test_metadata_may_have_line_breaks_and_nothing_in_it() -> None:
    file = one_column([1], pa.int8(), labels="{}", config='{\n "unit": "a\\nb"\r\n}')
    [field] = frame_of(file)["schema"]["fields"]
    assert (field["labels"], field["config"]) == ({}, {"unit": "a\nb"})
    for meta, told in [("null", {"typeVersion": [0, 0]}), (' {"type" :"x"} ', {"typeVersion": [0, 0], "type": "x"})]:
        frame = frame_of(file_of(pa.table({"c": [1]}).replace_schema_metadata({"meta": meta})))
        assert frame["schema"]["meta"] == told


def root_of(file: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", file, at)[0])


def slot_of(file: bytes, table: int, slot: int) -> int:
    """Where what the field of a FlatBuffer's table leads to begins."""
    vtable = table - struct.unpack_from("<i", file, table)[0]
    return root_of(file, table + struct.unpack_from("<H", file, vtable + 4 + 2 * slot)[0])


def footer_of(file: bytes) -> int:
    return root_of(file, len(file) - 10 - int(struct.unpack_from("<i", file, len(file) - 10)[0]))


def with_one_field_for_all(file: bytes) -> bytes:
    """Every column leads to what is said of the last one in the file."""
    told = bytearray(file)
    fields = slot_of(file, slot_of(file, footer_of(file), 1), 1)
    entries = [fields + 4 + 4 * number for number in range(struct.unpack_from("<I", file, fields)[0])]
    last = max(root_of(file, entry) for entry in entries)
    for entry in entries:
        struct.pack_into("<I", told, entry, last - entry)
    return bytes(told)


def with_one_batch_for_all(file: bytes) -> bytes:
    """Every batch leads to the first one."""
    told = bytearray(file)
    blocks = slot_of(file, footer_of(file), 3)
    for number in range(1, struct.unpack_from("<I", file, blocks)[0]):
        start = blocks + 4 + 24 * number
        told[start : start + 24] = file[blocks + 4 : blocks + 28]
    return bytes(told)


@pytest.mark.parametrize("key", [None, "labels", "unknown"])
def test_columns_that_share_what_is_said_of_them_are_refused(key: str | None) -> None:
    """However few their bytes are, there would be no end of reading them."""
    long = "x" * 10_000 if key is None else "x"
    metadata = {} if key is None else {key: json.dumps({}).rjust(10_000)}
    fields = [pa.field(f"{number}", pa.int8()) for number in range(99)]
    for place in (0, len(fields)):  # which of them is the last in the file is the writer's business
        fields.insert(place, pa.field(long, pa.int8(), metadata=metadata))
    file = file_of(pa.table([pa.array([], pa.int8())] * len(fields), pa.schema(fields)))
    frame_of(file)
    with pytest.raises(ValueError, match="its parts lie in one another"):
        frame_of(with_one_field_for_all(file), max_bytes=10_000_000)


def test_batches_that_share_their_values_are_refused() -> None:
    rows = pa.table({"c": pa.array(list(range(1_000)), pa.int64())})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        for length in [1_000, *[1] * 100]:
            writer.write_batch(rows.slice(0, length).to_batches()[0])
    file = bytes(sink.getvalue())
    assert len(frame_of(file)["data"]["values"][0]) == 1_100
    with pytest.raises(ValueError, match="its parts lie in one another"):
        frame_of(with_one_batch_for_all(file), max_bytes=10_000_000)
