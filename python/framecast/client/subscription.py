"""What a session knows of one of its subscriptions."""

from math import inf

import msgspec


class Subscription(msgspec.Struct, frozen=True):
    """A subscription that stands."""

    spelling: str
    """The channel's name in the client's own words; pushes name it so."""

    expires_at: float = inf
    """When its token has run out, on the session's clock."""

    server_side: bool = False
    """Whether the server made it: the client can neither end nor refresh it."""

    chan_info: bytes = b""
    """What its token says about the client on this channel, as JSON."""

    detailed: bool = False
    """Whether it gets publications in their fuller form, where they have one."""
