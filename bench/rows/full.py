"""Publications as fast as subscribers hear them: how many deliveries a second one core makes.

Pushed on a WebSocket, which answers nothing: a POST for each publication would wait for its answer, and neither server
would have enough to do.
"""

from bench.rows.row import Figure, Row

DELIVERIES = Figure("deliveries_per_second", "deliveries/s", against_peer=4.0, against_limit=1.0, more_is_better=True)

IN_FLIGHT = {100: 256, 1_000: 64, 10_000: 16}
"""Publications on their way, by subscribers: enough that no server waits for the load, and no more than the kernel's
memory for sockets holds."""

FULL = tuple(
    Row(
        name=f"full-{subscribers}",
        title=f"full load, {subscribers:,} subscribers",
        kind="fanout",
        arguments=(f"--subscribers={subscribers}", "--bytes=200", "--publish=push-socket", f"--in-flight={in_flight}"),
        figures=(DELIVERIES,),
        connections=subscribers,
        beside_limit=True,
    )
    for subscribers, in_flight in IN_FLIGHT.items()
)
