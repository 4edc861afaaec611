"""What the stub promises of `StreamParser` and `describe_points`."""

import json
import threading
from typing import Any

import pytest

from framecast._core import PushResult, StreamParser, describe_points

ROOMY = {
    "max_measurements": 100,
    "max_columns": 100,
    "max_path_bytes": 150,
    "max_packet_bytes": 1 << 20,
    "max_push_output_bytes": 1 << 24,
    "max_rejections": 100,
}


def make_parser(frame_format: str = "labels_column", **limits: int) -> StreamParser:
    return StreamParser(**(ROOMY | limits), format=frame_format)


def push(parser: StreamParser, body: str | bytes, *, received_ns: int = 0, precision: str = "ns") -> PushResult:
    return parser.push(body.encode() if isinstance(body, str) else body, received_ns, precision)


def frames(result: PushResult) -> list[Any]:
    return [json.loads(packet.payload) for packet in result.packets]


def values(result: PushResult) -> list[Any]:
    (frame,) = frames(result)
    columns: list[Any] = frame["data"]["values"]
    return columns


def names(schema: dict[str, Any]) -> list[str]:
    return [field["name"] for field in schema["fields"]]


def test_a_frame_has_the_shape_that_grafana_reads() -> None:
    result = push(make_parser(), 'm,h=a x=1i,t=t 1000000\nm,h=b s="q" 2000001\n')
    (packet,) = result.packets
    assert packet.payload == (
        b'{"schema":{"name":"m","fields":['
        b'{"name":"labels","type":"string","typeInfo":{"frame":"string"}},'
        b'{"name":"time","type":"time","typeInfo":{"frame":"time.Time"}},'
        b'{"name":"t","type":"boolean","typeInfo":{"frame":"bool","nullable":true}},'
        b'{"name":"x","type":"number","typeInfo":{"frame":"float64","nullable":true}},'
        b'{"name":"s","type":"string","typeInfo":{"frame":"string","nullable":true}}]},'
        b'"data":{"values":[["h=a","h=b"],[1,2],[true,null],[1,null],[null,"q"]],'
        b'"nanos":[null,[0,1],null,null,null]}}'
    )
    assert (packet.measurement, packet.rows) == ("m", 2)
    assert packet.schema is not None
    assert json.loads(packet.payload)["schema"] == json.loads(packet.schema)


def test_schema_is_sent_once_and_whole_when_it_grows() -> None:
    parser = make_parser()
    first, again, grown, after = (push(parser, body) for body in ("m b=1 0", "m b=2 0", "m a=3 0", "m b=4 0"))
    assert names(frames(first)[0]["schema"]) == ["labels", "time", "b"]
    assert frames(again) == [{"data": {"values": [[""], [0], [2]]}}]
    assert again.packets[0].schema is None
    assert names(frames(grown)[0]["schema"]) == ["labels", "time", "b", "a"]
    assert frames(grown)[0]["data"] == {"values": [[""], [0], [None], [3]]}
    assert frames(after) == [{"data": {"values": [[""], [0], [4], [None]]}}]


def test_new_keys_of_one_line_are_sorted_and_come_behind_the_old() -> None:
    parser = make_parser()
    push(parser, "m m=1")
    result = push(parser, "m z=1,m=1,b=1\nm a=1")
    assert names(frames(result)[0]["schema"]) == ["labels", "time", "m", "b", "z", "a"]


def test_two_spellings_of_a_series_share_their_labels() -> None:
    result = push(make_parser(), r"m\,x,b=2,a=\ 1 f\ f=1 0" + "\n" + r"m\,x,a=\ 1,b=2 f\ f=2 1000000")
    assert values(result) == [["a= 1, b=2"] * 2, [0, 1], [1, 2]]
    assert result.packets[0].measurement == "m,x"
    assert names(frames(result)[0]["schema"])[2:] == ["f f"]


def test_rows_are_in_time_order_and_equal_times_in_body_order() -> None:
    result = push(make_parser(), "m a=1 3000000\nm a=2 1000000\nm,h=a a=3 3000000\nm a=4 -1\nm,h=a a=5 1000000")
    assert values(result)[1:] == [[-1, 1, 1, 3, 3], [4, 2, 5, 1, 3]]
    assert frames(result)[0]["data"]["nanos"] == [None, [999_999, 0, 0, 0, 0], None]


