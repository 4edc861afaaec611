"""JSON bodies: what is taken is what every parser reads alike, and what is refused says why."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from framecast.errors import Refusal
from framecast.strict_json import check_nesting, parse_json

NESTING = 20

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**1022), 2**1022)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def check_refused(text: str | bytes) -> str:
    """What is said of a text that must be refused."""
    with pytest.raises(Refusal) as caught:
        parse_json(text.encode() if isinstance(text, str) else text, nesting=NESTING)
    assert caught.value.code == 400
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300
    return caught.value.message


def depth_of(value: Any) -> int:
    """The naive way."""
    if isinstance(value, dict):
        return 1 + max((depth_of(one) for one in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth_of(one) for one in value), default=0)
    return 0


@given(values, st.booleans())
@example({"a": [1, 1.0, True, -0.0, 5e-324, 10**308]}, True)
def test_good_json_is_read_as_the_standard_library_reads_it(value: Any, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    if depth_of(value) <= NESTING:
        assert repr(parse_json(text.encode(), nesting=NESTING)) == repr(json.loads(text))


@given(values, st.integers(0, 8))
def test_nesting_is_counted_whatever_stands_in_texts(value: Any, limit: int) -> None:
    text = json.dumps([value, '[{"\\'], ensure_ascii=False).encode()
    if depth_of([value]) > limit:
        with pytest.raises(Refusal, match=str(limit)):
            check_nesting(text, limit)
    else:
        check_nesting(text, limit)


@given(st.binary(max_size=60) | st.text('[]{}",:\\u0d8eE+-.1a', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    try:
        value = parse_json(text, nesting=NESTING)
    except Refusal as refused:
        assert refused.code == 400
    else:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"a": 1, "b": 2, "a": 1}', "'a' stands twice"),
        ('[[{"x": {"\\u0061": 1, "a": 1}}]]', "'a' stands twice"),
        ('{"\\u001b[0m": 1, "\\u001b[0m": 1}', "\\x1b"),
        ("NaN", "NaN"),
        ('{"a": [-Infinity]}', "-Infinity"),
        ("1e999", "1e999"),
        ("[-1E+400]", "-1E+400"),
        ("1" + "0" * 309, "100000"),
        ("-" + "9" * 5_000, "-9999"),
        ('"\\ud800"', "ud800"),
        ('{"\\udc00x": 1}', "udc00"),
        ('"\\ude00\\ud83d"', "ude00"),
        ("", "line 1"),
        ('{"a": 1,}', "column"),
        ("[1] [2]", "column"),
        ("'a'", "column"),
        ('"a\nb"', "column"),
        (b'"\xff"', "byte 1"),
        ("[1]".encode("utf-16"), "byte 0"),
        (b"\xef\xbb\xbf[1]", "BOM"),
    ],
)
def test_what_others_would_read_differently_is_refused(text: str | bytes, word: str) -> None:
    assert word in check_refused(text)


@pytest.mark.parametrize(
    "text", ["[" * 21 + "]" * 21, '{"a":' * 21 + "1" + "}" * 21, "[" * 1_000_000, '[{"":' * 500_000]
)
def test_too_deep_is_told_from_broken(text: str) -> None:
    assert "api.nesting" in check_refused(text)


@pytest.mark.parametrize("text", ['"' + '\\"' * 1_000_000, '"' * 1_000_001, '"\\' * 1_000_000, "[" + "[]," * 1_000_000])
def test_hostile_texts_are_refused_after_one_reading(text: str) -> None:
    check_refused(text)


def test_the_largest_numbers_are_taken_whole() -> None:
    largest = int(1.7976931348623157e308)
    assert parse_json(str(-largest).encode(), nesting=1) == -largest
    assert parse_json(b"1.7976931348623157e308", nesting=1) == 1.7976931348623157e308
