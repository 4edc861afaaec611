"""`merge_packets`: what the stub promises, and a model of it that is slow and plain."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framecast._core import StreamParser, merge_packets
from patience import PATIENCE_SECONDS

SCHEMA = b'{"name":"m","fields":[{"name":"labels","type":"string"},{"name":"time","type":"time"},{"name":"x"}]}'
ROOMY = 1 << 30

# A row as the model has it: milliseconds or None, remainder, cells as the text that stands in the payload.
Row = tuple[int | None, int, list[str]]


def merge(
    payloads: list[bytes],
    *,
    schema: bytes = SCHEMA,
    with_schema: bool = False,
    max_rows: int = ROOMY,
    max_bytes: int = ROOMY,
) -> bytes:
    return merge_packets(schema, payloads, with_schema=with_schema, max_rows=max_rows, max_bytes=max_bytes)


def values(frame: bytes) -> Any:
    return json.loads(frame)["data"]["values"]


def frame(*columns: str, nanos: str = "") -> bytes:
    """One payload; `columns` are JSON lists."""
    return ('{"data":{"values":[' + ",".join(columns) + "]" + nanos + "}}").encode()


ONE = frame('["a"]', "[5]", "[1]")


def test_rows_are_sorted_by_time_and_equal_times_keep_the_order_of_publication() -> None:
    payloads = [frame('["a","b"]', "[5,7]", "[1,2]"), frame('["c","d"]', "[-3,5]", "[3,4]"), ONE]
    assert merge(payloads) == frame('["c","a","d","a","b"]', "[-3,5,5,5,7]", "[3,1,4,1,2]")


def test_the_remainder_counts_in_the_order_and_is_zero_where_a_packet_has_none() -> None:
    payloads = [frame('["a","b"]', "[5,5]", "[1,2]", nanos=',"nanos":[null,[30,200000],null]'), ONE]
    nanos = ',"nanos":[null,[0,30,200000],null]'
    assert merge(payloads) == frame('["a","a","b"]', "[5,5,5]", "[1,1,2]", nanos=nanos)


def test_no_remainders_are_written_when_no_kept_row_has_one() -> None:
    old = frame('["a"]', "[1]", "[1]", nanos=',"nanos":[null,[7],null]')
    assert merge([old, ONE], max_rows=1) == ONE


def test_rows_of_earlier_and_narrower_packets_get_null() -> None:
    payloads = [frame('["a","b"]', "[1,3]"), frame('["c"]', "[2]", "[9]")]
    assert merge(payloads) == frame('["a","c","b"]', "[1,2,3]", "[null,9,null]")


def test_cells_are_copied_as_they_are_written() -> None:
    texts = r'["\u00e9é\"],[{\\","",null,"\\\\"]', "[1,2,3,4]", "[-0.0,1.50e+300,123456789012345678901,true]"
    assert merge([frame(*texts)]) == frame(*texts)


def test_space_around_cells_is_left_out() -> None:
    payload = b' { "data" : { "values" : [ [ "a b" ,\n"c"\t] ,[ 2 , 1 ],\r[ 1, null ] ],\n"nanos":null } } '
    assert merge([payload]) == frame('["c","a b"]', "[1,2]", "[null,1]")


def test_the_newest_rows_are_kept() -> None:
    payloads = [frame('["a","b"]', "[9,1]", "[1,2]"), frame('["c","d"]', "[9,8]", "[3,4]")]
    assert values(merge(payloads, max_rows=2)) == [["a", "c"], [9, 9], [1, 3]]
    assert values(merge(payloads, max_rows=1)) == [["c"], [9], [3]]
    assert values(merge(payloads, max_rows=0)) == [[], [], []]


def test_the_newest_rows_are_found_among_very_many() -> None:
    """More than are remembered at a time."""
    numbers = list(range(5_000))
    payloads = [
        frame(json.dumps([""] * 10), json.dumps([number * 7_919 % 1_000] * 10), json.dumps([number] * 10))
        for number in numbers
    ]
    order = sorted((number * 7_919 % 1_000, number) for number in numbers for _ in range(10))
    _, times, cells = values(merge(payloads, max_rows=1_037))
    assert list(zip(times, cells, strict=True)) == order[-1_037:]
    assert values(merge(payloads, max_rows=0)) == [[], [], []]


def test_the_oldest_rows_go_when_there_is_no_room() -> None:
    payloads = [frame('["a"]', "[1]", "[10]"), frame('["long"]', "[2]", "[2]")]
    both = frame('["a","long"]', "[1,2]", "[10,2]")
    assert merge(payloads, max_bytes=len(both)) == both
    assert merge(payloads, max_bytes=len(both) - 1) == payloads[1]
    assert merge(payloads, max_bytes=len(payloads[1])) == payloads[1]
    assert merge(payloads, max_bytes=len(payloads[1]) - 1) == frame("[]", "[]", "[]")


def test_a_row_that_is_too_large_leaves_no_older_one_either() -> None:
    large = frame('["' + "x" * 500 + '"]', "[6]", "[1]")
    assert merge([ONE, large], max_bytes=300) == frame("[]", "[]", "[]")


def test_remainders_count_as_bytes() -> None:
    row = frame('["a"]', "[5]", "[1]", nanos=',"nanos":[null,[999999],null]')
    assert merge([row], max_bytes=len(row)) == row
    assert merge([row], max_bytes=len(row) - 1) == frame("[]", "[]", "[]")
    # The older row would bring remainders for the newer too.
    newer = frame('["b"]', "[6]", "[2]")
    both = frame('["a","b"]', "[5,6]", "[1,2]", nanos=',"nanos":[null,[999999,0],null]')
    assert merge([row, newer], max_bytes=len(both)) == both
    assert merge([row, newer], max_bytes=len(both) - 1) == newer


def test_the_schema_goes_before_the_data_and_is_not_counted() -> None:
    whole = b'{"schema":' + SCHEMA + b"," + ONE[1:]
    assert merge([ONE], with_schema=True, max_bytes=len(ONE)) == whole
    # A payload may have a schema of its own.
    assert merge([whole]) == ONE


def test_without_rows_the_schema_stands_alone() -> None:
    assert merge([], with_schema=True) == b'{"schema":' + SCHEMA + b"}"
    assert merge([], with_schema=True, max_bytes=0) == b'{"schema":' + SCHEMA + b"}"
    assert merge([]) == frame("[]", "[]", "[]")
    assert merge([frame("[]", "[]", "[]"), b'{"schema":' + SCHEMA + b"}"]) == frame("[]", "[]", "[]")


def test_odd_times_come_first() -> None:
    times = '[-9223372036854775807,null,"7",1e3,1.5,99999999999999999999,true,0]'
    payload = frame(json.dumps(list("abcdefgh")), times, "[1,2,3,4,5,6,7,8]")
    assert values(merge([payload]))[0] == list("bcdefgah")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"null",
        b"{}",
        b'{"data":null}',
        b'{"data":{}}',
        b'{"data":{"values":7}}',
        b'{"data":{"values":[]}}',
        ONE + b"x",
        ONE[:-1],
        frame('["a"]', "[5]", "[1]", "[1]"),
        frame('["a"]'),
        frame('["a"]', "[5,6]", "[1]"),
        frame('["a"]', "[5]", "[]"),
        frame('["a"]', "[5]", "[1,2]"),
        frame('["a"]', "[5]", "null"),
        frame('["a"]', "5", "[1]"),
        frame('["a"]', "[5]", "[01]"),
        frame('["a"]', "[5]", "[NaN]"),
        frame('["a"]', "[5]", "[1,]"),
        frame('["a"]', "[5]", "[[1]]"),
        frame('["a"]', "[5]", '[{"b":1}]'),
        frame('["a\n"]', "[5]", "[1]"),
        frame('["\\x"]', "[5]", "[1]"),
        frame('["a"]', "[5]", "[1]", nanos=',"entities":[null,null,{"NaN":[0]}]'),
        frame('["a"]', "[5]", "[1]", nanos=',"factors":[null,null,1000]'),
        frame('["a"]', "[5]", "[1]", nanos=',"nanos":[null,[1]]'),
        frame('["a"]', "[5]", "[1]", nanos=',"nanos":[null,[1],null,null]'),
        frame('["a"]', "[5]", "[1]", nanos=',"nanos":[null,[],null]'),
        frame('["a"]', "[5]", "[1]", nanos=',"nanos":[null,[1,2],null]'),
        frame('["a"]', "[5]", "[1]", nanos=',"nanos":[null,[1000000],null]'),
        frame('["a"]', "[5]", "[1]", nanos=',"nanos":[null,[-1],null]'),
        frame('["a"]', "[5]", "[1]", nanos=',"nanos":[null,7,null]'),
        frame('["a"]', "[5]", "[1]", nanos=',"nanos":[null,[1],[1]]'),
        frame('["a"]', "[5]", "[1]", nanos=',"values":[]'),
        b'{"data":{"values":' + b"[" * 100_000,
    ],
)
def test_a_payload_that_is_no_frame_is_passed_over_as_a_whole(payload: bytes) -> None:
    before, behind = frame('["b"]', "[4]", "[2]"), frame('["c"]', "[6]", "[3]")
    assert merge([before, payload, behind]) == frame('["b","c"]', "[4,6]", "[2,3]")


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (b"", "does not begin with {"),
        (b"[]", "does not begin with {"),
        (b"{}", "fields"),
        (b'{"fields":[{"type":"number"}]}', 'no field of type "time"'),
        (SCHEMA + b"}", "trailing"),
        (SCHEMA.replace(b",", b",\n", 1), "control character at byte 12"),
        (b'{"name":"\xff","fields":[{"type":"time"}]}', "utf-8"),
    ],
)
def test_a_schema_that_is_none_is_refused(schema: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        merge([ONE], schema=schema)


def test_payloads_are_bytes() -> None:
    for wrong in ["text", [ONE.decode()], None, 7]:
        with pytest.raises(TypeError):
            merge(wrong)  # type: ignore[arg-type]  # the point of the test


# The model.


CELL = re.compile(r'"(?:\\.|[^"\\])*"|[^",]+')
COLUMN = re.compile(r'\[((?:"(?:\\.|[^"\\])*"|[^"\[\]])*)\]')


def rows_of(payload: bytes, columns: int, time: int) -> list[Row]:
    """The rows of a payload of the parser, read from its text."""
    text = payload.decode()
    lists = COLUMN.findall(text[text.index('"values":') + len('"values":[') :].partition(',"nanos":')[0])
    table = [CELL.findall(column) for column in lists]
    nanos = (json.loads(text)["data"].get("nanos") or [None] * columns)[time] or [0] * len(table[0])
    table += [["null"] * len(table[0])] * (columns - len(table))
    rows = zip(*table, strict=True)
    return [(int(row[time]), remainder, list(row)) for row, remainder in zip(rows, nanos, strict=True)]


def model(payloads: list[bytes], columns: int, time: int) -> list[Row]:
    rows = [row for payload in payloads for row in rows_of(payload, columns, time)]
    return sorted(rows, key=lambda row: row[:2])


texts = st.sampled_from(["", "a", "a b", 'q"', "\\\\", ",", "[", "]", "}", "é", "\t", '","nanos":', "nanos"])
scalars = st.one_of(
    st.sampled_from(["1", "-0", "1.50", "1e5", "-2.5E-3", "123456789012345678i", "7i", "t", "false"]),
    texts.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'),
)
times = st.sampled_from([0, 1, -1, -(10**6), 10**6, 10**6 + 1, 2 * 10**6, 17 * 10**17, 17 * 10**17 + 999_999])
lines = st.builds(
    lambda tag, fields, time: f"m{tag} {','.join(f'{key}={value}' for key, value in fields.items())} {time}",
    tag=st.sampled_from(["", ",h=a", ",h=b", ",h=a\\,b"]),
    fields=st.dictionaries(st.sampled_from("abcd"), scalars, min_size=1),
    time=times | st.integers(-(2**63), 2**63 - 1),
)


@dataclass(frozen=True)
class Channel:
    schema: bytes
    payloads: list[bytes]

    @property
    def time(self) -> int:
        return [field["type"] for field in json.loads(self.schema)["fields"]].index("time")

    @property
    def columns(self) -> int:
        return len(json.loads(self.schema)["fields"])

    def merge(self, payloads: list[bytes], *, max_rows: int = ROOMY, max_bytes: int = ROOMY) -> list[Row]:
        data = merge(payloads, schema=self.schema, max_rows=max_rows, max_bytes=max_bytes)
        rows = rows_of(data, self.columns, self.time)
        remainders = {"nanos"} if any(remainder for _, remainder, _ in rows) else set()
        assert json.loads(data).keys() == {"data"}
        assert json.loads(data)["data"].keys() == {"values"} | remainders
        return rows


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    """What a stream of any format published on one channel; what was too large for it was refused."""
    parser = StreamParser(
        max_measurements=1,
        max_columns=100,
        max_path_bytes=150,
        max_packet_bytes=draw(st.sampled_from([1_500, 1 << 20])),
        max_push_output_bytes=1 << 24,
        max_rejections=0,
        format=draw(st.sampled_from(["labels_column", "wide", "series"])),
    )
    schema, payloads = None, []
    for body in draw(st.lists(st.lists(lines, min_size=1, max_size=5), min_size=1, max_size=6)):
        result = parser.push("\n".join(body).encode(), 0, "ns")
        payloads += [packet.payload for packet in result.packets]
        schema = next((packet.schema for packet in result.packets if packet.schema), schema)
    assert schema is not None
    return Channel(schema, payloads)


@given(channels())
def test_a_merge_of_all_packets_has_every_row_that_was_pushed(channel: Channel) -> None:
    assert channel.merge(channel.payloads) == model(channel.payloads, channel.columns, channel.time)


@given(channel=channels(), data=st.data())
def test_a_merge_is_the_models(channel: Channel, data: st.DataObject) -> None:
    payloads = data.draw(st.lists(st.sampled_from(channel.payloads)))
    max_rows, max_bytes = data.draw(st.integers(0, 20)), data.draw(st.integers(0, 1_000))
    want = model(payloads, channel.columns, channel.time)
    kept = channel.merge(payloads, max_rows=max_rows)
    assert kept == want[max(len(want) - max_rows, 0) :]
    cut = channel.merge(payloads, max_rows=max_rows, max_bytes=max_bytes)
    assert cut == kept[len(kept) - len(cut) :]
    if cut:
        frame_bytes = len(merge(payloads, schema=channel.schema, max_rows=max_rows, max_bytes=max_bytes))
        assert frame_bytes <= max_bytes
    if len(cut) < len(kept):
        assert len(merge(payloads, schema=channel.schema, max_rows=len(cut) + 1)) > max_bytes


@given(channels())
def test_a_packet_that_has_all_columns_comes_back_byte_for_byte(channel: Channel) -> None:
    for payload in channel.payloads:
        if len(json.loads(payload)["data"]["values"]) == channel.columns:
            data = merge([payload], schema=channel.schema)
            assert payload.endswith(data[1:])


@given(channels())
def test_a_window_can_be_merged_with_what_follows_it(channel: Channel) -> None:
    for cut in range(len(channel.payloads) + 1):
        window = merge(channel.payloads[:cut], schema=channel.schema, with_schema=True)
        if b'"data"' in window:
            rest = channel.payloads[cut:]
            assert channel.merge([window, *rest]) == channel.merge(channel.payloads)


@settings(max_examples=300)
@given(channel=channels(), data=st.data())
def test_damage_to_a_packet_leaves_the_others_rows(channel: Channel, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(channel.payloads) - 1))
    damaged = bytearray(channel.payloads[number])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        end = at + data.draw(st.integers(0, 2))
        damaged[at:end] = bytes([data.draw(st.sampled_from(b'[]{},":\\ 0-n\x00\n\xff'))])
    payloads = [*channel.payloads[:number], bytes(damaged), *channel.payloads[number + 1 :]]
    merged = merge(payloads, schema=channel.schema)
    assert all(byte >= 0x20 for byte in merged)
    table = json.loads(merged, parse_constant=pytest.fail)["data"]["values"]
    assert len(table) == channel.columns
    assert len({len(column) for column in table}) == 1
    good = [payload for at, payload in enumerate(channel.payloads) if at != number]
    rows = Counter(map(repr, zip(*table, strict=True)))
    assert Counter(map(repr, zip(*values(merge(good, schema=channel.schema)), strict=True))) <= rows


MEASURE = """
import resource, sys
from framecast._core import merge_packets

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

schema = b'{"fields":[{"type":"time"}' + b',{"type":"number"}' * (int(sys.argv[1]) - 1) + b"]}"
one = sys.argv[2].encode()
count = (1 << 20) // (len(one) + 1) // int(sys.argv[1])
column = b"[" + one + (b"," + one) * (count - 1) + b"]"
payload = b'{"data":{"values":[' + b",".join([column] * int(sys.argv[1])) + b"]}}"
before = peak()
merge_packets(schema, [payload] * 16, with_schema=True, max_rows=10_000, max_bytes=1 << 20)
print(peak() - before)
"""


@pytest.mark.parametrize(("columns", "cell"), [(1, "1"), (2, "1"), (2, "null"), (1_000, "1"), (200_000, "1")])
def test_small_cells_cost_a_small_multiple_of_the_payloads(columns: int, cell: str) -> None:
    command = [sys.executable, "-c", MEASURE, str(columns), cell]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert int(done.stdout) <= 4 * 16 << 20
