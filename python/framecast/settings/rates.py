"""How much one sender may ask and push in a second, where its token does not say it itself."""

from typing import Annotated

from msgspec import Meta, Struct

from framecast.settings.units import Positive, Seconds

PerSecond = Annotated[float, Meta(ge=0, le=1e12)]
"""0 is no limit."""


class Rates(Struct, frozen=True, forbid_unknown_fields=True):
    """How much one sender may ask and push in a second, on the average (accounts.md). 0 is no limit.

    There is none to begin with: thousands of agents may share one token. What a token says of itself goes before these.
    """

    token_requests_per_second: PerSecond = 0.0
    """Of one service token, whoever shows it: requests, messages on push WebSockets, commands of subscribers."""

    token_bytes_per_second: PerSecond = 0.0
    """Pushed with one service token, after decompression."""

    user_requests_per_second: PerSecond = 0.0
    """Of one user of an org, in all its sessions, whoever says who it is."""

    user_bytes_per_second: PerSecond = 0.0
    """Pushed by one user."""

    address_requests_per_second: PerSecond = 0.0
    """Of one IPv4 address or IPv6 network (/64) of visitors who are nobody in particular."""

    address_bytes_per_second: PerSecond = 0.0
    """Pushed from one such address."""

    burst_seconds: Seconds = 10.0
    """So many seconds' worth may come at once, after a while with nothing."""

    kept: Positive = 50_000
    """Tokens, as many users, and as many addresses, of which is known how much they had; beyond, the one that was
    quiet for longest is forgotten. Not less than there are tokens with limits."""
