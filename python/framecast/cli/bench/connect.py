"""``framecast bench connect``: many clients at once, and what they cost while they only listen."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from framecast.cli.bench.figures import connect_figures
from framecast.cli.bench.measuring import Measurement, measure
from framecast.cli.bench.options import (
    DEFAULT_URL,
    DRAIN_SECONDS,
    AudienceOptions,
    OutputOptions,
    ServerOptions,
    Url,
    check_seconds,
    new_run,
)
from framecast.cli.bench.plan import Connect, Plan, Work
from framecast.cli.bench.table import connect_table
from framecast.cli.bench.target import reach
from framecast.cli.failure import CommandError

CONNECT = Measurement("connect", "", connect_figures, connect_table)


@Parameter(name="*", group="Subscribers")
@dataclass(frozen=True, kw_only=True)
class CrowdOptions(AudienceOptions):
    """Who connects."""

    subscribers: Annotated[int, Parameter(help="So many clients.")] = 1_000


def connect(
    url: Url = DEFAULT_URL,
    /,
    *,
    channel: Annotated[
        list[str] | None, Parameter(help="What each subscribes to; may be repeated. stream/bench/load if none.")
    ] = None,
    idle: Annotated[float, Parameter(help="Seconds that they stay.")] = 5.0,
    audience: CrowdOptions = CrowdOptions(),
    server: ServerOptions = ServerOptions(),  # noqa: B008 - frozen
    output: OutputOptions = OutputOptions(),  # noqa: B008 - frozen
) -> int:
    """Connect many clients at once, and measure how long it takes and what idle ones cost.

    With --pid the server's memory is read before the first, and when all have been idle for a while. Exit status 1 when
    a client could not connect or was lost, 2 when the command line cannot be used.
    """
    output.check()
    check_seconds("--idle", idle, least=0.0)
    if audience.subscribers < 1:
        raise CommandError("--subscribers must be 1 or more", status=2)
    target, token = server.target(url), server.known_token
    listening = audience.audience(target, token, channel or ["stream/bench/load"])
    plan = Plan(
        run=new_run(),
        server=reach(target, server.pid),
        audience=listening,
        work=Work(connect=Connect(idle)),
        warm_up_seconds=0.0,
        seconds=max(idle, 0.1),
        drain_seconds=DRAIN_SECONDS,
    )
    return measure(CONNECT, url, plan, output)
