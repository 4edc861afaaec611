"""The flags that measurements share, and what becomes of them in a plan. Mistakes are told before anybody connects."""

import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from framecast.channels.address import is_namespace
from framecast.cli.bench.plan import Audience, Protocol, Publishing, Way
from framecast.cli.bench.target import Target, find_target
from framecast.cli.failure import CommandError

DEFAULT_URL = "http://127.0.0.1:8300"
DEFAULT_SUBSCRIBERS = 50
"""Framecast and Grafana let in 100 unless told otherwise, and somebody may have a dashboard open."""
FIRST_SECONDS = 5.0
"""For the first publication to reach everybody: a server that takes longer is not the one to measure yet."""
DRAIN_SECONDS = 5.0
MEASUREMENT = "load"
MOST_PUBLISHERS = 4
"""Connections that publish, unless asked otherwise: a channel has one alone, so that it stays in order."""
MOST_THREADS = 8
WAYS: dict[str, Way] = {"push": "push", "push-socket": "push_socket", "command": "command"}
_CHANNEL = re.compile(r"[^\x00-\x20\x7f]+")

Url = Annotated[
    str, Parameter(help="HOST:PORT of the server, or the URL of its WebSocket where that is not at /api/live/ws.")
]


@Parameter(name="*", group="Server")
@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Whom to measure, and as whom."""

    token: Annotated[str | None, Parameter(help="Or $FRAMECAST_TOKEN.")] = None
    pid: Annotated[int | None, Parameter(help="The server's process on this machine: its CPU and memory.")] = None

    @property
    def known_token(self) -> str | None:
        """The token, from wherever it comes."""
        return self.token or os.environ.get("FRAMECAST_TOKEN")

    def target(self, url: str) -> Target:
        """The server. CommandError, status 2, for what cannot be used."""
        if self.pid is not None and not Path(f"/proc/{self.pid}/stat").exists():
            raise CommandError(f"--pid {self.pid}: there is no such process on this machine", status=2)
        return find_target(url, self.known_token)


@Parameter(name="*", group="Subscribers")
@dataclass(frozen=True, kw_only=True)
class AudienceOptions:
    """Who listens."""

    subscribers: Annotated[int, Parameter(help="Each of them subscribes to every channel.")] = DEFAULT_SUBSCRIBERS
    protocol: Annotated[Protocol, Parameter(help="What clients speak.")] = "json"
    prefix: Annotated[str, Parameter(help="Before every channel's name; for Grafana the organisation: 1")] = ""
    threads: Annotated[int | None, Parameter(help="For subscribers; by default half of the cores.")] = None
    at_once: Annotated[int, Parameter(help="So many connect at the same time.")] = 128
    connect_seconds: Annotated[float, Parameter(help="For one subscriber, until it is ready.")] = 30.0

    def audience(self, target: Target, token: str | None, channels: Sequence[str]) -> Audience:
        """The audience of a plan, on channels without the prefix."""
        if self.threads is not None and not 1 <= self.threads <= 256:
            raise CommandError("--threads must be from 1 to 256", status=2)
        if self.at_once < 1:
            raise CommandError("--at-once must be 1 or more", status=2)
        if self.subscribers < 0:
            raise CommandError("--subscribers must be 0 or more", status=2)
        check_seconds("--connect-seconds", self.connect_seconds, least=0.1)
        return Audience(
            path=target.path,
            protocol=self.protocol,
            token=token,
            subscribers=self.subscribers,
            channels=[self.spell(channel) for channel in channels],
            threads=self.threads or usual_threads(),
            at_once=self.at_once,
            handshake_seconds=self.connect_seconds,
        )

    def spell(self, channel: str) -> str:
        """The channel's name as the server wants it."""
        prefix = self.prefix.rstrip("/")
        name = f"{prefix}/{channel}" if prefix else channel
        if not _CHANNEL.fullmatch(name):
            raise CommandError(f"{name!r} is no channel's name", status=2)
        return name


