"""What is kept of channels, and what clients may do on them."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from framecast.settings.units import KIB, MIB, Positive, Seconds


class History(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a channel's past: new subscribers begin with it, returning ones get what they missed of it.

    In memory only: a restart begins with nothing. The newest publication of a channel is kept whatever its size.
    """

    rows: Positive = 10_000
    """Rows of one channel; the oldest publications beyond are let go."""

    seconds: Seconds = 3_600.0
    """What was published longer ago than this is let go."""

    bytes: Annotated[int, Meta(ge=4 * KIB)] = MIB
    """Of one channel. A returning subscriber may get all of it at once, so it must fit `live.queue_bytes`."""

    stream_bytes: Positive = 64 * MIB
    """Of all channels of one stream; beyond, those that hold most lose first."""

    total_bytes: Positive = 256 * MIB
    """Of the whole server; beyond, the streams that hold most lose first: each is sure of half an equal share."""


class ChannelOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What clients may do and see on channels.

    By scope (`[channels.stream]`) or scope and namespace (`[channels."grafana/broadcast"]`), which wins option by
    option. A scope that the server has no rules for exists by being named here: `[channels.chat]` makes `chat/…/…`
    channels, on which clients publish.
    """

    presence: bool = False
    """Who is subscribed is kept."""

    ask_presence: bool = False
    """Subscribers may ask who is there, and how many, where `presence` is on. It shows user ids."""

    join_leave: Literal["off", "asked", "pushed"] = "off"
    """Who comes and goes is told to nobody, to subscribers that ask for it, to every subscriber."""

    recovery: Literal["off", "stream", "cache"] = "stream"
    """What a returning subscriber gets of what it missed: nothing, all of it, the newest publication only."""

    ask_history: bool = True
    """Subscribers may read what is kept of the past, where `history_rows` is not 0."""

    history_rows: Annotated[int, Meta(ge=0)] = History().rows
    """Of one channel; a publication that is no frame counts as one row; 0 keeps nothing. Where this is not set it is
    `history.rows`, and so for the next two."""

    history_seconds: Seconds = History().seconds
    """What was published longer ago than this is let go."""

    history_bytes: Annotated[int, Meta(ge=4 * KIB)] = History().bytes
    """Of one channel; the newest publication is kept whatever its size. It must fit `live.queue_bytes` four times."""

    delta: bool = False
    """Subscribers that ask for it get the difference to the publication before instead of the whole (fossil)."""

    conflate: bool = False
    """A subscriber that reads slowly gets the newest publication instead of all, and is not cut for it. Only where
    `recovery` is `"off"` and `delta` is not on: both need every publication."""

    conflate_seconds: Annotated[float, Meta(ge=0)] = 0.0
    """Of what a plugin sends on one channel in this time the newest packet alone goes on, for who must not be told more
    often; 0 lets all of them. One with a schema that is new is never left out. Beyond `sources.packets_per_second` the
    plugin waits, either way."""

    publish: Literal["nobody", "subscribers", "everybody"] = "nobody"
    """Which clients may publish: none, those that are subscribed to the channel, all that are let in. Streams take
    pushes only."""


ChannelOverrides = Mapping[str, object]
"""Some of the options by name, each with a value that fits it."""

CHANNEL_DEFAULTS: Mapping[str, ChannelOverrides] = {
    "stream": {},
    "grafana/broadcast": {"presence": True, "join_leave": "pushed", "publish": "everybody"},
    "grafana/dashboard": {"presence": True, "join_leave": "pushed", "publish": "everybody"},
    "plugin": {"presence": True, "publish": "everybody"},
    "ds": {"presence": True, "publish": "everybody"},
}
"""Where channels of a scope, or of a scope and namespace, differ from `ChannelOptions` when nothing is set: as in
Grafana Live (live.go, features/), but for `recovery`. Of a plugin's channels the plugin itself says who may publish."""

BUILT_IN_SCOPES = frozenset({"stream", "grafana", "plugin", "ds", "watch", "push"})
"""Words that mean something in Grafana Live; naming them in the settings makes no channels."""