def test_lines_of_one_time_and_the_same_tags_are_one_row_and_the_last_value_counts() -> None:
    parser = make_parser()
    body = "m,h=b,a=1 x=1,y=1 2\nm,h=c x=2 2\nm,h=c x=0 1\nm,a=2,h=b,a=1 z=3,x=3 2\nm,h=c y=4,x=t 2\nm,h=b,a=1 z=5 2"
    result = push(parser, body)
    (packet,) = result.packets
    assert values(result)[0] == ["h=c", "a=1, h=b", "h=c"]
    assert values(result)[2:] == [[0, 3, None], [None, 1, 4], [None, 5, None]]
    assert frames(result)[0]["data"]["nanos"][1] == [1, 2, 2]
    assert (result.accepted, packet.rows, result.mismatched) == (6, 3, 1)
    # A value that is replaced is no misfit, and other measurements have rows of their own.
    again = push(parser, "m,h=c x=t 2\nn,h=c x=1 2\nm,h=c x=1 2")
    assert again.mismatched == 0
    assert [packet.rows for packet in again.packets] == [1, 1]


def test_a_row_joined_of_lines_is_no_larger_than_a_packet() -> None:
    parser = make_parser(max_packet_bytes=600)
    push(parser, 'm a="",b="",c="" 0')
    lines = [f'm,h={host} {key}="{key * 180}" 0\n' for key in "abc" for host in "xy"]
    result = push(parser, "".join(lines))
    assert (result.accepted, result.rejected) == (6, 0)
    assert all(len(packet.payload) <= 600 for packet in result.packets)
    rows = [row for frame in frames(result) for row in zip(*frame["data"]["values"], strict=True)]
    a, b, c = (key * 180 for key in "abc")
    assert rows == [
        ("h=x", 0, a, b, None),
        ("h=y", 0, a, b, None),
        ("h=x", 0, None, None, c),
        ("h=y", 0, None, None, c),
    ]


@pytest.mark.parametrize(("frame_format", "late"), [("labels_column", 3), ("wide", 2), ("series", 2)])
def test_rows_older_than_the_newest_before_the_push_are_late(frame_format: str, late: int) -> None:
    parser = make_parser(frame_format)
    # Within a push nothing is late, whatever its order.
    assert push(parser, "m,h=a x=1 5\nm,h=a x=1 3\nn x=1 0").late == 0
    result = push(parser, "m,h=a x=2 4\nn x=1 0\nm,h=b x=2 3\nm,h=a y=2 4\nm,h=b x=2 4\nm,h=a x=2 5\nm,h=a x=2 9")
    assert result.late == late
    rows = {packet.measurement: packet.rows for packet in result.packets}
    assert rows == {"m": late + 2, "n": 1}
    assert push(parser, "m,h=a x=1 8\nm,h=a x=y 1\nm,h=a x=1 9").late == 1
    # An older push does not make the newest row older.
    assert [push(parser, "m,h=a x=1 8").late for _ in range(2)] == [1, 1]


def test_nothing_is_late_after_lines_that_were_refused() -> None:
    parser = make_parser(max_columns=1)
    push(parser, "m a=1 0")
    assert push(parser, "m b=1 9\nm a=1 1").late == 0
    assert push(parser, "m a=1 2").late == 0
    assert push(make_parser(), f"m a=1 {-(2**63)}\nm a=1 {2**63 - 1}").late == 0


def test_lines_without_a_timestamp_get_the_time_of_receipt() -> None:
    result = push(make_parser(), "m a=1\nm a=2 7", received_ns=5_000_000, precision="ms")
    assert values(result)[1] == [5, 7]


@pytest.mark.parametrize(
    ("precision", "stamp"),
    [("us", "7200000000"), ("ms", "7200000"), ("s", "7200"), ("m", "120"), ("h", "2"), ("auto", "7200")],
)
def test_the_precision_is_the_timestamps_unit(precision: str, stamp: str) -> None:
    assert values(push(make_parser(), f"m a=1 {stamp}", precision=precision))[1] == [7_200_000]


