"""``grafana.query`` takes the JSON that ``/api/ds/query`` takes, and no other."""

from typing import Any

import pytest
import trio

from framecast.errors import Refusal
from framecast.plugins import Column, Context, Frame, Plugin, Query
from framecast.queries.calls import METHOD, QueryCalls
from queries.place import VIEWER, query_place

ASKED = b'{"queries": [{"refId": "A", "datasource": {"uid": "plant"}}], "from": "1", "to": "2"%s}'


class Plant(Plugin):
    """Answers with one frame."""

    async def query(self, context: Context, query: Query) -> Frame:
        return Frame([Column("value", [1.5], "float64")])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (b"", ""),
        (b', "x": {"a": [[]]}', ""),
        (b', "from": "2"', "the key 'from' stands twice"),
        (b', "x": {"a": 1, "a": 2}', "the key 'a' stands twice"),
        (b', "x": 1e999', "no finite double"),
        (b', "x": "\\ud800"', "half a character"),
        (b', "x": [[[[[[[[[[1]]]]]]]]]]', "nests deeper than 10"),
        (b",", "no JSON"),
        (b', "x": "\xff"', "no UTF-8"),
    ],
)
async def test_data_is_taken_as_the_bodies_of_requests_are(
    autojump_clock: trio.testing.MockClock, more: bytes, words: str
) -> None:
    async with query_place({"plant": Plant()}) as place:
        call: Any = QueryCalls(place.desk, nesting=10).methods()[METHOD]
        if not words:
            assert b'"results"' in await call(VIEWER, ASKED % more)
            return
        with pytest.raises(Refusal, match=words) as refused:
            await call(VIEWER, ASKED % more)
        assert refused.value.code == 107
