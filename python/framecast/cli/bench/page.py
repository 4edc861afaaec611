"""The report as one HTML file: the table, plots, and what must be known to run it again.

It loads nothing and runs nothing: it can be mailed, archived and opened anywhere. All text in it is escaped, because
some of it is the server's.
"""

from collections.abc import Iterator, Sequence
from html import escape

from framecast.cli.bench.findings import Distribution, Findings, Latencies
from framecast.cli.bench.plots import (
    Axis,
    Line,
    Plot,
    draw,
    duration_axis,
    linear_axis,
    percentile_axis,
    seconds_axis,
)
from framecast.cli.bench.report import Report
from framecast.cli.bench.spelling import tell_share
from framecast.logs import escape_controls

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --paper: #ffffff; --faint: #d8dde6; --soft: #5c6675; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --paper: #14181f; --faint: #2c3440; --soft: #98a2b3; } }
body { color: var(--ink); background: var(--paper); font: 15px/1.5 system-ui, sans-serif; max-width: 800px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
pre { overflow-x: auto; padding: 1rem; border: 1px solid var(--faint); border-radius: 6px; font-size: 13px; }
figure { margin: 1.5rem 0; } figcaption { color: var(--soft); } figcaption strong { color: var(--ink); }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--faint); } .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.c0 { stroke: #2f6fdb; } .c1 { stroke: #d9822b; } .c2 { stroke: #c23030; } .c3 { stroke: #2e9e5b; }
.c4 { stroke: #8a4fd3; } .c5 { stroke: #0f9aa8; }
.s0 { background: #2f6fdb; } .s1 { background: #d9822b; } .s2 { background: #c23030; } .s3 { background: #2e9e5b; }
.s4 { background: #8a4fd3; } .s5 { background: #0f9aa8; }
.legend { display: flex; flex-wrap: wrap; gap: 1rem; color: var(--soft); }
.swatch { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; }
.fault { border-left: 4px solid #c23030; padding-left: 0.8rem; }
.remark { border-left: 4px solid #d9822b; padding-left: 0.8rem; }
table { border-collapse: collapse; } th, td { text-align: left; padding: 2px 1rem 2px 0; vertical-align: top; }
th { color: var(--soft); font-weight: normal; white-space: nowrap; }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Should anything ever slip in, a browser neither loads nor runs it."""


def write_page(report: Report, table: Sequence[str]) -> str:
    """The whole file, well-formed as XML too."""
    title = f"framecast bench {report.bench}"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en" xmlns="http://www.w3.org/1999/xhtml">',
            "<head>",
            '<meta charset="utf-8"/>',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>{_text(title)}: {_text(report.url)}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            f"<h1>{_text(title)}</h1>",
            *(f'<p class="fault">Not valid: {_text(fault)}</p>' for fault in report.verdict.faults),
            *(f'<p class="remark">{_text(remark)}</p>' for remark in report.verdict.remarks),
            f"<pre>{chr(10).join(map(_text, table))}</pre>",
            *(draw(plot) for plot in _plots(report.findings)),
            "<h2>Run it again</h2>",
            _facts(report),
            "</body>",
            "</html>",
            "",
        ]
    )


def _text(text: str) -> str:
    return escape(escape_controls(text))


def _facts(report: Report) -> str:
    machine, versions = report.machine, report.versions
    rows = (
        ("command", report.command),
        ("began", report.began),
        ("machine", f"{machine.processor}, {machine.cores} cores, {machine.system}"),
        ("load average before", f"{machine.load_average:g}"),
        ("framecast", f"{versions.framecast}, core: {versions.core}, Python {versions.python}"),
    )
    cells = (f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows)
    return f"<table>{''.join(cells)}</table>"


def _plots(findings: Findings) -> Iterator[Plot]:
    latencies, ingest = findings.latencies, findings.ingest
    if latencies is not None and latencies.from_due.count:
        curves = {"from when it was due": latencies.from_due, "from when it was sent": latencies.from_sent}
        if findings.publications is not None and not findings.publications.lateness.count:
            del curves["from when it was due"]  # as fast as possible: nothing is due
        yield _curve("Latency by percentile", "how many publications arrived within how long", curves)
        yield _over_time(latencies)
        yield _deliveries(latencies)
        yield _gaps(latencies)
    if ingest is not None and ingest.answers.count:
        yield _curve(
            "Answers by percentile", "how many requests were answered within how long", {"answer": ingest.answers}
        )
        rates = [lines / ingest.slice_seconds for lines in ingest.slices]
        yield _rate("Lines a second", "accepted, over the time that counts", "lines/s", rates, ingest.slice_seconds)
    if latencies is None and ingest is None and findings.subscribers.opening.count:
        curves = {"WebSocket open": findings.subscribers.opening, "subscribed": findings.subscribers.readiness}
        yield _curve("Connecting by percentile", "how many clients got so far within how long", curves)
    if any(busy.slices for busy in findings.busy):
        yield _busy(findings)


def _curve(title: str, about: str, curves: dict[str, Distribution]) -> Plot:
    lines = [Line(name, durations.curve) for name, durations in curves.items() if durations.count]
    values = [value for line in lines for _, value in line.points]
    most = max(durations.count for durations in curves.values())
    return Plot(title, about, percentile_axis(most), duration_axis(values, "latency"), lines)


def _over_time(latencies: Latencies) -> Plot:
    length = latencies.slice_seconds
    due = [(number * length, part) for number, part in enumerate(latencies.slices) if part.count]
    lines = [
        Line("p50", [(at, part.p50_us) for at, part in due]),
        Line("p99", [(at, part.p99_us) for at, part in due]),
        Line("max", [(at, part.max_us) for at, part in due]),
    ]
    values = [value for line in lines for _, value in line.points]
    about = f"of what was due in each {length:g} s"
    return Plot("Latency over time", about, _time_axis(latencies), duration_axis(values, "latency"), lines)


def _deliveries(latencies: Latencies) -> Plot:
    rates = [part.deliveries / latencies.slice_seconds for part in latencies.slices]
    return _rate("Deliveries a second", "as they arrived", "deliveries/s", rates, latencies.slice_seconds)


def _gaps(latencies: Latencies) -> Plot:
    gaps = [float(part.gaps) for part in latencies.slices]
    about = f"{sum(gaps):,.0f} times a subscriber missed what another publication came behind; none is a flat line"
    return _steps("Gaps", about, "gaps", gaps, latencies.slice_seconds)


def _rate(title: str, about: str, label: str, rates: Sequence[float], length: float) -> Plot:
    return _steps(title, f"{about}, each {length:g} s", label, rates, length)


def _steps(title: str, about: str, label: str, values: Sequence[float], length: float) -> Plot:
    """One value for each slice of the time, from its beginning to its end."""
    points = [(at, value) for number, value in enumerate(values) for at in (number * length, (number + 1) * length)]
    axis = linear_axis(max(values, default=0.0), label)
    return Plot(title, about, seconds_axis(len(values) * length), axis, [Line(label, points)])


def _busy(findings: Findings) -> Plot:
    seconds = findings.measured_seconds
    lines = []
    for busy in findings.busy:
        length = seconds / max(1, len(busy.slices))
        lines.append(Line(busy.thread, [((number + 0.5) * length, share) for number, share in enumerate(busy.slices)]))
    about = "threads of the client, running or waiting for a processor; near 100 % it measures itself"
    return Plot("How busy the load was", about, seconds_axis(seconds), _share_axis(), lines)


def _share_axis() -> Axis:
    return Axis(lambda share: share, [(tick / 4, tell_share(tick / 4)) for tick in range(5)], "of a core")


def _time_axis(latencies: Latencies) -> Axis:
    return seconds_axis(len(latencies.slices) * latencies.slice_seconds)
