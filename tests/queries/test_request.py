"""The body of a request: what is read of it, with Grafana's defaults, and what is none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.errors import Refusal
from framecast.queries.request import Asked, parse_request


def parse(body: Any, *, max_queries: int = 3) -> Asked:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_request(text, now_ms=5_000, max_queries=max_queries)


def body_with(*queries: Any, **more: Any) -> dict[str, Any]:
    return {"queries": queries, "from": "1000", "to": 2_000, **more}


def test_a_query_is_read_with_all_that_it_says() -> None:
    text = (
        b'{"refId":"B", "datasource":{"type":"t","uid":"u"},"queryType":"range","maxDataPoints":12.9,"intervalMs":15,'
    )
    text += b'"big":1e400}'
    asked = parse(b'{"queries":[' + text + b'],"from":"now-4s","to":"now","other":1}')
    [query] = asked.queries
    assert asked.of == {"B": "u"}
    assert (query.ref_id, query.text, query.query_type) == ("B", text, "range")
    assert (query.from_ms, query.to_ms, query.max_data_points, query.interval_ms) == (1_000, 5_000, 12, 15)


@pytest.mark.parametrize("empty", [{}, dict.fromkeys(("refId", "queryType", "maxDataPoints", "intervalMs"))])
def test_what_a_query_does_not_say_is_as_in_grafana(empty: dict[str, Any]) -> None:
    [query] = parse(body_with({"datasource": {"uid": "u"}, **empty})).queries
    assert (query.ref_id, query.query_type, query.max_data_points, query.interval_ms) == ("A", "", 100, 1_000)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"datasource": {"uid": "u", "type": "t"}}, "u"),
        ({"datasource": "u"}, "u"),
        ({"datasource": {"uid": "u"}, "datasourceId": 7}, "u"),
        ({"datasourceId": 7}, 7),
        ({"datasource": None, "datasourceId": 7}, 7),
        ({"datasource": {"type": "t"}, "datasourceId": 7}, 7),
    ],
)
def test_a_data_source_is_named_in_any_of_grafanas_ways(query: Any, named: str | int) -> None:
    assert parse(body_with(query)).of == {"A": named}


SOURCE = {"datasource": {"uid": "u"}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Input data was truncated"),
        (b"\xff", "bad request data"),
        (b"[" * 100_000, "bad request data"),
        ([], "Expected `object`"),
        ({"from": "0", "to": "1"}, "missing required field `queries`"),
        ({"queries": [SOURCE], "to": "1"}, "missing required field `from`"),
        ({"queries": [SOURCE], "from": "1"}, "missing required field `to`"),
        (body_with(SOURCE, to=None), "Expected `int | str`"),
        (body_with(SOURCE, to="soon"), "to has to be milliseconds"),
        (body_with(), "no queries found"),
        (body_with("x"), "Expected `object`"),
        (body_with(*[{**SOURCE, "refId": letter} for letter in "ABCD"]), "4 queries; at most 3"),
        (body_with(SOURCE, SOURCE), r"queries\[1\]: the refId 'A' stands twice"),
        (body_with({**SOURCE, "refId": "x" * 101}), "more than 100 characters"),
        (body_with({**SOURCE, "maxDataPoints": -1}), "maxDataPoints"),
        (body_with({**SOURCE, "intervalMs": "1s"}), "intervalMs"),
        (body_with({}), "'A' names no data source"),
        (body_with({"datasourceId": 0}), "'A' names no data source"),
        (body_with({"datasourceId": 2**63}), "datasourceId"),
        (body_with({"datasourceId": 2**70}), "datasourceId"),
        (body_with({"datasource": {"uid": "__expr__"}}), "is an expression"),
        (body_with({"datasource": "__expr__"}), "is an expression"),
        (body_with({"datasourceId": -100}), "is an expression"),
    ],
)
def test_what_is_no_request_is_refused_with_what_is_wrong(body: Any, words: str) -> None:
    with pytest.raises(Refusal, match=words) as caught:
        parse(body)
    assert caught.value.code == 400


JSON: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, 7, -1, 1.5, 1e300, 2**70, "", "A", "u", "now", "now-1h", [], {}, {"uid": "u"}]
)
KEYS = ["refId", "datasource", "datasourceId", "queryType", "maxDataPoints", "intervalMs", "uid"]


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), JSON)), JSON, JSON)
def test_no_body_does_more_than_be_refused(queries: Any, begin: Any, end: Any) -> None:
    try:
        asked = parse({"queries": queries, "from": begin, "to": end})
    except Refusal as refusal:
        assert refusal.code == 400
    else:
        assert set(asked.of) == {query.ref_id for query in asked.queries}
