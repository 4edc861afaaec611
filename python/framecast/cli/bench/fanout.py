"""``framecast bench fanout``: publications as fast as subscribers hear them, and how many deliveries that makes."""

from typing import Annotated

from cyclopts import Parameter

from framecast.cli.bench.figures import fanout_figures
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
from framecast.cli.bench.plan import Fanout, Work
from framecast.cli.bench.published import check_options, plan_publications
from framecast.cli.bench.table import fanout_table
from framecast.cli.failure import CommandError

FANOUT = Measurement("fanout", "publications", fanout_figures, fanout_table)


def fanout(
    url: Url = DEFAULT_URL,
    /,
    *,
    in_flight: Annotated[int, Parameter(help="Publications on their way at most.", group="Publications")] = 16,
    publications: PublishingOptions = PublishingOptions(),  # noqa: B008 - frozen
    audience: AudienceOptions = AudienceOptions(),  # noqa: B008 - frozen
    server: ServerOptions = ServerOptions(),  # noqa: B008 - frozen
    time: TimeOptions = TimeOptions(),  # noqa: B008 - frozen
    output: OutputOptions = OutputOptions(),  # noqa: B008 - frozen
) -> int:
    """Publish as fast as subscribers hear, and count deliveries a second.

    A publication goes out when fewer than --in-flight are on their way to the average subscriber. One connection
    publishes on all its channels at once, in one body or message. Exit status 1 when something was lost, doubled, out
    of order or refused, 2 when the command line cannot be used.
    """
    check_options(publications, audience, time, output)
    if in_flight < 1:
        raise CommandError("--in-flight must be 1 or more", status=2)
    plan = plan_publications(
        url,
        lambda publishing: Work(fanout=Fanout(publishing, in_flight)),
        publications,
        audience,
        server=server,
        time=time,
    )
    return measure(FANOUT, url, plan, output)
