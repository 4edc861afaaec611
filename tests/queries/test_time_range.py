"""Times as Grafana's clients write them: every spelling, both ends, and what is none."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.errors import Refusal
from framecast.queries.time_range import MAX_MS, parse_range


def ms(*parts: int) -> int:
    return round(datetime(*parts, tzinfo=UTC).timestamp() * 1_000)  # type: ignore[misc,arg-type]  # as many as there are


NOW = ms(2024, 3, 31, 13, 47, 21) + 123
"""A Sunday, the last of a month with 31 days."""


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("1700000000123", 1_700_000_000_123, 1_700_000_000_123),
        ("-1", -1, -1),
        ("now", NOW, NOW),
        ("now-6h", NOW - 6 * 3_600_000, NOW - 6 * 3_600_000),
        ("now+90s", NOW + 90_000, NOW + 90_000),
        ("now-250ms", NOW - 250, NOW - 250),
        ("now-1h+5m", NOW - 55 * 60_000, NOW - 55 * 60_000),
        ("now-1w", NOW - 7 * 86_400_000, NOW - 7 * 86_400_000),
        ("now-1M", ms(2024, 2, 29, 13, 47, 21) + 123, ms(2024, 2, 29, 13, 47, 21) + 123),
        ("now-13M", ms(2023, 2, 28, 13, 47, 21) + 123, ms(2023, 2, 28, 13, 47, 21) + 123),
        ("now+1y", ms(2025, 3, 31, 13, 47, 21) + 123, ms(2025, 3, 31, 13, 47, 21) + 123),
        ("now/s", ms(2024, 3, 31, 13, 47, 21), ms(2024, 3, 31, 13, 47, 22) - 1),
        ("now/m", ms(2024, 3, 31, 13, 47), ms(2024, 3, 31, 13, 48) - 1),
        ("now/h", ms(2024, 3, 31, 13), ms(2024, 3, 31, 14) - 1),
        ("now/d", ms(2024, 3, 31), ms(2024, 4, 1) - 1),
        ("now-1d/d", ms(2024, 3, 30), ms(2024, 3, 31) - 1),
        ("now/w", ms(2024, 3, 31), ms(2024, 4, 7) - 1),
        ("now-1d/w", ms(2024, 3, 24), ms(2024, 3, 31) - 1),
        ("now/M", ms(2024, 3, 1), ms(2024, 4, 1) - 1),
        ("now-1M/M", ms(2024, 2, 1), ms(2024, 3, 1) - 1),
        ("now/y", ms(2024, 1, 1), ms(2025, 1, 1) - 1),
    ],
)
def test_a_time_is_read_as_a_begin_and_as_an_end(text: str, begin: int, end: int) -> None:
    assert parse_range(text, MAX_MS, NOW)[0] == begin
    assert parse_range(-MAX_MS, text, NOW)[1] == end


@pytest.mark.parametrize(
    "text",
    [
        "", "then", "now-", "now-6", "now-6x", "now-h", "now -6h", "now-6h ", "NOW", "now/", "now/q", "now/d/d",
        "now/ms", "1.5", "1e3", "٣", "0x10", "now-٣h", "2024-01-01", "9999999999999999", "99999999999999999",
        "now+999999999y", "now-999999999w", "9007199254740993000",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_its_key(text: str) -> None:
    for key, ends in (("from", (text, "now")), ("to", ("now", text))):
        with pytest.raises(Refusal, match=f"{key} has to be milliseconds") as caught:
            parse_range(*ends, NOW)
        assert caught.value.code == 400


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(Refusal, match="ends before it begins"):
        parse_range("now", "now-1s", NOW)
    assert parse_range("now", "now", NOW) == (NOW, NOW)


@given(st.text(max_size=12) | st.from_regex(r"now([+-][0-9]{1,9}(ms|[smhdwMy])){0,3}(/[smhdwMy])?", fullmatch=True))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        begin, _ = parse_range(text, MAX_MS, NOW)
    except Refusal as refusal:
        assert refusal.code == 400
    else:
        assert -MAX_MS <= begin <= MAX_MS
