"""The core's and the channels' figures for Prometheus, read when somebody asks: no counter is touched per message."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from framecast.channels.hub import Hub
from framecast.streams.table import StreamTable

if TYPE_CHECKING:
    from framecast._core import Fanout


class CoreCollector(Collector):
    """Reads the fan-out's statistics, the hub and the stream table. Names no channel, stream or user."""

    def __init__(self, fanout: "Fanout", hub: Hub, streams: StreamTable) -> None:
        self._fanout = fanout
        self._hub = hub
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        """All figures, once per scrape."""
        core = self._fanout.statistics()
        yield GaugeMetricFamily("framecast_fanout_connections", "Connections the writer serves.", core.connections)
        yield GaugeMetricFamily("framecast_fanout_subscriptions", "Subscriptions.", core.subscriptions)
        yield GaugeMetricFamily("framecast_fanout_queued_bytes", "Bytes waiting for subscribers.", core.queued_bytes)
        yield GaugeMetricFamily("framecast_fanout_total_bytes", "Memory of what waits for them.", core.total_bytes)
        yield CounterMetricFamily("framecast_fanout_deliveries", "Publications put into queues.", core.deliveries)
        yield CounterMetricFamily("framecast_fanout_sent_bytes", "Bytes the kernel took.", core.sent_bytes)
        yield CounterMetricFamily("framecast_fanout_send_calls", "System calls that took them.", core.send_calls)
        yield CounterMetricFamily(
            "framecast_fanout_conflated", "Publications that slow readers were spared for newer ones.", core.conflated
        )
        yield CounterMetricFamily(
            "framecast_fanout_overflows", "Subscribers cut because their queue was full.", core.overflows
        )
        yield CounterMetricFamily(
            "framecast_fanout_stalls", "Subscribers cut because their socket took nothing.", core.stalls
        )
        yield GaugeMetricFamily(
            "framecast_channels", "Channels with a subscriber, existing or not.", self._hub.channel_count
        )
        histories = self._hub.histories
        yield GaugeMetricFamily("framecast_history_bytes", "Publications kept for subscribers.", histories.bytes)
        yield CounterMetricFamily(
            "framecast_history_evicted", "Publications let go because a budget was full.", histories.evicted
        )
        yield GaugeMetricFamily("framecast_streams", "Managed streams.", self._streams.stream_count)
        budgets = self._streams.budgets
        yield GaugeMetricFamily("framecast_schemas_bytes", "Schemas of all streams.", budgets.schemas.held_bytes)
        yield GaugeMetricFamily("framecast_series_bytes", "Remembered spellings of series.", budgets.series.held_bytes)
