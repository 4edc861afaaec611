"""Line protocol posted as fast as it is answered, on keep-alive connections: as many as keep a server busy."""

from bench.rows.row import Figure, Row
from bench.servers import MIB, Limits

INGESTION = (
    Row(
        name="ingest-5000",
        title="bodies of 5,000 lines, 10 subscribers",
        kind="ingest",
        arguments=("--lines=5000", "--connections=4", "--subscribers=10"),
        figures=(Figure("lines_per_second", "lines/s", against_peer=5.0, more_is_better=True),),
        connections=14,
        # Half a megabyte a body for each subscriber: a load that does not get its core for a moment is not cut for it.
        limits=Limits(queue_bytes=64 * MIB, total_queue_bytes=1024 * MIB),
    ),
    Row(
        name="ingest-5",
        title="bodies of 5 lines",
        kind="ingest",
        arguments=("--lines=5", "--connections=16"),
        figures=(Figure("requests_per_second", "requests/s", against_peer=1.0, more_is_better=True),),
        connections=16,
    ),
)
