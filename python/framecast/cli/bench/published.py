"""What measurements that publish have in common: all is checked before anybody connects, then the plan is made."""

from collections.abc import Callable

from framecast.cli.bench.options import (
    AudienceOptions,
    OutputOptions,
    PublishingOptions,
    ServerOptions,
    TimeOptions,
    new_run,
)
from framecast.cli.bench.plan import Plan, Publishing, Work
from framecast.cli.bench.target import reach
from framecast.cli.failure import CommandError


def check_options(
    publications: PublishingOptions, audience: AudienceOptions, time: TimeOptions, output: OutputOptions
) -> None:
    """CommandError, status 2, for what cannot be used."""
    publications.check()
    time.check()
    output.check()
    if audience.subscribers < 1:
        raise CommandError("--subscribers must be 1 or more", status=2)


def plan_publications(
    url: str,
    work: Callable[[Publishing], Work],
    publications: PublishingOptions,
    audience: AudienceOptions,
    *,
    server: ServerOptions,
    time: TimeOptions,
) -> Plan:
    """The plan of options that were checked, for a server that is there. CommandError where there is none."""
    target, token = server.target(url), server.known_token
    listening = audience.audience(target, token, publications.channel_names())
    publishing = publications.publishing(target, token, audience)
    return Plan(
        run=new_run(),
        server=reach(target, server.pid),
        audience=listening,
        work=work(publishing),
        warm_up_seconds=time.warm_up,
        seconds=time.seconds,
        drain_seconds=time.drain,
    )
