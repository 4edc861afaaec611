"""``framecast bench ingest``: bodies of line protocol, each connection as fast as it is answered."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from framecast.channels.address import is_namespace
from framecast.cli.bench.bodies import MEASUREMENTS, count_lines, make_body
from framecast.cli.bench.figures import ingest_figures
from framecast.cli.bench.measuring import Measurement, measure
from framecast.cli.bench.options import (
    DEFAULT_URL,
    AudienceOptions,
    OutputOptions,
    ServerOptions,
    TimeOptions,
    Url,
    new_run,
    usual_threads,
)
from framecast.cli.bench.plan import Headers, Ingest, Plan, Work
from framecast.cli.bench.table import ingest_table
from framecast.cli.bench.target import reach
from framecast.cli.failure import CommandError

MOST_BODY_BYTES = 256 << 20
INGEST = Measurement("ingest", "bodies", ingest_figures, ingest_table)


@Parameter(name="*", group="Bodies")
@dataclass(frozen=True, kw_only=True)
class BodyOptions:
    """What is posted, and by how many."""

    stream: Annotated[str, Parameter(help="The stream that is pushed to.")] = "bench"
    lines: Annotated[int, Parameter(help="In each body.")] = 1000
    file: Annotated[Path | None, Parameter(help="Post this file instead, as it is, times included.")] = None
    gzip: Annotated[bool, Parameter(help="Compressed; the times in it stay those of the start.", negative=())] = False
    connections: Annotated[int, Parameter(help="Each posts when its last body was answered.")] = 4

    def check(self) -> None:
        """CommandError, status 2, for what cannot be used."""
        if not is_namespace(self.stream):
            raise CommandError(f"--stream {self.stream!r} is no stream id: letters, digits and _ - . only", status=2)
        if not 1 <= self.lines <= 1_000_000:
            raise CommandError("--lines must be from 1 to 1000000", status=2)
        if not 1 <= self.connections <= 65_536:
            raise CommandError("--connections must be from 1 to 65536", status=2)

    def bodies(self) -> list[bytes]:
        """A body for each connection, before it is compressed; connections that take one again share it."""
        if self.file is None:
            return [make_body(self.lines, host) for host in range(min(self.connections, 16))]
        try:
            body = self.file.read_bytes()
        except OSError as error:
            raise CommandError(f"cannot read {self.file}: {error.strerror}", status=2) from None
        if not 0 < len(body) <= MOST_BODY_BYTES:
            raise CommandError(f"{self.file} is empty, or larger than {MOST_BODY_BYTES} bytes", status=2)
        return [body]


@Parameter(name="*", group="Subscribers")
@dataclass(frozen=True, kw_only=True)
class ListenerOptions(AudienceOptions):
    """Who listens to what becomes of the bodies: nobody, unless asked for."""

    subscribers: Annotated[int, Parameter(help="They hear what becomes of the bodies.")] = 0


def ingest(
    url: Url = DEFAULT_URL,
    /,
    *,
    body: BodyOptions = BodyOptions(),
    audience: ListenerOptions = ListenerOptions(),
    server: ServerOptions = ServerOptions(),  # noqa: B008 - frozen
    time: TimeOptions = TimeOptions(),  # noqa: B008 - frozen
    output: OutputOptions = OutputOptions(),  # noqa: B008 - frozen
) -> int:
    """Post line protocol as fast as it is answered, and count lines, bytes and requests a second.

    Lines are like Telegraf's, with the present as their time, unless --file gives others. --subscribers listen to what
    becomes of them. Exit status 1 when a body was refused or a connection lost, 2 when the command line cannot be used.
    """
    body.check()
    time.check()
    output.check()
    target, token = server.target(url), server.known_token
    bodies = body.bodies()
    headers: Headers = [("Content-Type", "text/plain; charset=utf-8")]
    if body.gzip:
        headers.append(("Content-Encoding", "gzip"))
    work = Ingest(
        path=target.push_path(body.stream),
        headers=headers,
        connections=body.connections,
        threads=audience.threads or min(body.connections, usual_threads()),
        lines=count_lines(bodies[0]),
        fresh_times=body.file is None and not body.gzip,
    )
    channels = [f"stream/{body.stream}/{measurement}" for measurement in MEASUREMENTS]
    listening = audience.audience(target, token, channels)
    plan = Plan(
        run=new_run(),
        server=reach(target, server.pid),
        audience=listening,
        work=Work(ingest=work),
        warm_up_seconds=time.warm_up,
        seconds=time.seconds,
        drain_seconds=time.drain,
    )
    packed = [gzip.compress(body, 6) for body in bodies] if body.gzip else bodies
    return measure(INGEST, url, plan, output, packed)
