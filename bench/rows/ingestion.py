"""Line protocol posted as fast as it is answered, on four keep-alive connections."""

from bench.rows.row import Figure, Row

INGESTION = (
    Row(
        name="ingest-5000",
        title="bodies of 5,000 lines, 10 subscribers",
        kind="ingest",
        arguments=("--lines=5000", "--connections=4", "--subscribers=10"),
        figures=(Figure("lines_per_second", "lines/s", against_peer=5.0, more_is_better=True),),
        connections=14,
    ),
    Row(
        name="ingest-5",
        title="bodies of 5 lines",
        kind="ingest",
        arguments=("--lines=5", "--connections=4"),
        figures=(Figure("requests_per_second", "requests/s", against_peer=1.0, more_is_better=True),),
        connections=4,
    ),
)