def test_auto_tells_the_unit_line_by_line() -> None:
    stamps = ("1700000001", "1700000002000", "1700000003000000", "1700000004000000000")
    result = push(make_parser(), "\n".join(f"m a=1 {stamp}" for stamp in stamps), precision="auto")
    assert values(result)[1] == [1_700_000_000_000 + 1000 * number for number in (1, 2, 3, 4)]


def test_values_keep_their_digits() -> None:
    result = push(make_parser(), "m i=9007199254740993i,u=18446744073709551615u,f=1.10,e=1e3,d=.5,z=007i,n=-0 0")
    want = b'"values":[[""],[0],[0.5],[1000],[1.10],[9007199254740993],[-0],[18446744073709551615],[7]]'
    assert want in result.packets[0].payload


def test_misfits_become_null_or_text_and_are_counted() -> None:
    parser = make_parser()
    push(parser, 'm n=1,s="a",b=t 0')
    result = push(parser, 'm n="NaN",s=1.50,b=1 0\nm n=t,s=true,b="t" 1\nm n=2i,s="x",b=f 2')
    assert values(result)[2:] == [[None, None, False], [None, None, 2], ["1.50", "true", "x"]]
    assert result.mismatched == 6
    assert push(parser, "m n=1 0").mismatched == 0


def test_the_first_misfits_are_told_column_by_column() -> None:
    parser = make_parser(max_packet_bytes=600, max_rejections=4)
    push(parser, 'm n=1,s="a",b=t,k=1 0\nn x=1 0')
    body = "".join(f'm n="{"x" * 40}",s=1.5,b=1,k=2 {time}\n' for time in range(20))
    result = push(parser, body + 'm n=t,s=t,b="t",k=t 20\nn x=t 0')
    assert len(result.packets) > 2
    assert result.mismatched == 3 * 20 + 4 + 1
    assert result.mismatches == [
        'measurement "m", field "b": a number where the column holds booleans; null instead',
        'measurement "m", field "n": text where the column holds numbers; null instead',
        'measurement "m", field "s": a number where the column holds text; kept as text',
        'measurement "m", field "k": a boolean where the column holds numbers; null instead',
    ]
    assert push(parser, "m n=2 0\nn x=t 0").mismatches == [
        'measurement "n", field "x": a boolean where the column holds numbers; null instead',
    ]


@pytest.mark.parametrize("frame_format", ["wide", "series"])
def test_misfits_of_labelled_columns_name_the_labels(frame_format: str) -> None:
    parser = make_parser(frame_format, max_rejections=2)
    body = "m,p=C:\\x x={0} 0\nm,h=b x={0} 0\nm x={0} 0"
    push(parser, body.format("1i"))
    result = push(parser, body.format("t"))
    assert result.mismatched == 3
    assert result.mismatches == [
        'measurement "m", field "x" of {"p":"C:\\\\x"}: a boolean where the column holds numbers; null instead',
        'measurement "m", field "x" of {"h":"b"}: a boolean where the column holds numbers; null instead',
    ]
    assert push(make_parser(frame_format, max_rejections=0), "m x=1 0\nm x=t 1").mismatches == []


@pytest.mark.parametrize("frame_format", ["labels_column", "wide", "series"])
def test_sentences_about_misfits_are_escaped_and_cut(frame_format: str) -> None:
    parser = make_parser(frame_format)
    odd = "\x85\u202e\u0301" + "é" * 1000
    result = push(parser, f"{odd[:20]},{odd}={odd} {odd}=1 0\n{odd[:20]},{odd}={odd} {odd}=t 1")
    (sentence,) = result.mismatches
    assert sentence.isprintable()
    assert len(sentence) < 300


def test_the_last_of_a_repeated_field_counts_and_settles_the_type() -> None:
    result = push(make_parser(), 'm a=1,b=2,a="x" 0\nm a=1,a="y",b=1,b=3 1')
    assert values(result)[2:] == [["x", "y"], [2, 3]]
    assert result.mismatched == 0


def test_strings_are_escaped_for_json() -> None:
    body = 'm s="a\\"b\\\\c\\nd\ne\tf\x01é" 0'
    result = push(make_parser(), body)
    assert values(result)[2] == ['a"b\\c\\nd\ne\tf\x01é']
    assert b"\n" not in result.packets[0].payload


