"""What a soak comes to: a record of everything, and a page that says whether the server has stayed as it was."""

from collections.abc import Iterator

import msgspec

from bench.machine import Machine
from bench.soak.flatness import ALLOWED, LEAST_SECONDS, Trend, find_trend
from bench.soak.sampling import Sample
from bench.soak.world import Shape, Soaked

RULE = f"""\
Flat: over the second half of the time a straight line through the samples rises by {ALLOWED:.0%} of their mean or
less, and the median of the last quarter is {ALLOWED:.0%} or less above that of the second. Open files are as many at
rest, with everybody gone, as before anybody came."""


class SoakRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A soak."""

    command: str
    commit: str
    began: str
    machine: Machine
    versions: dict[str, str]
    shape: Shape
    soaked: Soaked
    memory: Trend

    @property
    def faults(self) -> list[str]:
        """All that was wrong."""
        rise = (
            f"memory is not flat: +{self.memory.line_rise:.1%} by the line, +{self.memory.quarter_rise:.1%} by quarters"
        )
        return [*self.soaked.faults, *([rise] if self.memory.flat is False else [])]


def find_memory_trend(samples: list[Sample]) -> Trend:
    """Of the server's memory in RAM."""
    return find_trend([each.seconds for each in samples], [float(each.resident_bytes) for each in samples])


def write_page(record: SoakRecord) -> str:
    """For a person."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: SoakRecord) -> Iterator[str]:
    soaked, shape, memory = record.soaked, record.shape, record.memory
    yield from [f"# Soak, {record.began[:10]}, {record.machine.name}", ""]
    if record.faults:
        yield from [f"**{len(record.faults)} faults**", "", *(f"- {fault}" for fault in record.faults), ""]
    else:
        yield from [f"No faults in {shape.seconds / 60:g} minutes.", ""]
    flat = {True: "flat", False: "not flat", None: f"not judged below {LEAST_SECONDS / 60:g} minutes"}[memory.flat]
    yield f"- memory: {flat} (line {memory.line_rise:+.1%}, quarters {memory.quarter_rise:+.1%})"
    yield f"- open files at rest: {soaked.rest_before.descriptors} before, {soaked.rest_after.descriptors} after"
    yield f"- rows: {soaked.rows_sent:,} sent, {soaked.rows_heard:,} heard by those who stayed"
    visits = ", ".join(f"{count:,} {kind}" for kind, count in soaked.visits.items())
    yield from [f"- visitors: {visits}", "", RULE, ""]
    yield from _course(soaked.samples)
    yield from ["", f"`{record.command}`, commit {record.commit}, {record.machine}"]
    yield ", ".join(f"{name} {version}" for name, version in record.versions.items())


def _course(samples: list[Sample]) -> Iterator[str]:
    """Twelve moments of the time."""
    yield "| minute | memory, MB | open files | threads |"
    yield "| ---: | ---: | ---: | ---: |"
    step = max(1, len(samples) // 12)
    for each in samples[step - 1 :: step]:
        memory = f"{each.resident_bytes / 1e6:.1f}"
        yield f"| {each.seconds / 60:.1f} | {memory} | {each.descriptors} | {each.threads} |"
