"""The findings as lines for a person, for each kind of measurement."""

import textwrap
from collections.abc import Iterator, Sequence

from framecast.cli.bench.findings import Distribution, Findings
from framecast.cli.bench.report import Report
from framecast.cli.bench.spelling import tell_bytes, tell_count, tell_duration, tell_endings, tell_share
from framecast.cli.stream_page import align

WIDTH = 100
WAYS = {"push": "POST", "push_socket": "the push WebSocket", "command": "publish commands"}
OMISSION = (
    "Coordinated omission: publications were due at times fixed beforehand, and latency counts from those times, not "
    "from when they could be sent; a server that stalls is late for all that was due meanwhile."
)
CLOSED_LOOP = (
    "Coordinated omission: each connection waited for its answers, so a server that stalls was asked less. Take answer "
    "times as how long a request took, not as latency at a rate; for that there is bench latency."
)
FLOOD = (
    "Coordinated omission: publications waited for deliveries, so a server that stalls was given less. Latency is from "
    "when they were sent, with as many on their way as allowed; for latency at a rate there is bench latency."
)


def latency_table(report: Report) -> list[str]:
    """Of ``bench latency``."""
    plan, findings = report.plan, report.findings
    work, audience = plan.work.latency, plan.audience
    lines = [report.url, ""]
    if work is not None:
        lines.append(
            f"{_count(audience.subscribers, 'subscriber')} on {_count(len(audience.channels), 'channel')}, "
            f"{work.per_second:g} publications/s of {work.publishing.bytes} B on each, {audience.protocol}, "
            f"by {WAYS[work.publishing.way]}"
        )
    lines += [_time(report), ""]
    if findings.latencies is not None:
        columns = {"from when due": findings.latencies.from_due, "from when sent": findings.latencies.from_sent}
        lines += [*percentile_lines(columns), ""]
    lines += [*_pairs(findings, report), "", *_wrap(OMISSION)]
    return [*lines, *_remarks(report)]


def fanout_table(report: Report) -> list[str]:
    """Of ``bench fanout``."""
    plan, findings, figures = report.plan, report.findings, report.figures
    work, audience = plan.work.fanout, plan.audience
    lines = [report.url, ""]
    if work is not None:
        lines.append(
            f"{_count(audience.subscribers, 'subscriber')} on {_count(len(audience.channels), 'channel')}, "
            f"{work.publishing.bytes} B, {audience.protocol}, by {WAYS[work.publishing.way]}, "
            f"{work.in_flight} publications on their way at most"
        )
    lines += [_time(report), ""]
    if "deliveries_per_second" in figures:
        lines += [
            *align(
                [
                    ("deliveries/s", tell_count(figures["deliveries_per_second"])),
                    ("publications/s", tell_count(figures["publications_per_second"])),
                    ("to subscribers", f"{tell_bytes(figures.get('megabytes_per_second', 0.0) * 1e6)}/s"),
                ],
                left=1,
            ),
            "",
        ]
    if findings.latencies is not None:
        lines += [*percentile_lines({"latency at that": findings.latencies.from_sent}), ""]
    lines += [*_pairs(findings, report), "", *_wrap(FLOOD)]
    return [*lines, *_remarks(report)]


def ingest_table(report: Report) -> list[str]:
    """Of ``bench ingest``."""
    plan, findings, figures = report.plan, report.findings, report.figures
    work = plan.work.ingest
    lines = [report.url, ""]
    if work is not None:
        packed = ", gzip" if ("Content-Encoding", "gzip") in work.headers else ""
        lines.append(
            f"{_count(work.connections, 'connection')}, bodies of {_count(work.lines, 'line')}{packed}, "
            f"{_count(plan.audience.subscribers, 'subscriber')}"
        )
    lines += [_time(report), ""]
    if findings.ingest is not None and "lines_per_second" in figures:
        lines += [
            *align(
                [
                    ("lines/s", tell_count(figures["lines_per_second"])),
                    ("bodies", f"{tell_bytes(figures['megabytes_per_second'] * 1e6)}/s"),
                    ("requests/s", tell_count(figures["requests_per_second"])),
                    ("accepted", f"{findings.ingest.requests:,}"),
                    ("refused", tell_endings(findings.ingest.refused) or "0"),
                ],
                left=1,
            ),
            "",
            *percentile_lines({"answers": findings.ingest.answers}),
            "",
        ]
    lines += [*_pairs(findings, report), "", *_wrap(CLOSED_LOOP)]
    return [*lines, *_remarks(report)]