def test_measurements_keep_their_order_of_appearance() -> None:
    parser = make_parser()
    result = push(parser, "b f=1 0\na f=1 0\nb f=2 1\n")
    assert [(packet.measurement, packet.rows) for packet in result.packets] == [("b", 2), ("a", 1)]
    push(parser, "c f=1 0\na f=1 0")
    assert parser.measurements() == ["b", "a", "c"]


def test_a_large_packet_is_split_by_rows() -> None:
    parser = make_parser(max_packet_bytes=500)
    result = push(parser, "".join(f"m,h=a x={n} {1000 - n}000000\n" for n in range(200)))
    assert len(result.packets) > 5
    assert all(len(packet.payload) <= 500 for packet in result.packets)
    assert [packet.rows for packet in result.packets if packet.schema] == [result.packets[0].rows]
    times = [time for frame in frames(result) for time in frame["data"]["values"][1]]
    assert times == sorted(times)
    assert sum(packet.rows for packet in result.packets) == len(times) == result.accepted == 200


def test_a_row_too_large_for_a_packet_costs_its_line_only() -> None:
    result = push(make_parser(max_packet_bytes=600), f'm s="x" 0\nm s="{"y" * 600}" 1\nm s="z" 2')
    assert (result.accepted, result.reasons) == (2, {"row_limit": 1})
    assert values(result)[2] == ["x", "z"]
    assert "packet_bytes" in result.rejections[0].message


def test_a_schema_too_large_for_a_packet_costs_the_line_that_would_bring_it() -> None:
    parser = make_parser(max_packet_bytes=1_000)
    result = push(parser, "".join(f"m f{number:090}=1 0\n" for number in range(9)))
    assert (result.accepted, result.reasons) == (2, {"schema_limit": 7})
    assert "packet_bytes" in result.rejections[0].message
    assert [len(packet.schema or b"") <= 1_000 for packet in result.packets] == [True]


def test_a_measurement_too_many_costs_its_lines_only() -> None:
    parser = make_parser(max_measurements=1)
    result = push(parser, "m a=1\nn a=1\nm a=2\nn a=2")
    assert (result.accepted, result.rejected, result.reasons) == (2, 2, {"measurement_limit": 2})
    assert parser.measurements() == ["m"]


def test_a_column_too_many_costs_its_line_only() -> None:
    parser = make_parser(max_columns=2)
    result = push(parser, "m a=1\nm b=1,c=1\nm b=2\nm c=1")
    assert (result.accepted, result.reasons) == (2, {"column_limit": 2})
    assert [(rejection.line, rejection.column) for rejection in result.rejections] == [(2, 1), (4, 1)]
    assert names(frames(result)[0]["schema"])[2:] == ["a", "b"]


def test_output_beyond_the_limit_costs_the_late_lines() -> None:
    parser = make_parser(max_push_output_bytes=20_000)
    push(parser, "m " + ",".join(f"f{n}=1" for n in range(100)))
    result = push(parser, "m f0=1 0\n" * 1000)
    assert 10 < result.accepted < 40
    assert result.reasons == {"output_limit": 1000 - result.accepted}
    assert sum(len(packet.payload) for packet in result.packets) <= 20_000
    assert push(parser, "m f0=1 0").accepted == 1


def test_a_refused_line_leaves_no_trace() -> None:
    parser = make_parser(max_columns=1)
    assert push(parser, "m a=1,b=1").accepted == 0
    assert parser.measurements() == []
    assert names(frames(push(parser, "m b=1"))[0]["schema"])[2:] == ["b"]


def test_rejections_are_counted_beyond_those_described() -> None:
    result = push(make_parser(max_rejections=2), "m a=1\nbad\nm a=x\nbad\nm a=2")
    assert (result.accepted, result.rejected, len(result.rejections)) == (2, 3, 2)
    assert result.reasons == {"missing_field": 2, "bad_value": 1}
    first, second = result.rejections
    assert (first.line, first.column, first.reason) == (2, 4, "missing_field")
    assert second.message == 'line 3, column 5: "x" is no value; write 1.5, 1i, 1u, true or "text"'


def test_messages_escape_and_cut_what_the_sender_wrote() -> None:
    result = push(make_parser(), b"m f=\x1b[31m\x07" + b"x" * 1000 + b"\nm \xff\xfe=1")
    assert all(rejection.message.isprintable() for rejection in result.rejections)
    assert all(len(rejection.message) < 500 for rejection in result.rejections)


