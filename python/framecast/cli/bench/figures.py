"""The figures that people compare, by name: one flat mapping for each kind of measurement."""

from framecast.cli.bench.findings import Distribution, Findings

Figures = dict[str, float]


def latency_figures(findings: Findings) -> Figures:
    """Latencies in milliseconds, from when publications were due and from when they were sent; deliveries."""
    figures: Figures = {}
    if findings.latencies is not None:
        figures |= percentiles("", findings.latencies.from_due)
        figures |= percentiles("sent_", findings.latencies.from_sent)
    return figures | delivery_figures(findings) | load_figures(findings)


def fanout_figures(findings: Findings) -> Figures:
    """Deliveries and publications a second, and how late they were at that."""
    figures = delivery_figures(findings)
    latencies = findings.latencies
    if latencies is not None:
        figures |= percentiles("", latencies.from_sent)
        delivered, seconds = findings.subscribers.deliveries, findings.measured_seconds
        if delivered and seconds:
            each = findings.subscribers.bytes / delivered
            figures["megabytes_per_second"] = latencies.deliveries * each / seconds / 1e6
    return figures | load_figures(findings)


def ingest_figures(findings: Findings) -> Figures:
    """Lines, bytes and requests a second, and how long an answer took."""
    ingest, seconds = findings.ingest, findings.measured_seconds
    if ingest is None or not seconds:
        return load_figures(findings)
    return {
        "lines_per_second": ingest.lines / seconds,
        "megabytes_per_second": ingest.bytes / seconds / 1e6,
        "requests_per_second": ingest.requests / seconds,
        "refused": float(sum(ending.count for ending in ingest.refused)),
        **percentiles("answer_", ingest.answers),
        **load_figures(findings),
    }


def connect_figures(findings: Findings) -> Figures:
    """How long it took, for all and for each, how many failed, and what an idle one costs the server."""
    audience, process = findings.subscribers, findings.process
    figures: Figures = {
        "seconds": audience.settled_seconds,
        "ready": float(audience.ready),
        "failed": float(audience.asked - audience.ready),
        "lost": float(sum(ending.count for ending in audience.losses)),
        **percentiles("open_", audience.opening),
        **percentiles("ready_", audience.readiness),
    }
    if audience.settled_seconds:
        figures["connections_per_second"] = audience.ready / audience.settled_seconds
    if process is not None:
        figures["connecting_cpu_seconds"] = process.begin.cpu_seconds - process.before.cpu_seconds
        if audience.ready:
            grown = process.end.resident_bytes - process.before.resident_bytes
            figures["resident_bytes_per_connection"] = grown / audience.ready
    return figures | load_figures(findings)


def percentiles(prefix: str, durations: Distribution) -> Figures:
    """In milliseconds."""
    names = ("p50", "p90", "p99", "p999", "max")
    values = (durations.p50_us, durations.p90_us, durations.p99_us, durations.p999_us, durations.max_us)
    return {f"{prefix}{name}_ms": value / 1e3 for name, value in zip(names, values, strict=True)}


def delivery_figures(findings: Findings) -> Figures:
    """How many deliveries, and what was wrong with them; the warm-up counts for what was wrong."""
    audience, latencies, seconds = findings.subscribers, findings.latencies, findings.measured_seconds
    figures: Figures = {
        "missing": float(audience.missing),
        "gaps": float(audience.gaps),
        "reordered": float(audience.reordered),
        "duplicated": float(audience.duplicated),
    }
    if latencies is not None and seconds:
        figures["deliveries"] = float(latencies.deliveries)
        figures["deliveries_per_second"] = latencies.deliveries / seconds
        figures["publications_per_second"] = latencies.deliveries / seconds / max(1, audience.ready)
        process = findings.process
        if process is not None and latencies.deliveries:
            used = process.end.cpu_seconds - process.begin.cpu_seconds
            figures["server_cpu_us_per_delivery"] = used / latencies.deliveries * 1e6
    return figures


def load_figures(findings: Findings) -> Figures:
    """How busy the busiest thread of the load was, and the server if it was watched."""
    figures: Figures = {"load_busy": findings.busiest.share if findings.busiest else 0.0}
    process = findings.process
    if process is not None:
        used = process.end.cpu_seconds - process.begin.cpu_seconds
        if findings.measured_seconds:
            figures["server_cpu"] = used / findings.measured_seconds
        figures["server_resident_bytes"] = float(process.end.resident_bytes)
    return figures
