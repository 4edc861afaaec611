"""What must be said about a run before its figures: why they are not valid, and whose they are."""

from collections.abc import Iterator

import msgspec

from framecast.cli.bench.findings import Findings, Problem, Trouble
from framecast.cli.bench.hints import find_hint
from framecast.cli.bench.machine import Machine
from framecast.cli.bench.plan import Plan
from framecast.cli.bench.spelling import tell_duration, tell_endings, tell_share

SATURATED = 0.8
"""A thread of the load that was busy for so much of its time may have been what was measured."""
LATE_US = 5_000.0
"""Of the load's own: beyond it the percentiles hold more of the load than of a good server."""


PROBLEMS: dict[Trouble, str] = {
    "not_all_ready": "{failed} of {asked} subscribers could not connect and subscribe: {endings}",
    "publisher_lost": "nothing can be published any more: {endings}",
    "refused": "the server refuses what is published: {endings}",
    "nothing_heard": "the first publication was accepted, and did not reach every subscriber within {seconds}",
    "stuck": "the server neither answered nor delivered anything for {seconds}",
    "all_lost": "all {asked} subscribers were lost: {endings}",
    "stopped": "stopped before its end",
}


class Verdict(msgspec.Struct, frozen=True):
    """Sentences. Faults make the figures invalid; remarks tell how to take them."""

    faults: list[str]
    remarks: list[str]
    client_saturated: bool

    @property
    def valid(self) -> bool:
        """Whether the server did all that it was asked to."""
        return not self.faults


def judge(plan: Plan, findings: Findings, machine: Machine) -> Verdict:
    """What is to be said. Words of the server are in it as they came."""
    busiest = findings.busiest
    saturated = busiest is not None and busiest.share >= SATURATED
    return Verdict(list(_faults(plan, findings)), list(_remarks(findings, machine)), saturated)


def _faults(plan: Plan, findings: Findings) -> Iterator[str]:
    audience = findings.subscribers
    if findings.problem is not None:
        hint = find_hint(findings.problem, plan)
        yield _describe(findings.problem, findings) + (f"; {hint}" if hint else "")
    told = findings.problem.endings if findings.problem is not None else []
    if audience.failures and audience.failures != told:
        hint = find_hint(Problem("not_all_ready", audience.failures, None), plan)
        words = f"subscribers that could not connect and subscribe: {tell_endings(audience.failures)}"
        yield words + (f"; {hint}" if hint else "")
    if audience.losses and audience.losses != told:
        yield f"subscribers that were lost: {tell_endings(audience.losses)}"
    publications = findings.publications
    if publications and publications.refused and publications.refused != told:
        yield f"publications that were not accepted: {tell_endings(publications.refused)}"
    if publications and publications.unsent and findings.problem is None:
        yield (
            f"{publications.unsent:,} publications were due and never sent: "
            "the server did not take those before them in time; it cannot keep this rate"
        )
    if findings.ingest and findings.ingest.refused:
        yield f"bodies that were not accepted: {tell_endings(findings.ingest.refused)}"
    if findings.latencies is not None:
        for figure, words in (
            (audience.missing, "never arrived"),
            (audience.duplicated, "arrived twice"),
            (audience.reordered, "arrived after a later one"),
        ):
            if figure:
                yield f"{figure:,} {'delivery' if figure == 1 else 'deliveries'} {words}"


def _remarks(findings: Findings, machine: Machine) -> Iterator[str]:
    busiest = findings.busiest
    if busiest is not None and busiest.share >= SATURATED:
        yield (
            f"these figures are the client's, not the server's: its thread '{busiest.thread}' was busy for "
            f"{tell_share(busiest.share)} of the time ({tell_share(busiest.cpu)} running, {tell_share(busiest.waited)} "
            "waiting for a processor); ask for less, or give it more cores (--threads) or a machine of its own"
        )
    publications = findings.publications
    if publications and publications.lateness.p99_us > LATE_US:
        yield (
            f"the load itself sent late, at the 99th percentile by {tell_duration(publications.lateness.p99_us)}: "
            "so much of the latency may be its own"
        )
    if machine.was_busy:
        yield (
            f"the machine was busy with something else before the start: load average {machine.load_average:g} on "
            f"{machine.cores} core{'s' if machine.cores > 1 else ''}"
        )
    if findings.latencies is not None and findings.subscribers.others:
        yield f"{findings.subscribers.others:,} deliveries on these channels were not of this run, and are not counted"


def _describe(problem: Problem, findings: Findings) -> str:
    asked, ready = findings.subscribers.asked, findings.subscribers.ready
    return PROBLEMS[problem.what].format(
        endings=tell_endings(problem.endings),
        asked=f"{asked:,}",
        failed=f"{asked - ready:,}",
        seconds=f"{problem.seconds or 0:g} s",
    )
