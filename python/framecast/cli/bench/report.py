"""A measurement as a whole: what was asked, where, what was found, and what is to be thought of it. No secrets."""

import shlex
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec

from framecast.cli.bench.figures import Figures
from framecast.cli.bench.findings import Findings
from framecast.cli.bench.machine import Machine, Versions
from framecast.cli.bench.plan import Plan
from framecast.cli.bench.verdict import Verdict

Kind = Literal["latency", "fanout", "ingest", "connect"]
HIDDEN = "…"


class Report(msgspec.Struct, frozen=True):
    """Everything, as ``--json`` shows it."""

    bench: Kind
    url: str
    command: str
    """Without the token."""
    began: str
    """UTC."""
    machine: Machine
    versions: Versions
    plan: Plan
    """Without the token."""
    figures: Figures
    verdict: Verdict
    valid: bool
    findings: Findings


def describe_command(arguments: Sequence[str]) -> str:
    """The command as it was typed, but for what must stay a secret."""
    words = ["framecast"]
    hide = False
    for argument in arguments[1:]:
        if hide:
            words.append(HIDDEN)
        elif argument.startswith("--token="):
            words.append(f"--token={HIDDEN}")
        else:
            words.append(without_password(argument))
        hide = not hide and argument == "--token"
    return shlex.join(words)


def without_password(url: str) -> str:
    """A URL whose user's password nobody can read."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return url
    if password is None:
        return url
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{HIDDEN}@{place}"))


def without_secrets(plan: Plan) -> Plan:
    """A plan without what it says for itself, and without the many who were trusted."""
    replace = msgspec.structs.replace
    work = plan.work
    tls = replace(plan.server.tls, authorities="") if plan.server.tls else None
    if work.latency is not None:
        work = replace(work, latency=replace(work.latency, publishing=replace(work.latency.publishing, token=None)))
    if work.fanout is not None:
        work = replace(work, fanout=replace(work.fanout, publishing=replace(work.fanout.publishing, token=None)))
    return replace(
        plan,
        server=replace(plan.server, headers=[], tls=tls),
        audience=replace(plan.audience, token=None),
        work=work,
    )
