"""Carries out a plan: the core's load works, this waits, shows how far it is, and stops it at Ctrl-C."""

import resource
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from framecast._core import Load
from framecast.cli.bench.findings import Findings, Progress
from framecast.cli.bench.plan import Plan
from framecast.cli.bench.progress import ProgressBar
from framecast.cli.failure import CommandError

LOOK_SECONDS = 0.1
STOP_SECONDS = 15.0
"""The load's threads look up every 20 ms; a busy machine may make that more."""
SPARE_DESCRIPTORS = 64
"""Beside the connections: the interpreter's own, the sets of sockets, files that are looked at."""


@dataclass(frozen=True)
class Outcome:
    """What came of a plan."""

    findings: Findings
    interrupted: bool


def carry_out(plan: Plan, bodies: Sequence[bytes] = (), *, unit: str) -> Outcome:
    """Do what the plan says. At Ctrl-C what was measured so far. CommandError when it cannot be done at all.

    `unit` is what the progress bar calls what is sent.
    """
    _make_room(plan)
    try:
        load = Load(msgspec.json.encode(plan), bodies)
    except ValueError as error:
        raise CommandError(f"this cannot be measured: {error}", status=2) from None
    except OSError as error:
        raise CommandError(f"the load cannot be started: {error}") from None
    interrupted = False
    with ProgressBar(subscribers=plan.audience.subscribers, unit=unit) as bar:
        try:
            findings = load.wait(LOOK_SECONDS)
            while findings is None:
                bar.show(msgspec.json.decode(load.progress(), type=Progress))
                findings = load.wait(LOOK_SECONDS)
        except KeyboardInterrupt:
            interrupted = True
            load.stop()
            findings = load.wait(STOP_SECONDS)
        except OSError as error:
            raise CommandError(f"the load broke off: {error}") from None
    if findings is None:
        raise CommandError("the load did not stop in time")
    return Outcome(msgspec.json.decode(findings, type=Findings), interrupted)


def _make_room(plan: Plan) -> None:
    """Raise the limit of open files as far as is needed and allowed. CommandError where that is too low."""
    work = plan.work.ingest or plan.publishing
    needed = plan.audience.subscribers + (work.connections if work else 0) + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise CommandError(
            f"{needed:,} connections and files are needed, this process may open {hard:,}: "
            "raise the limit (ulimit -Hn), or ask for less",
            status=2,
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