@Parameter(name="*", group="Publications")
@dataclass(frozen=True, kw_only=True)
class PublishingOptions:
    """What is published, where and how."""

    publish: Annotated[
        Literal["push", "push-socket", "command"],
        Parameter(help="Line protocol by HTTP or on a WebSocket, or the clients' publish command."),
    ] = "push"
    stream: Annotated[str, Parameter(help="The stream that is pushed to.")] = "bench"
    channel: Annotated[str, Parameter(help="Where the command publishes.")] = "grafana/broadcast/bench"
    channels: Annotated[int, Parameter(help="So many: NAME-1, NAME-2, …")] = 1
    bytes: Annotated[int, Parameter(help="Of one publication as it is sent: JSON data, or a line.")] = 200
    publishers: Annotated[int | None, Parameter(help="Connections; by default one a channel, 4 at most.")] = None

    def check(self) -> None:
        """CommandError, status 2, for what cannot be used."""
        if not is_namespace(self.stream):
            raise CommandError(f"--stream {self.stream!r} is no stream id: letters, digits and _ - . only", status=2)
        if not 1 <= self.channels <= 10_000:
            raise CommandError("--channels must be from 1 to 10000", status=2)
        if self.publishers is not None and not 1 <= self.publishers <= self.channels:
            raise CommandError("--publishers must be from 1 to --channels: each channel has one", status=2)

    def names(self) -> list[str]:
        """By channel: what it is published by, without a prefix."""
        base = self.channel if self.publish == "command" else MEASUREMENT
        return [base] if self.channels == 1 else [f"{base}-{number + 1}" for number in range(self.channels)]

    def channel_names(self) -> list[str]:
        """The channels, without a prefix."""
        names = self.names()
        return names if self.publish == "command" else [f"stream/{self.stream}/{name}" for name in names]

    def publishing(self, target: Target, token: str | None, audience: AudienceOptions) -> Publishing:
        """The publisher of a plan."""
        by_command = self.publish == "command"
        return Publishing(
            way=WAYS[self.publish],
            path=target.path if by_command else target.push_path(self.stream),
            names=[audience.spell(name) for name in self.names()] if by_command else self.names(),
            token=token,
            connections=self.publishers or min(self.channels, MOST_PUBLISHERS),
            bytes=self.bytes,
            first_seconds=FIRST_SECONDS,
        )


@Parameter(name="*", group="Time")
@dataclass(frozen=True, kw_only=True)
class TimeOptions:
    """When figures count."""

    seconds: Annotated[float, Parameter(help="How long figures count.")] = 10.0
    warm_up: Annotated[float, Parameter(help="Seconds before that, which do not.")] = 2.0
    drain: Annotated[float, Parameter(help="Seconds that what is still on its way is waited for at the end.")] = (
        DRAIN_SECONDS
    )

    def check(self) -> None:
        """CommandError, status 2, for what cannot be."""
        check_seconds("--seconds", self.seconds, least=0.1)
        check_seconds("--warm-up", self.warm_up, least=0.0)
        check_seconds("--drain", self.drain, least=0.0)


@Parameter(name="*", group="Output")
@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """How the findings are shown."""

    json: Annotated[bool, Parameter(help="Everything as one JSON object instead of a table.", negative=())] = False
    html: Annotated[Path | None, Parameter(help="Write a report with plots to this file as well.")] = None

    def check(self) -> None:
        """CommandError, status 2, for a report that could not be written in the end."""
        if self.html is not None and not self.html.absolute().parent.is_dir():
            raise CommandError(f"--html {self.html}: there is no such directory", status=2)


def check_seconds(flag: str, seconds: float, *, least: float) -> None:
    """CommandError, status 2, for a number of seconds that is out of bounds or no number."""
    if not least <= seconds <= 86_400:
        raise CommandError(f"{flag} must be from {least:g} to 86400", status=2)


def usual_threads() -> int:
    """Half of the cores that this process may use: the server may want the other half."""
    return max(1, min(MOST_THREADS, len(os.sched_getaffinity(0)) // 2))


def new_run() -> int:
    """A number for a run, that others running at the same time do not have."""
    return secrets.randbits(32)
