"""A plugin says no in its own words, and whoever asked is told them."""

import pytest
import trio
from trio.testing import MockClock

from framecast.plugins import (
    Context,
    DataSource,
    Frame,
    Plugin,
    Query,
    Refusal,
    RefusedError,
    Sender,
)
from framecast.plugins.testing import hosted


class Picky(Plugin):
    """Refuses with the status that the path, or the query, names."""

    def __init__(self) -> None:
        self.runs = 0

    async def subscribe(self, context: Context, path: str, data: bytes) -> None:
        if path.isdigit():
            raise RefusedError("the setting `interval` is no number", int(path))

    async def publish(self, context: Context, path: str, data: bytes) -> bytes:
        raise RefusedError("not today")

    async def query(self, context: Context, query: Query) -> Frame:
        raise RefusedError("no such table", 422)

    async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
        self.runs += 1
        raise RefusedError("over there", int(path.removeprefix("run-")))


@pytest.mark.parametrize(("status", "temporary"), [(400, False), (409, False), (429, True), (503, True)])
async def test_a_subscriber_is_told_why(status: int, temporary: bool, autojump_clock: MockClock) -> None:
    async with hosted(Picky()) as host:
        with pytest.raises(Refusal) as caught:
            await host.subscribe(str(status))
    refusal = caught.value
    assert (refusal.code, refusal.temporary) == (status, temporary)
    assert refusal.message == "the setting `interval` is no number"


async def test_so_is_who_publishes_or_queries(autojump_clock: MockClock) -> None:
    async with hosted(Picky(), data_source=DataSource("net")) as host:
        with pytest.raises(Refusal, match="not today") as caught:
            await host.publish("a", 1)
        assert caught.value.code == 400
        assert await host.query(Query("A", 0, 1)) == {"status": 422, "frames": [], "error": "no such table"}


async def test_a_stream_that_is_refused_for_good_is_not_started_again(autojump_clock: MockClock) -> None:
    for status, again in ((400, False), (503, True)):
        plugin = Picky()
        async with hosted(plugin) as host:
            await host.subscribe(f"run-{status}")
            await trio.sleep(10)
        assert (plugin.runs > 1) is again


@pytest.mark.parametrize("status", [200, 399, 600, 0])
def test_a_refusal_is_no_success(status: int) -> None:
    with pytest.raises(ValueError, match="from 400 to 599"):
        RefusedError("x", status)
