"""What is kept of a dashboard is what came, and what cannot be one is refused by the name of the member."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.dashboards.document import complete, parse_document
from framecast.errors import Refusal

MANY = 10_000_000

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def parse(dashboard: Any, max_bytes: int = MANY) -> Any:
    return parse_document(json.dumps(dashboard).encode(), max_bytes=max_bytes)


@given(st.dictionaries(st.text(max_size=9), values, max_size=6), st.integers(0, 3), st.booleans())
def test_a_dashboard_comes_back_equal_but_for_what_is_the_servers(others: Any, indent: int, escaped: bool) -> None:
    sent = {**others, "title": "t", "tags": ["a"], "id": None, "uid": "x", "version": 3}
    document, claim = parse_document(json.dumps(sent, indent=indent, ensure_ascii=escaped).encode(), max_bytes=MANY)
    back = json.loads(complete(document.text, 7, "u", 4))
    kept = {name: value for name, value in sent.items() if name not in {"id", "uid", "version"}}
    assert repr(back) == repr({"id": 7, "uid": "u", "version": 4, **kept})
    assert (claim.dashboard_id, claim.uid, claim.version) == (None, "x", 3)


@pytest.mark.parametrize(
    "number",
    ["0.10", "1E2", "-0", "-0.0", "1.0", "1234567890123456789012345678901234567890", "5e-324", "0.1e1"],
)
def test_numbers_stay_as_they_were_written(number: str) -> None:
    document, _ = parse_document(f'{{ "title" : "t",\n "n" : [ {number} ] }}'.encode(), max_bytes=MANY)
    text = complete(document.text, 1, "u", 1)
    assert json.loads(text, parse_float=str, parse_int=str)["n"] == [number]
    assert json.loads(text, parse_float=Decimal)["n"] == [json.loads(number, parse_float=Decimal)]


@pytest.mark.parametrize(
    ("dashboard", "words"),
    [
        ([], "dashboard: has to be an object"),
        ("x", "dashboard: has to be an object"),
        (None, "dashboard: has to be an object"),
        ({}, "Dashboard title cannot be empty"),
        ({"title": None}, "Dashboard title cannot be empty"),
        ({"title": " \n"}, "Dashboard title cannot be empty"),
        ({"title": 1}, "dashboard.title"),
        ({"title": "t" * 5_001}, "5000 characters"),
        ({"title": "t", "tags": "x"}, "dashboard.tags"),
        ({"title": "t", "tags": [1]}, "dashboard.tags"),
        ({"title": "t", "tags": ["x"] * 101}, "dashboard.tags"),
        ({"title": "t", "tags": ["x" * 201]}, "dashboard.tags"),
        ({"title": "t", "id": "1"}, "dashboard.id"),
        ({"title": "t", "id": -1}, "dashboard.id"),
        ({"title": "t", "id": 1.5}, "dashboard.id"),
        ({"title": "t", "id": True}, "dashboard.id"),
        ({"title": "t", "id": 2**63}, "dashboard.id"),
        ({"title": "t", "uid": 1}, "dashboard.uid"),
        ({"title": "t", "version": "1"}, "dashboard.version"),
        ({"title": "t", "version": []}, "dashboard.version"),
    ],
)
def test_what_cannot_be_a_dashboard_is_refused_by_name(dashboard: Any, words: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(dashboard)
    assert caught.value.code == 400
    assert words in caught.value.message


def test_its_size_is_counted_without_spaces() -> None:
    text = b'{"title":"t",   "a":        1}'
    assert parse_document(text, max_bytes=19)[0].text == b'{"title":"t","a":1}'
    with pytest.raises(Refusal, match=r"dashboards\.document_bytes") as caught:
        parse_document(text, max_bytes=18)
    assert caught.value.code == 413
