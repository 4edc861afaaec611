"""The figures of the core and the channels, as a scrape finds them."""

from prometheus_client import CollectorRegistry

from framecast.api.collector import CoreCollector
from live_world import World, live_world, stream_address


def scrape(world: World) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(CoreCollector(world.fanout, world.hub, world.streams))
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    assert all(not sample.labels for sample in samples), "a label could carry a name from outside"
    return {sample.name.removeprefix("framecast_"): sample.value for sample in samples}


async def test_a_fresh_server_shows_every_figure_at_zero() -> None:
    async with live_world() as world:
        figures = scrape(world)
        assert len(figures) == 16
        assert set(figures.values()) == {0}


async def test_figures_follow_what_happens() -> None:
    async with live_world() as world:
        first, second = world.subscriber(), world.subscriber()
        for subscriber in (first, second):
            world.hub.subscribe(subscriber.connection, stream_address("m"), "m")
        world.hub.subscribe(first.connection, stream_address("absent"), "absent")
        await world.push("s", b"m n=1i")
        await world.push("s", b"m n=2i")
        received = [*first.received(), *second.received()]
        figures = scrape(world)
        assert len(received) == figures["fanout_deliveries_total"] == 4
        assert figures["fanout_connections"] == 2
        assert figures["fanout_subscriptions"] == 3
        assert figures["channels"] == 2
        assert figures["streams"] == 1
        assert figures["history_bytes"] == world.hub.histories.bytes > 0
        assert figures["fanout_overflows_total"] == figures["fanout_stalls_total"] == 0
        assert figures["fanout_sent_bytes_total"] > sum(len(item.data) for item in received)
        assert figures["fanout_send_calls_total"] >= 1
        assert figures["fanout_total_bytes"] == 0, "all was read"
        world.hub.leave(first.connection)
        figures = scrape(world)
        assert (figures["fanout_subscriptions"], figures["channels"]) == (1, 1)
        assert figures["fanout_deliveries_total"] == 4
