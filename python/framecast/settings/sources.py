"""Streams that run while somebody is subscribed, those of plugins: when they run, and what they may take."""

from typing import Annotated

from msgspec import Meta, Struct

from framecast.settings.units import KIB, MIB, Positive, Seconds


class Sources(Struct, frozen=True, forbid_unknown_fields=True):
    """Streams that run only while somebody is subscribed to their channel: those of plugins (python-plugins.md)."""

    grace_seconds: Seconds = 15.0
    """How long a stream runs on after its last subscriber left (Grafana: three looks, 5 s apart)."""

    max_running: Positive = 2_000
    """Streams at once; a subscription that would start one more is refused, to be tried again."""

    steady_seconds: Seconds = 0.1
    """A stream that fails after it ran for this long is started again at once, and so is one that failed for the first
    time (Grafana: 100 ms)."""

    restart_seconds: Seconds = 0.2
    """Before the next start of one that fails sooner; doubled each time that it does (Grafana: 200 ms)."""

    restart_max_seconds: Seconds = 5.0
    """The longest of these waits (Grafana: 5 s)."""

    ask_seconds: Seconds = 5.0
    """For a plugin to say whether somebody may subscribe or publish; less than `live.command_seconds`."""

    max_asked: Positive = 1_000
    """Such questions to one plugin at once; one more is refused, to be tried again."""

    stop_seconds: Seconds = 5.0
    """For a stream to end when it is cancelled. Past it its channel is closed until it does, and a server that stops
    ends without it."""

    blocking_seconds: Seconds = 0.5
    """A plugin that holds the server's thread for longer, without a checkpoint, is named in the log."""

    packet_bytes: Annotated[int, Meta(ge=4 * KIB)] = MIB
    """Of one packet; a larger one is an error of the plugin, which is raised where it is sent."""

    packets_per_second: Annotated[float, Meta(gt=0)] = 1_000.0
    """Of one channel, on the average; who sends more waits."""

    packets_burst: Positive = 1_000
    """Packets of one channel that are taken as fast as they come."""

    bytes_per_second: Positive = 8 * MIB
    """Of one channel, on the average; who sends more waits. As much may come at once."""

    complaint_seconds: Seconds = 60.0
    """One log line per channel and kind of failure in this time, and 100 of all channels."""
