"""Clients that connect at once, and what they cost while they only listen."""

from bench.rows.row import Figure, Row

RESIDENT = Figure(
    "resident_bytes_per_connection", "kB/connection", against_peer=0.5, scale=1e-3, worse_when_held_back=False
)
SECONDS = Figure("seconds", "s until all are subscribed", against_peer=1.0)

CONNECTING = (
    Row(
        name="idle",
        title="10,000 idle subscribers: memory",
        kind="connect",
        arguments=("--subscribers=10000",),
        figures=(RESIDENT,),
        connections=10_000,
    ),
    Row(
        name="storm",
        title="2,000 clients at once",
        kind="connect",
        arguments=("--subscribers=2000", "--at-once=2000"),
        figures=(SECONDS,),
        connections=2_000,
    ),
)
