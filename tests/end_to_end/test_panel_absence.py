"""What becomes of a Grafana panel whose client is away for a while: the three formats side by side.

See test_panel_life.py for what is asserted of each of them.
"""

from contextlib import ExitStack
from pathlib import Path

import pytest

from end_to_end.conftest import ServerStarter
from end_to_end.dashboard import Dashboard, dashboard
from end_to_end.server import RunningServer, running_server
from end_to_end.wire import connect

BEFORE = ["cpu,host=a x=1 1\ncpu,host=b x=2 1", "cpu,host=a x=3 2"]
MEANWHILE = [f"cpu,host=a x={number} {number}\ncpu,host=b x={number}.5 {number}" for number in range(3, 9)]
GROWTH = ["cpu,host=a x=9,y=9 9\ncpu,host=b x=9.5 9"]
AFTER = ["cpu,host=b x=10 10", "cpu,host=a x=11 11"]


async def test_panels_that_were_unsubscribed_miss_nothing(server: RunningServer, stream: str) -> None:
    async with dashboard(server, stream) as here:
        await here.push_all(BEFORE)
        await here.wait_until_given()
        await here.unsubscribe()
        await here.push_all(MEANWHILE)
        await here.subscribe()
        await here.push_all(AFTER)
        await here.check_panels()
        assert [given.recovered for given in here.given.values()] == [1, 1, 1]


async def test_panels_that_are_opened_late_begin_with_the_past(server: RunningServer, stream: str) -> None:
    async with dashboard(server, stream) as here:
        await here.push_all([*BEFORE, *GROWTH, *MEANWHILE])
        await here.reopen()
        await here.push_all(AFTER)
        await here.check_panels()


async def test_panels_that_lost_their_connection_miss_nothing(server: RunningServer, stream: str) -> None:
    async with dashboard(server, stream) as here:
        await here.push_all(BEFORE)
        await here.wait_until_given()
        async with here.absence():
            await here.push_all(MEANWHILE)
        await here.push_all(AFTER)
        await here.check_panels()
        assert [given.recovered for given in here.given.values()] == [1, 1, 1]


async def test_panels_that_return_too_late_get_the_rows_that_are_left(start_server: ServerStarter, stream: str) -> None:
    async with dashboard(start_server("history.rows=5"), stream, history_rows=5) as here:
        await here.push_all(BEFORE)
        await here.wait_until_given()
        async with here.absence():
            await here.push_all(MEANWHILE)
        await here.push_all(AFTER)
        await here.check_panels()
        assert [given.not_recovered for given in here.given.values()] == [1, 1, 1]
        assert {name: given.lost for name, given in here.given.items()} == {"labels_column": 4, "wide": 1, "series": 1}


async def check_grown(here: Dashboard, *, broken: int) -> None:
    """What is left of the panels when columns grew while they were away: as if they had been there."""
    await here.check_panels("series")
    await here.check_dead("labels_column", messages=broken)
    mixed = await here.shown("wide")
    assert mixed["time", ""] == here.expected("wide")["time", ""]
    assert mixed["x", "host=a"] == mixed["x", "host=b"]
    await here.reopen()
    await here.check_panels()


async def test_columns_grow_while_panels_are_away(server: RunningServer, stream: str) -> None:
    async with dashboard(server, stream) as here:
        await here.push_all(BEFORE)
        await here.wait_until_given()
        async with here.absence():
            await here.push_all([*MEANWHILE, *GROWTH])
        await here.push_all(AFTER)
        await check_grown(here, broken=3)


async def test_columns_grow_while_panels_are_away_for_too_long(start_server: ServerStarter, stream: str) -> None:
    async with dashboard(start_server("history.rows=5"), stream, history_rows=5) as here:
        await here.push_all(BEFORE)
        await here.wait_until_given()
        async with here.absence():
            await here.push_all([*GROWTH, *MEANWHILE])
        await here.push_all(AFTER)
        await check_grown(here, broken=3)
        assert [given.not_recovered for given in here.given.values()] == [1, 1, 1]


@pytest.mark.parametrize("meanwhile", [[], MEANWHILE], ids=["no rows meanwhile", "rows meanwhile"])
async def test_the_server_is_restarted_over_the_same_data(tmp_path: Path, stream: str, meanwhile: list[str]) -> None:
    with ExitStack() as servers:
        first = servers.enter_context(running_server(tmp_path))
        async with dashboard(first, stream) as here:
            await here.push_all(BEFORE)
            await here.wait_until_given()
            first.begin_stop()
            await first.stopped()
            second = servers.enter_context(running_server(tmp_path))
            async with connect(second.address) as pushing:
                here.restart(pushing)
                await here.push_all(meanwhile)
                async with here.returning():
                    here.proxy.target = second.address
                await here.push_all(AFTER)
                await check_restarted(here)


async def check_restarted(here: Dashboard) -> None:
    await here.check_panels("series", "wide")
    # The rows are right; the schema that came again has cost every series its labels.
    time, *series = await here.fields("labels_column")
    expected = here.expected("labels_column")
    assert time["values"] == expected["time", ""]
    assert [(field["name"], field["labels"]) for field in series] == [("x", None), ("x", None)]
    assert [field["values"] for field in series] == [expected["x", "host=a"], expected["x", "host=b"]]
    assert here.broken("labels_column") == []
    await here.reopen()
    await here.check_panels()
