"""Carries out a measurement and shows what came of it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from framecast.cli.bench.figures import Figures
from framecast.cli.bench.findings import Findings
from framecast.cli.bench.machine import find_machine, find_versions
from framecast.cli.bench.options import OutputOptions
from framecast.cli.bench.page import write_page
from framecast.cli.bench.plan import Plan
from framecast.cli.bench.report import Kind, Report, describe_command, without_password, without_secrets
from framecast.cli.bench.running import carry_out
from framecast.cli.bench.verdict import judge
from framecast.cli.failure import CommandError
from framecast.logs import escape_controls, escape_json

INTERRUPTED = 130


@dataclass(frozen=True)
class Measurement:
    """A kind of measurement: its figures, and how a person is shown them."""

    kind: Kind
    unit: str
    """What the progress bar calls what is sent."""
    figures: Callable[[Findings], Figures]
    table: Callable[[Report], list[str]]


def measure(measurement: Measurement, url: str, plan: Plan, output: OutputOptions, bodies: Sequence[bytes] = ()) -> int:
    """Carry out a plan and show what came of it; the exit status."""
    machine, began = find_machine(), datetime.now(UTC)
    outcome = carry_out(plan, bodies, unit=measurement.unit)
    verdict = judge(plan, outcome.findings, machine)
    report = Report(
        bench=measurement.kind,
        url=without_password(url),
        command=describe_command(sys.argv),
        began=began.isoformat(timespec="seconds"),
        machine=machine,
        versions=find_versions(),
        plan=without_secrets(plan),
        figures=measurement.figures(outcome.findings),
        verdict=verdict,
        valid=verdict.valid,
        findings=outcome.findings,
    )
    if output.json:
        print(escape_json(msgspec.json.encode(report).decode()))
        for fault in verdict.faults:
            print(f"framecast: {escape_controls(fault)}", file=sys.stderr)
    else:
        print("\n".join(map(escape_controls, measurement.table(report))))
    if output.html is not None:
        _write(output.html, write_page(report, measurement.table(report)))
    if outcome.interrupted:
        return INTERRUPTED
    return 0 if verdict.valid else 1


def _write(file: Path, page: str) -> None:
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"the report cannot be written: {file}: {error.strerror}") from None