def test_an_open_quote_names_where_it_was_opened() -> None:
    result = push(make_parser(), 'm a=1\nm s="open\nm s="x" 1\nm a=2')
    assert result.accepted == 2
    (rejection,) = result.rejections
    assert (rejection.line, rejection.column, rejection.reason) == (3, 6, "unexpected_text")
    assert "opened at line 2, column 5" in rejection.message


def test_any_bytes_are_a_body() -> None:
    assert push(make_parser(), b"").accepted == 0
    assert push(make_parser(), bytes(range(256)) * 10).accepted == 0


def test_an_unknown_precision_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="ns, us, ms, s, m, h or auto"):
        push(make_parser(), "m a=1", precision="d")
    with pytest.raises(ValueError, match="ns, us, ms, s, m, h or auto"):
        describe_points(b"", "")


def test_an_unknown_format_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="labels_column, wide, series"):
        make_parser("Wide")


def test_wide_frames_have_a_column_for_each_field_and_label_set_and_a_row_for_each_time() -> None:
    parser = make_parser("wide")
    result = push(parser, 'm,h=a x=1,y=t 1000000\nm,h=b x=2 2000000\nm,h=a x=3,s="q" 2000000\nm,h=b x=4 2000000\n')
    (packet,) = result.packets
    (frame,) = frames(result)
    fields = frame["schema"]["fields"]
    assert [(field["name"], field["type"], field.get("labels")) for field in fields] == [
        ("time", "time", None),
        ("x", "number", {"h": "a"}),
        ("y", "boolean", {"h": "a"}),
        ("x", "number", {"h": "b"}),
        ("s", "string", {"h": "a"}),
    ]
    assert not any("config" in field for field in fields)
    assert frame["data"] == {"values": [[1, 2], [1, 3], [True, None], [None, 4], [None, "q"]]}
    assert (result.accepted, packet.rows) == (4, 2)
    again = push(parser, "m x=5 1")
    assert frames(again)[0]["schema"]["fields"][-1]["labels"] == {}
    assert frames(again)[0]["data"]["nanos"] == [[1], None, None, None, None, None]


def test_series_frames_name_each_column_for_the_panel_and_for_a_person() -> None:
    (frame,) = frames(push(make_parser("series"), 'm,host=a,cpu=cpu0 idle=1\nm time=2,idle=3\nm,p=C:\\x\\,{"} idle=4'))
    assert [(field["name"], field.get("config")) for field in frame["schema"]["fields"]] == [
        ("time", None),
        ("idle{cpu=cpu0, host=a}", {"displayNameFromDS": "idle {cpu=cpu0, host=a}"}),
        ("idle", {"displayNameFromDS": "idle"}),
        ("time{}", {"displayNameFromDS": "time"}),
        ('idle{p=C:\\\\x\\,\\{"\\}}', {"displayNameFromDS": 'idle {p=C:\\x,{"}}'}),
    ]
    assert frame["schema"]["fields"][-1]["labels"] == {"p": 'C:\\x,{"}'}


def test_labels_that_the_panel_would_misread_are_quoted() -> None:
    result = push(make_parser(), 'm,p=C:\\x\\=1\\,\\ q,h="a" f=1 0\nm,h={a} f=1 0\nm,{h=a f=1 0')
    assert values(result)[0] == ['{h="\\"a\\"", p="C:\\\\x=1, q"}', "h={a}", '{{h="a"}']


def test_limits_are_named_and_none_may_be_missing() -> None:
    with pytest.raises(TypeError):
        StreamParser()  # type: ignore[call-arg]


def test_two_threads_at_once_are_refused_and_others_run_meanwhile() -> None:
    parser = make_parser(max_push_output_bytes=1 << 30)
    body = b"m,h=a x=1,y=2,z=3 1000000\n" * 300_000
    done = threading.Event()

    def work() -> None:
        parser.push(body, 0, "ns")
        done.set()

    worker = threading.Thread(target=work)
    worker.start()
    refused = 0
    while not done.is_set():
        try:
            parser.push(b"", 0, "ns")
        except RuntimeError:
            refused += 1
    worker.join()
    # That this thread was refused at all shows too that the other one did not hold the GIL.
    assert refused > 0
    assert parser.push(b"m x=1", 0, "ns").accepted == 1
