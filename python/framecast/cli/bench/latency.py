"""``framecast bench latency``: publications at a steady rate, and how late each subscriber hears of each."""

from typing import Annotated

from cyclopts import Parameter

from framecast.cli.bench.figures import latency_figures
from framecast.cli.bench.measuring import Measurement, measure
from framecast.cli.bench.options import (
    DEFAULT_URL,
    DRAIN_SECONDS,
    AudienceOptions,
    OutputOptions,
    PublishingOptions,
    ServerOptions,
    TimeOptions,
    Url,
    new_run,
)
from framecast.cli.bench.plan import Latency, Plan, Work
from framecast.cli.bench.table import latency_table
from framecast.cli.bench.target import reach
from framecast.cli.failure import CommandError

MOST_PER_SECOND = 1e6
LATENCY = Measurement("latency", "publications", latency_figures, latency_table)


def latency(
    url: Url = DEFAULT_URL,
    /,
    *,
    rate: Annotated[float, Parameter(help="Publications a second on each channel.", group="Publications")] = 20.0,
    publications: PublishingOptions = PublishingOptions(),  # noqa: B008 - frozen
    audience: AudienceOptions = AudienceOptions(),  # noqa: B008 - frozen
    server: ServerOptions = ServerOptions(),  # noqa: B008 - frozen
    time: TimeOptions = TimeOptions(),  # noqa: B008 - frozen
    output: OutputOptions = OutputOptions(),  # noqa: B008 - frozen
) -> int:
    """Publish at a steady rate, and measure how late subscribers hear and whether they hear everything.

    Latency counts from when a publication was due, whatever held it up. Exit status 1 when something was lost,
    doubled, out of order or refused, 2 when the command line cannot be used.
    """
    publications.check()
    time.check()
    output.check()
    if not 0 < rate <= MOST_PER_SECOND:
        raise CommandError("--rate must be above 0 and at most a million", status=2)
    if audience.subscribers < 1:
        raise CommandError("--subscribers must be 1 or more", status=2)
    target, token = server.target(url), server.known_token
    listening = audience.audience(target, token, publications.channel_names())
    publishing = publications.publishing(target, token, audience)
    plan = Plan(
        run=new_run(),
        server=reach(target, server.pid),
        audience=listening,
        work=Work(latency=Latency(publishing, rate)),
        warm_up_seconds=time.warm_up,
        seconds=time.seconds,
        drain_seconds=DRAIN_SECONDS,
    )
    return measure(LATENCY, url, plan, output)
