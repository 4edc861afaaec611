"""The cutter never cuts inside a string, loses nothing, and does not care how its input was divided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.cli.batches import Batch, BatchCutter, LeftOut

PIECES = [b'"', b"\\", b"\n", b" ", b"=", b",", b"#", b"m", b'm,t=1 f="', b'm f=1,g="a\nb" 1\n', b'\\"', b"\\\n"]

wild = st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join)
strings = st.text(alphabet='a"\\\n ,=#', max_size=12).map(
    lambda text: ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"').encode()
)
names = st.sampled_from([b"m", b'q"', b"a\\ b", b"a\\,b", b"a\\=b", b'\\ "', b"x\\\\y"])
fields = st.lists(st.tuples(names, st.one_of(strings, st.sampled_from([b"1", b"2i", b"t"]))), min_size=1, max_size=4)
entries = st.builds(
    lambda name, tags, fields, stamp: (
        b"m%s%s %s%s\n" % (name, tags, b",".join(b"%s=%s" % pair for pair in fields), stamp)
    ),
    name=names,
    tags=st.sampled_from([b"", b',t="', b',t=a\\ "b', b",t=\\=x"]),
    fields=fields,
    stamp=st.sampled_from([b"", b" 17"]),
)


def cut(data: bytes, *, step: int | None = None, lines: int = 2) -> list[Batch | LeftOut]:
    cutter = BatchCutter("f", batch_lines=lines, batch_bytes=1_000, entry_bytes=2_000)
    out = []
    for start in range(0, len(data), step or max(1, len(data))):
        out += cutter.feed(data[start : start + (step or len(data))])
    return out + cutter.finish()


def bodies(out: list[Batch | LeftOut]) -> list[bytes]:
    return [each.body for each in out if isinstance(each, Batch)]


@given(wild, st.integers(1, 4))
def test_nothing_is_lost_and_lines_are_counted(data: bytes, lines: int) -> None:
    out = cut(data, lines=lines)
    assert b"".join(bodies(out)) == data
    line = 1
    for batch in out:
        assert isinstance(batch, Batch)
        assert batch.first_line == line
        assert 1 <= batch.entries <= lines
        line += batch.body.count(b"\n")


@given(wild, st.integers(1, 5))
def test_division_of_the_input_makes_no_difference(data: bytes, step: int) -> None:
    assert cut(data, step=step) == cut(data)


@given(st.lists(entries, max_size=8))
def test_each_entry_is_cut_off_whole(lines: list[bytes]) -> None:
    assert bodies(cut(b"".join(lines), lines=1)) == lines


@given(st.lists(entries, max_size=8), st.data())
def test_flush_never_cuts_inside_an_entry(lines: list[bytes], data: st.DataObject) -> None:
    cutter = BatchCutter("f", batch_lines=100)
    whole = b"".join(lines)
    split = data.draw(st.integers(0, len(whole)))
    out = cutter.feed(whole[:split]) + cutter.flush()
    ends = {len(b"".join(lines[:count])) for count in range(len(lines) + 1)}
    assert sum(map(len, bodies(out))) in ends
    out += cutter.feed(whole[split:]) + cutter.finish()
    assert b"".join(bodies(out)) == whole
    assert sum(batch.entries for batch in out if isinstance(batch, Batch)) == len(lines)


@pytest.mark.parametrize(
    "first",
    [
        b'# it is "quoted',
        b'"m" f=1',
        b'm,t="a f=1',
        b'm f"=1',
        b'm f=1 "',
        b'm f=a"b',
        b'm f="a"b"',
        b'm f="a\\\\"',
        b'm f="a",g=2 "',
        b"m f=1\\",
        b'm f=1 2,g="a',
        b'"',
    ],
)
def test_quotes_that_open_no_string_do_not_join_lines(first: bytes) -> None:
    assert bodies(cut(first + b"\nm f=2\n", lines=1)) == [first + b"\n", b"m f=2\n"]


@pytest.mark.parametrize("first", [b'm f="a', b'm f="a\\"', b'm f="a",g="', b'm\\ n,t=\\  f="', b' m f="#'])
def test_a_newline_inside_a_string_does_not_end_the_entry(first: bytes) -> None:
    assert bodies(cut(first + b'\n" 1\nm f=2\n', lines=1)) == [first + b'\n" 1\n', b"m f=2\n"]


def test_a_quote_that_is_never_closed_costs_its_line_only() -> None:
    good = b"m f=2 3\n" * 400
    out = cut(b'm f=1\nm f="x\ny",g="open\n' + good, lines=1_000, step=64)
    left_out = [each for each in out if isinstance(each, LeftOut)]
    assert [(each.line, each.column) for each in left_out] == [(3, 6)]
    assert "quote" in left_out[0].reason
    assert b"".join(bodies(out)) == b"m f=1\n" + good
    after = [each for each in out if isinstance(each, Batch)][1]
    assert after.first_line == 4


def test_an_endless_line_is_left_out_and_memory_stays_bounded() -> None:
    cutter = BatchCutter("f", batch_lines=10, entry_bytes=1_000)
    out = []
    for _ in range(100):
        out += cutter.feed(b"x" * 500)
        assert len(cutter._pending) <= 1_500
    out += cutter.feed(b"\nm f=1\n") + cutter.finish()
    assert [type(each) for each in out] == [LeftOut, Batch]
    assert out[1] == Batch("f", 2, 1, b"m f=1\n")


def test_a_batch_ends_at_its_size() -> None:
    assert [len(body) for body in bodies(cut(b"m f=123456\n" * 200, lines=10_000))] == [1001, 1001, 198]
