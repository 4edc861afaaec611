"""``framecast bench latency``: publications at a steady rate, and how late each subscriber hears of each."""

from typing import Annotated

from cyclopts import Parameter

from framecast.cli.bench.figures import latency_figures
from framecast.cli.bench.measuring import Measurement, measure
from framecast.cli.bench.options import (
    DEFAULT_URL,
    AudienceOptions,
    OutputOptions,
    PublishingOptions,
    ServerOptions,
    TimeOptions,
    Url,
)
from framecast.cli.bench.plan import Latency, Work
from framecast.cli.bench.published import check_options, plan_publications
from framecast.cli.bench.table import latency_table
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
    check_options(publications, audience, time, output)
    if not 0 < rate <= MOST_PER_SECOND:
        raise CommandError("--rate must be above 0 and at most a million", status=2)
    plan = plan_publications(
        url,
        lambda publishing: Work(latency=Latency(publishing, rate)),
        publications,
        audience,
        server=server,
        time=time,
    )
    return measure(LATENCY, url, plan, output)
