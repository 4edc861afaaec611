"""`json_to_lines`: what becomes of which JSON, and what is said of what becomes nothing."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast._core import JsonLines, describe_points, json_to_lines

SECOND = 10**9


def translate(body: Any, measurement: str = "m", **options: Any) -> JsonLines:
    """The lines of a body; what is no text yet is dumped."""
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    defaults: dict[str, Any] = {
        "newline_delimited": False,
        "time_key": None,
        "tag_keys": set(),
        "precision": "auto",
        "max_output_bytes": 1 << 20,
        "max_rejections": 10,
    }
    return json_to_lines(text.encode() if isinstance(text, str) else text, measurement, **(defaults | options))


def lines(body: Any, **options: Any) -> list[str]:
    result = translate(body, **options)
    assert [one.message for one in result.rejections] == []
    return result.lines.decode().splitlines()


def refusals(result: JsonLines) -> list[tuple[int, str]]:
    return [(one.line, one.reason) for one in result.rejections]


def field(name: str, kind: str = "number", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def frame(fields: list[dict[str, Any]], values: list[Any], **data: Any) -> dict[str, Any]:
    return {"schema": {"refId": "A", "meta": {}, "fields": fields}, "data": {"values": values, **data}}


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('{"a":1}', "m a=1i"),
        ('{"a":-0,"b":18446744073709551615}', "m a=-0i,b=18446744073709551615u"),
        ('{"a":18446744073709551616,"b":-9223372036854775809}', "m a=18446744073709551616,b=-9223372036854775809"),
        ('{"a":1.50,"b":1E+2,"c":-0.0}', "m a=1.50,b=1E+2,c=-0.0"),
        ('{"a":true,"b":false,"c":null}', "m a=t,b=f"),
        ('{"a":"x\\n\\"\\\\n"}', 'm a="x\n\\"\\\\n"'),
        ('{"a":"","b":"😀\\ud83d\\ude00"}', 'm a="",b="😀😀"'),
        ('{"a b":1,"c,d":1,"e=f":1}', "m a\\ b=1i,c\\,d=1i,e\\=f=1i"),
        ('{"a":{"b":{"c":1,"d":null},"e":{}},"f":1}', "m a.b.c=1i,f=1i"),
        ('{"a":[1, {"b":"\\u0041"}],"b":[]}', 'm a="[1, {\\"b\\":\\"\\\\u0041\\"}]",b="[]"'),
        ('{"time":1700000000,"a":1}', "m a=1i 1700000000000000000"),
        ('{"a":1,"timestamp":1700000000123}', "m a=1i 1700000000123000000"),
        ('{"timestamp":5,"a":1,"time":"1970-01-01T00:00:01Z"}', "m a=1i,timestamp=5i 1000000000"),
        ('{"time":null,"timestamp":1.5,"a":1}', "m a=1i 1500000000"),
        ('{"time":{"zone":"UTC"},"a":1}', 'm time.zone="UTC",a=1i'),
    ],
)  # fmt: skip
def test_an_object_is_a_line(body: str, line: str) -> None:
    result = translate(body)
    assert refusals(result) == []
    assert result.lines.decode().startswith(line)
    assert result.lines.count(b"\n") == 1 + line.count("\n")


def test_keys_are_labels_or_the_time_where_they_are_named() -> None:
    body = [{"host": "a b", "at": {"ms": 5}, "n": 7, "up": True, "none": None, "empty": "", "v": 1, "time": 3}]
    tags = {"host", "n", "up", "none", "empty"}
    assert lines(body, tag_keys=tags, time_key="at.ms", precision="ms") == [
        "m,host=a\\ b,n=7,up=true v=1i,time=3i 5000000"
    ]
    assert lines([{"time": 3, "v": 1}], time_key="") == ["m time=3i,v=1i"]


@pytest.mark.parametrize("indent", [None, 1, "\t"])
def test_a_label_that_is_no_string_may_be_written_on_several_lines(indent: int | str | None) -> None:
    body = json.dumps([{"tag": [1, {"b": "\n\t"}], "a": 1}], indent=indent)
    (line,) = lines(body, tag_keys={"tag"})
    (point,) = json.loads(describe_points(line.encode(), "ns"))["points"]
    ((key, label),) = point["tags"]
    assert (key, json.loads(label)) == ("tag", [1, {"b": "\n\t"}])


def test_a_named_time_must_be_there() -> None:
    result = translate([{"v": 1}, {"v": 1, "ts": None}, {"v": 1, "ts": 1}], time_key="ts")
    assert refusals(result) == [(1, "bad_time"), (2, "bad_time")]
    assert '"null or nothing under the key ts" is no time' in result.rejections[0].message
    assert result.lines == b"m v=1i 1000000000\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "missing_field"),
        ({"time": 1, "a": None}, "missing_field"),
        ({"a": 1, "time": "noon"}, "bad_time"),
        ({"a": 1, "time": "2026-01-31T12:00:00"}, "bad_time"),
        ({"a": 1, "time": 10**30}, "time_range"),
        ({"": 1}, "bad_name"),
        ({"a\\": 1}, "bad_name"),
        ({"tag": "C:\\", "a": 1}, "bad_name"),
        ({"a\tb": 1}, "control_byte"),
        ({"tag": "a\nm b=1", "a": 1}, "control_byte"),
        ({"a": "x" * 65_537}, "too_long"),
        ({"a": '"' * 32_769}, "too_long"),
        ({"x" * 65_537: 1, "y": "\nevil f=1"}, "too_long"),
        ({str(key): 1 for key in range(65_537)}, "too_many_fields"),
        ("m f=1", "not_an_object"),
        (None, "not_an_object"),
        ([{"a": 1}], "not_an_object"),
    ],
)
def test_a_bad_row_costs_that_row(row: Any, reason: str) -> None:
    result = translate([{"a": 1}, row, {"a": 2}], tag_keys={"tag"})
    assert result.lines == b"m a=1i\nm a=2i\n"
    assert refusals(result) == [(2, reason)]
    assert result.rejections[0].message.startswith("row 2: ")
    assert len(result.rejections[0].message) < 600
    assert (result.rejected, result.reasons) == (1, {reason: 1})


def test_half_a_character_and_a_number_without_end_cost_their_row() -> None:
    result = translate('[{"a":"\\ud800"},{"\\udc00":1},{"a":1e999},{"a":-1e-999},{"a":1}]')
    assert refusals(result) == [(1, "bad_utf8"), (2, "bad_utf8"), (3, "number_range")]
    assert result.lines == b"m a=-1e-999\nm a=1i\n"


def test_lines_know_their_rows() -> None:
    wide = frame([field("a", labels={"h": "1"}), field("a", labels={"h": "2"})], [[1, 3], [2, None]])
    result = translate([{"s": "one\ntwo"}, {}, {"a": 1}, wide, {"a": 4}])
    assert result.lines == b'm s="one\ntwo"\nm a=1i\nm,h=1 a=1i\nm,h=2 a=2i\nm,h=1 a=3i\nm a=4i\n'
    assert [result.find_row(line) for line in range(1, 8)] == [1, 1, 3, 4, 4, 5, 6]


def test_several_values_and_lines_of_values_are_rows() -> None:
    body = '{"a":1}\n{"a":\n2}[{"a":3}]'
    assert lines(body) == ["m a=1i", "m a=2i", "m a=3i"]
    result = translate(body, newline_delimited=True)
    assert refusals(result) == [(2, "bad_json"), (3, "bad_json")]
    assert "line 2 of the body is no JSON" in result.rejections[0].message
    assert result.lines == b"m a=1i\n"


@pytest.mark.parametrize(
    ("body", "start"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b'{"a":1}\n{"a":', "line 2, column 5: the body is no JSON: EOF"),
        (b"[1,2", "line 1, column 4: the body is no JSON"),
        (b"cpu f=1", "line 1, column 1: the body is no JSON: expected value"),
        (b'{"a":1}\n"\xff"', "line 2, column 2: the body is not UTF-8"),
    ],
)
def test_a_body_that_is_no_json_is_a_value_error(body: bytes, start: str) -> None:
    with pytest.raises(ValueError, match=r"\A" + start.replace("(", r"\(")):
        translate(body)


@pytest.mark.parametrize("name", ["", "#m", "m\\", "a\nb", "\x7f", "x" * 65_537])
def test_a_measurement_that_no_line_can_name_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a measurement"):
        translate({"a": 1}, name)


@pytest.mark.parametrize("name", ["a b", "a,b", "a=b\\=c", " ", "é/ü", "a\\,b", "=", "a#", '"q"'])
def test_a_measurement_reads_back(name: str) -> None:
    (point,) = json.loads(describe_points(translate({"a": 1}, name).lines, "ns"))["points"]
    assert point["measurement"] == name


def test_a_frame_is_a_line_for_each_row_and_set_of_labels() -> None:
    fields = [
        field("when", "time"),
        field("idle", labels={"host": "a"}, typeInfo={"frame": "float64"}),
        field("idle", labels={"host": "b, c"}, typeInfo={"frame": "int64"}),
        field("up", "boolean", labels={"host": "a"}),
        field("later", "time"),
        field("other", "other"),
    ]
    values = [[1, 2], [5, None], [6, 7], [True, None], [8, None], [{"a": [1]}, None]]
    assert lines(frame(fields, values, entities=[None, {"NaN": [1]}], nanos=[[999_999, 0]])) == [
        "m,host=a idle=5,up=t 1999999",
        "m,host=b\\,\\ c idle=6i 1999999",
        'm later=8i,other="{\\"a\\": [1]}" 1999999',
        "m,host=b\\,\\ c idle=7i 2000000",
    ]


def test_a_labels_column_and_named_columns_are_labels() -> None:
    fields = [field("labels", "string"), field("dc", "string"), field("v")]
    values = [["host=a, x=y z", "", '{h="1,\\"2"}', None], ["eu", None, "us", "us"], [1, 2, 3, 4]]
    assert lines(frame(fields, values), tag_keys={"dc"}) == [
        "m,host=a,x=y\\ z,dc=eu v=1i",
        "m v=2i",
        'm,h=1\\,"2,dc=us v=3i',
        "m,dc=us v=4i",
    ]
    behind = frame([field("v"), field("labels", "string")], [[1], ["a=b"]])
    assert lines(behind) == ['m v=1i,labels="a=b"']


def test_frames_in_an_array_are_read_one_after_another_and_a_schema_alone_is_none() -> None:
    one = frame([field("v")], [[1, 2]])
    assert lines([one, {"schema": one["schema"]}, one, {"v": 3}]) == ["m v=1i", "m v=2i", "m v=1i", "m v=2i", "m v=3i"]


def test_an_object_that_only_speaks_of_schemas_and_data_is_an_object() -> None:
    assert lines({"schema": "v1", "data": {"values": 3}}) == ['m schema="v1",data.values=3i']


@pytest.mark.parametrize(
    ("broken", "reason", "word"),
    [
        ({"data": {"values": [[1]]}}, "bad_frame", "send the schema with every frame"),
        ({"schema": {"fields": [1]}, "data": {"values": [[1]]}}, "bad_frame", "field 1 is no object"),
        (frame([field("v", labels={"a": 1})], [[1]]), "bad_frame", "label of the frame's field 1"),
        (frame([field("v")], [[1], [2]]), "bad_frame", "more columns"),
        ({"schema": {"fields": [field("v")]}, "data": {"values": 3}}, "bad_frame", "data.values is no array"),
        ({"schema": {"fields": [field("v")]}, "data": {"values": [3]}}, "bad_frame", "data.values[0] is no array"),
        (frame([field("")], [[1]]), "bad_name", "nothing cannot be a name"),
        (frame([field("v", labels={"k\\": "v"})], [[1]]), "bad_name", "backslash"),
        ({"schema": {"fields": [field("v")] * 65_537}}, "too_many_fields", "65536"),
    ],
)
def test_a_frame_that_does_not_hold_together_counts_as_one_row(broken: Any, reason: str, word: str) -> None:
    result = translate([{"a": 1}, broken, {"a": 2}])
    assert result.lines == b"m a=1i\nm a=2i\n"
    assert refusals(result) == [(2, reason)]
    assert word in result.rejections[0].message


def test_a_bad_row_of_a_frame_costs_that_row() -> None:
    fields = [field("labels", "string"), field("t", "time"), field("v")]
    values = [["", "nonsense", "", "", ""], [1, 2, None, 4, 5], [1, 2, 3, None, 5]]
    result = translate(frame(fields, values))
    assert refusals(result) == [(2, "bad_labels"), (3, "bad_time"), (4, "missing_field")]
    assert result.lines == b"m v=1i 1000000\nm v=5i 5000000\n"


def test_of_a_row_with_a_bad_value_no_set_of_labels_is_kept() -> None:
    fields = [field("v", labels={"h": "1"}), field("v", labels={"h": "2"})]
    result = translate(frame(fields, [[1, 2], ["x" * 65_537, 3]]))
    assert refusals(result) == [(1, "too_long")]
    assert result.lines == b"m,h=1 v=2i\nm,h=2 v=3i\n"


def test_columns_of_different_lengths_lose_what_has_no_partner() -> None:
    result = translate([frame([field("a"), field("b")], [[1, 2, 3], [1]]), {"a": 1}])
    assert result.lines == b"m a=1i,b=1i\nm a=1i\n"
    assert refusals(result) == [(2, "bad_frame")]


def test_the_output_is_bounded_whatever_the_body() -> None:
    label = {"k": "x" * 5_000}
    result = translate(frame([field("v", labels=label)], [list(range(1_000))]), max_output_bytes=100_000)
    assert 90_000 < len(result.lines) <= 100_000
    accepted = result.lines.count(b"\n")
    assert result.reasons == {"json_limit": 1_000 - accepted}
    assert "push.json_lines_bytes" in result.rejections[0].message


def test_work_that_is_thrown_away_counts_too() -> None:
    prefix = "p" * 1_000
    row = {prefix: {str(key): 1 for key in range(100)} | {"": "x" * 65_537}}
    result = translate([row, row, {"a": 1}], max_output_bytes=150_000)
    assert result.reasons == {"too_long": 2, "json_limit": 1}


def test_looking_for_long_tag_keys_counts_too() -> None:
    prefix = "p" * 1_000
    hidden = '{{"{}":{{{}}},"a":1}}'.format(prefix, ",".join(['"":""'] * 100))
    result = translate(f"[{hidden},{hidden}]", tag_keys={prefix + "."}, max_output_bytes=150_000)
    assert result.reasons == {"json_limit": 1}
    assert result.lines == b"m a=1i\n"


def test_a_row_that_no_packet_could_hold_costs_that_row() -> None:
    prefix = "p" * 60_000
    row = {prefix: {str(key): 1 for key in range(80)}}
    result = translate([{"a": 1}, row, {"a": 2}], max_output_bytes=1 << 25)
    assert refusals(result) == [(2, "row_limit")]
    assert result.lines == b"m a=1i\nm a=2i\n"


def test_only_the_first_refusals_are_described() -> None:
    result = translate([1] * 50 + [{"a": 1}], max_rejections=3)
    assert [one.line for one in result.rejections] == [1, 2, 3]
    assert (result.rejected, result.reasons) == (50, {"not_an_object": 50})


def test_nesting_without_end_is_text_or_refused() -> None:
    deep = '{"a":' * 40 + "1" + "}" * 40
    (point,) = json.loads(describe_points(translate(deep).lines, "ns"))["points"]
    ((key, kind, value),) = point["fields"]
    assert (key, kind) == (".".join("a" * 16), "string")
    assert json.loads(value) == json.loads('{"a":' * 24 + "1" + "}" * 24)
    result = translate("[" * 60_000 + "]" * 60_000)
    assert refusals(result) == [(1, "not_an_object")]


text = st.text(st.sampled_from('ab,= ."\\\n\té😀{}#'), max_size=6)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**65), 2**65), st.floats(allow_nan=False, allow_infinity=False), text
)
values = st.recursive(
    scalars | st.lists(scalars, max_size=2), lambda inner: st.dictionaries(text, inner, max_size=3), max_leaves=6
)
trees = st.dictionaries(text, values, max_size=4)


def flatten(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in tree.items():
        path = prefix + "." + key if prefix else key
        if isinstance(value, dict):
            leaves += flatten(value, path)
        elif value is not None:
            leaves.append((path, value))
    return leaves


def is_name(name: str) -> bool:
    return bool(name) and not name.endswith("\\") and not any(ord(char) < 32 for char in name)


def model(tree: dict[str, Any], tag_keys: set[str]) -> tuple[dict[str, str], dict[str, Any]] | None:
    """Tags and fields of a row; None where it must be refused."""
    tags: dict[str, str] = {}
    fields: dict[str, Any] = {}
    for key, value in flatten(tree):
        if key in tag_keys:
            shown = value if isinstance(value, str) else json.dumps(value)
            if shown == "":
                continue
            if not is_name(key) or not is_name(shown):
                return None
            tags[key] = shown
        elif is_name(key):
            fields[key] = value
        else:
            return None
    return (tags, fields) if fields else None


def read_value(kind: str, value: Any) -> Any:
    return {"int": int, "uint": int, "float": float}.get(kind, lambda same: same)(value)


@given(rows=st.lists(trees, max_size=5), tag_keys=st.sets(text, max_size=3), seed=st.integers(0, 9))
def test_objects_become_the_points_of_the_model(rows: list[dict[str, Any]], tag_keys: set[str], seed: int) -> None:
    dice = random.Random(seed)
    layout: dict[str, Any] = {"ensure_ascii": dice.random() < 0.5, "indent": dice.choice([None, 1])}
    body = "\n".join(json.dumps(row, **layout) for row in rows) if dice.random() < 0.5 else json.dumps(rows, **layout)
    if not body:
        return
    result = translate(body, tag_keys=tag_keys, max_rejections=100)
    want = [(number, found) for number, row in enumerate(rows, 1) if (found := model(row, tag_keys)) is not None]
    assert {one.line for one in result.rejections} == set(range(1, len(rows) + 1)) - {number for number, _ in want}
    described = json.loads(describe_points(result.lines, "ns"))
    assert "error" not in described, described
    assert len(described["points"]) == len(want)
    for point, (_, (tags, fields)) in zip(described["points"], want, strict=True):
        if not any(isinstance(value, list) for value in tags.values()):
            assert {key: _plain(value) for key, value in point["tags"]} == {key: _plain(tags[key]) for key in tags}
        got = {key: read_value(kind, value) for key, kind, value in point["fields"]}
        assert got.keys() == fields.keys()
        for key, value in fields.items():
            if isinstance(value, list):
                assert json.loads(got[key]) == value
            else:
                assert got[key] == value or (type(value) is int and got[key] == float(value))
                assert isinstance(got[key], bool) == isinstance(value, bool)


def _plain(value: str) -> Any:
    """A label's value, whatever the spelling of a number or list in it."""
    try:
        return json.loads(value)
    except ValueError:
        return value


@given(st.binary(max_size=60) | st.text('{}[]",:\\u012ae ntf\n', max_size=60).map(str.encode), st.booleans())
def test_no_body_breaks_it_and_every_row_is_accounted_for(body: bytes, newline_delimited: bool) -> None:
    try:
        result = translate(body, newline_delimited=newline_delimited)
    except ValueError:
        return
    described = json.loads(describe_points(result.lines, "ns"))
    assert "error" not in described
    assert result.rejected == sum(result.reasons.values())
