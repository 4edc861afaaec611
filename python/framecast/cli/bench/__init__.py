"""``framecast bench``: measures a server that speaks the Centrifuge protocol v2, this one or another.

One module per kind of measurement, imported only when it is called. What they share: a plan that the core's load
carries out (`plan`, `running`), what it finds (`findings`), what of it must be said (`verdict`), and three ways to show
it (`table`, `page`, and `report` as JSON).
"""

import cyclopts

app = cyclopts.App(
    name="bench",
    help="Measure a server: Framecast, Grafana Live, Centrifugo. Exit status 1 when anything was lost or refused.",
)
MEASUREMENTS = {
    "latency": "Publish at a steady rate; how late do subscribers hear, and do they hear all?",
    "fanout": "Publish as fast as subscribers hear; how many deliveries a second?",
    "ingest": "Post line protocol as fast as it is answered; how many lines a second?",
    "connect": "Connect many clients at once; how long does it take, and what does it cost?",
}
for _name, _help in MEASUREMENTS.items():
    app.command(f"framecast.cli.bench.{_name}:{_name}", name=_name, help=_help)
