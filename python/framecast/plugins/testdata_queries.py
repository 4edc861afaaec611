"""Queries to the data source ``testdata``: the scenarios of Grafana's that panels are tried out with.

Named as there: `queryType`, or `scenarioId` where that is empty.
"""

import random
from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from framecast.plugins.columns import Column
from framecast.plugins.frames import Frame
from framecast.plugins.query import Query, QueryError

MAX_ROWS = 10_000
"""Of one frame, whatever a query asks for (Grafana: the same)."""

MAX_TEXT = 10_000
HOUR_MS = 3_600_000
NS_PER_MS = 1_000_000

Number = float | None


class _Model(Struct, frozen=True):
    """What the editor of such a query keeps."""

    scenarioId: str = "random_walk"  # noqa: N815 - Grafana's names
    alias: Annotated[str, Meta(max_length=MAX_TEXT)] = ""
    labels: Annotated[str, Meta(max_length=MAX_TEXT)] = ""
    stringInput: Annotated[str, Meta(max_length=MAX_TEXT)] = ""  # noqa: N815
    seriesCount: Annotated[int, Meta(ge=0, le=100)] | None = None  # noqa: N815
    startValue: Number = None  # noqa: N815
    spread: Number = None
    noise: Number = None
    min: Number = None
    max: Number = None


_models = msgspec.json.Decoder(_Model)


def answer_query(query: Query, dice: random.Random) -> Iterable[Frame]:
    """The frames of a query, each made when it is asked for.

    QueryError 400 for a scenario that there is not, and for a query that is none.
    """
    try:
        model = _models.decode(query.text)
    except msgspec.DecodeError as error:
        raise QueryError(f"the query is none of testdata's: {error}") from None
    scenario = query.query_type or model.scenarioId
    match scenario:
        case "random_walk":
            series = 1 if model.seriesCount is None else model.seriesCount
            return (_walk(query, model, number, dice) for number in range(series))
        case "csv_metric_values":
            return [_listed(query, model)]
        case "datapoints_outside_range":
            return [_frame("Value", [(query.from_ms - HOUR_MS) * NS_PER_MS], [10.0])]
        case "no_data_points":
            return []
        case "server_error_500" if not model.stringInput.strip():
            raise QueryError("a failure that was asked for", 500)
        case "server_error_500":
            return [_listed(query, model)]
    there = "random_walk, csv_metric_values, datapoints_outside_range, no_data_points, server_error_500"
    raise QueryError(f"testdata has no scenario {scenario[:50]!r} here; there are {there}")


def _walk(query: Query, model: _Model, number: int, dice: random.Random) -> Frame:
    """A walk of random steps from the begin of the range, a point for each interval."""
    spread = 1.0 if model.spread is None else model.spread
    noise = model.noise or 0.0
    value = dice.random() * 100 if model.startValue is None else model.startValue
    step_ms = max(query.interval_ms, 1)
    rows = min(query.max_data_points, MAX_ROWS, -(-(query.to_ms - query.from_ms) // step_ms))
    values = []
    for _ in range(rows):
        shown = value + dice.random() * noise
        if model.min is not None and shown < model.min:
            shown = value = model.min
        if model.max is not None and shown > model.max:
            shown = value = model.max
        values.append(shown)
        value += (dice.random() - 0.5) * spread
    times = [(query.from_ms + row * step_ms) * NS_PER_MS for row in range(rows)]
    column = Column(_name(query, model, number), values, "float64", labels=_labels(model.labels, number))
    return Frame(
        [Column("time", times, "time", nullable=False, config={"interval": step_ms}), column],
        meta={"type": "timeseries-multi"},
    )


def _listed(query: Query, model: _Model) -> Frame:
    """The values of a comma-separated text, spread over the range; ``null`` is one that is missing."""
    values = [_number(text.strip()) for text in model.stringInput.split(",") if text.strip()]
    step = (query.to_ms - query.from_ms) / max(len(values) - 1, 1)
    times = [round(query.from_ms + row * step) * NS_PER_MS for row in range(len(values))]
    return _frame(_name(query, model, 0), times, values)


def _frame(name: str, times: list[int], values: list[Number]) -> Frame:
    return Frame([Column("time", times, "time", nullable=False), Column(name, values, "float64")])


def _number(text: str) -> Number:
    if text == "null":
        return None
    try:
        return float(text)
    except ValueError:
        raise QueryError(f"the value {text[:50]!r} is no number") from None


def _name(query: Query, model: _Model, number: int) -> str:
    return model.alias or f"{query.ref_id}-series{number or ''}"


def _labels(text: str, number: int) -> Mapping[str, str]:
    """``{job="a", instance="$seriesIndex"}``, the braces and quotes as one likes."""
    pairs = (pair.partition("=") for pair in text.strip().strip("{}").split(",") if "=" in pair)
    return {
        name.strip(): value.strip().strip('"').replace("$seriesIndex", str(number))
        for name, _, value in pairs
        if name.strip()
    }