def connect_table(report: Report) -> list[str]:
    """Of ``bench connect``."""
    findings, figures, audience = report.findings, report.figures, report.findings.subscribers
    asked = (
        f"{_count(audience.asked, 'client')}, {report.plan.audience.at_once} at the same time, "
        f"{_count(len(report.plan.audience.channels), 'subscription')} each, {report.plan.audience.protocol}"
    )
    lines = [report.url, "", asked, ""]
    rows = [
        ("ready", f"{audience.ready:,} of {audience.asked:,} in {tell_duration(audience.settled_seconds * 1e6)}"),
        ("clients/s", tell_count(figures.get("connections_per_second", 0.0))),
        ("failed", tell_endings(audience.failures) or "0"),
        ("lost while idle", tell_endings(audience.losses) or "0"),
    ]
    if "resident_bytes_per_connection" in figures:
        each = figures["resident_bytes_per_connection"]
        grown = f"{tell_bytes(each)} a connection" if each > 0 else "did not grow: it had room from before"
        rows.append(("memory of the server", grown))
        rows.append(("its CPU", f"{figures['connecting_cpu_seconds']:.2f} s for all to connect"))
    lines += [*align(rows, left=2), ""]
    lines += percentile_lines({"WebSocket open": audience.opening, "subscribed": audience.readiness})
    lines += ["", *_pairs(findings, report)]
    return [*lines, *_remarks(report)]


def percentile_lines(columns: dict[str, Distribution]) -> list[str]:
    """Durations side by side."""
    head = ("", *columns)
    rows = [
        (name, *(tell_duration(getattr(durations, field)) for durations in columns.values()))
        for name, field in (
            ("p50", "p50_us"),
            ("p90", "p90_us"),
            ("p99", "p99_us"),
            ("p99.9", "p999_us"),
            ("max", "max_us"),
        )
    ]
    return align([head, *rows], left=1)


def _time(report: Report) -> str:
    plan = report.plan
    measured = report.findings.measured_seconds
    cut = f" (cut short: {measured:.1f} s)" if measured < plan.seconds * 0.99 else ""
    return f"{plan.seconds:g} s{cut}, after {plan.warm_up_seconds:g} s of warm-up that do not count"


def _pairs(findings: Findings, report: Report) -> list[str]:
    """Whatever there is to tell beside the main figures."""
    return align(list(_pair_rows(findings, report)), left=2)


def _pair_rows(findings: Findings, report: Report) -> Iterator[Sequence[str]]:
    audience, publications, process = findings.subscribers, findings.publications, findings.process
    if findings.latencies is not None:
        yield ("deliveries", f"{findings.latencies.deliveries:,} in the time that counts")
        disorder = f"{audience.reordered:,} reordered, {audience.duplicated:,} duplicated"
        yield ("", f"{audience.missing:,} missing, {audience.gaps:,} gaps, {disorder}, warm-up included")
    if publications is not None:
        held_up = f"; {publications.held_up:,} waited until the server had taken those before them"
        scheduled = publications.lateness.count > 0
        yield ("publications", f"{publications.sent:,} sent{held_up if scheduled else ''}")
        if scheduled:
            late = publications.lateness
            yield ("", f"sent late by the load: p99 {tell_duration(late.p99_us)}, max {tell_duration(late.max_us)}")
        if publications.answers.count:
            answers = publications.answers
            yield ("", f"answered after p50 {tell_duration(answers.p50_us)}, p99 {tell_duration(answers.p99_us)}")
    if findings.ingest is not None and audience.asked:
        yield ("subscribers", f"{audience.deliveries:,} frames, {tell_bytes(audience.bytes)}, warm-up included")
    for busy in findings.busy:
        waited = f", {tell_share(busy.waited)} waiting for a processor" if busy.waited >= 0.01 else ""
        yield ("load", f"{busy.thread}: {tell_share(busy.cpu)} of a core{waited}")
    if process is not None:
        figures = report.figures
        each = figures.get("server_cpu_us_per_delivery")
        cost = f", {tell_duration(each)} for a delivery" if each is not None else ""
        yield (
            "server",
            f"{tell_share(figures.get('server_cpu', 0.0))} of a core{cost}, {tell_bytes(process.end.resident_bytes)}",
        )
    machine = report.machine
    yield ("machine", f"{machine.processor}, {machine.cores} cores, {machine.system}")


def _remarks(report: Report) -> list[str]:
    marked = [f"NOT VALID: {fault}" for fault in report.verdict.faults]
    marked += [f"NOTE: {remark}" for remark in report.verdict.remarks]
    return ["", *(line for text in marked for line in _wrap(text))] if marked else []


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
