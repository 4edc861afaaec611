"""Queries to the built-in data source, on the figures that Grafana's gives."""

import json
import random
from typing import Any

import msgspec
import pytest

from framecast.plugins import Query, QueryError
from framecast.plugins.testdata import Testdata
from framecast.plugins.testdata_queries import MAX_ROWS, answer_query
from framecast.plugins.testing import hosted


def ask(query_type: str = "", *, interval_ms: int = 1_000, to_ms: int = 10_000, points: int = 100, **model: Any) -> Any:
    """The frames as JSON says them."""
    text = msgspec.json.encode(model)
    query = Query("A", 0, to_ms, text, query_type, max_data_points=points, interval_ms=interval_ms)
    return [json.loads(frame.whole) for frame in answer_query(query, random.Random(7))]


def values(frame: Any, column: int = 1) -> Any:
    return frame["data"]["values"][column]


def test_a_walk_has_a_point_for_each_interval() -> None:
    [frame] = ask()
    assert values(frame, 0) == list(range(0, 10_000, 1_000))
    steps = [abs(after - before) for before, after in zip(values(frame), values(frame)[1:], strict=False)]
    assert all(step <= 0.5 for step in steps)
    assert len(set(values(frame))) == 10
    time, value = frame["schema"]["fields"]
    assert (time["typeInfo"], time["config"]) == ({"frame": "time.Time"}, {"interval": 1_000})
    assert (value["name"], value["typeInfo"]) == ("A-series", {"frame": "float64", "nullable": True})
    assert frame["schema"]["meta"] == {"typeVersion": [0, 0], "type": "timeseries-multi"}


@pytest.mark.parametrize(("points", "interval_ms", "rows"), [(3, 1_000, 3), (100, 3_000, 4), (0, 1, 0), (9, 0, 9)])
def test_a_walk_has_no_more_points_than_there_is_room_and_time_for(points: int, interval_ms: int, rows: int) -> None:
    [frame] = ask(points=points, interval_ms=interval_ms)
    assert len(values(frame)) == rows


def test_no_query_makes_more_rows_than_a_frame_may_have() -> None:
    [frame] = ask(points=10**15, interval_ms=1, to_ms=10**15)
    assert len(values(frame)) == MAX_ROWS


def test_a_walk_is_as_its_editor_says() -> None:
    frames = ask(
        "random_walk", seriesCount=2, startValue=5, spread=100, min=4.5, max=5.5, labels='{a="x$seriesIndex", b=y}'
    )
    assert [frame["schema"]["fields"][1]["name"] for frame in frames] == ["A-series", "A-series1"]
    assert [frame["schema"]["fields"][1]["labels"] for frame in frames] == [
        {"a": "x0", "b": "y"},
        {"a": "x1", "b": "y"},
    ]
    assert all(4.5 <= value <= 5.5 for frame in frames for value in values(frame))
    [frame] = ask(startValue=5, spread=0, alias="mine")
    assert (set(values(frame)), frame["schema"]["fields"][1]["name"]) == ({5}, "mine")
    [frame] = ask(startValue=5, spread=0, noise=1)
    assert all(5 <= value <= 6 for value in values(frame))


def test_listed_values_are_spread_over_the_range() -> None:
    [frame] = ask("csv_metric_values", stringInput=" 1, null,nan,3.5,")
    assert frame["data"] == {
        "values": [[0, 3_333, 6_667, 10_000], [1, None, None, 3.5]],
        "entities": [None, {"NaN": [2]}],
    }
    [frame] = ask("csv_metric_values", stringInput="")
    assert frame["data"]["values"] == [[], []]


def test_the_other_scenarios() -> None:
    assert ask("no_data_points") == []
    [frame] = ask("datapoints_outside_range")
    assert frame["data"]["values"] == [[-3_600_000], [10]]
    [frame] = ask("server_error_500", stringInput="1,2")
    assert values(frame) == [1, 2]


@pytest.mark.parametrize(
    ("model", "status", "words"),
    [
        ({"scenarioId": "usa"}, 400, "no scenario 'usa' here; there are random_walk,"),
        ({"scenarioId": "server_error_500"}, 500, "asked for"),
        ({"scenarioId": "csv_metric_values", "stringInput": "1,x"}, 400, "'x' is no number"),
        ({"seriesCount": 101}, 400, "seriesCount"),
        ({"seriesCount": "many"}, 400, "seriesCount"),
        ({"labels": 1}, 400, "labels"),
    ],
)
def test_what_it_cannot_answer_is_told(model: dict[str, Any], status: int, words: str) -> None:
    with pytest.raises(QueryError) as caught:
        ask(**model)
    assert (caught.value.status, words in str(caught.value)) == (status, True)


async def test_an_author_asks_queries_without_a_server() -> None:
    async with hosted(Testdata()) as host:
        answer = await host.query(Query("B", 0, 3_000))
        assert (answer["status"], answer["error"], values(answer["frames"][0], 0)) == (200, "", [0, 1_000, 2_000])
        answer = await host.query(Query("B", 0, 3_000, query_type="usa"))
        assert (answer["status"], answer["frames"]) == (400, [])
        assert "no scenario" in answer["error"]
