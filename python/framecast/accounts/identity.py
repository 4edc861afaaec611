"""Who a request or connection belongs to."""

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What somebody is in an org, as Grafana spells it. Each may do what those before it may."""

    VIEWER = "Viewer"
    EDITOR = "Editor"
    ADMIN = "Admin"

    def covers(self, needed: "Role") -> bool:
        """Whether whoever has this role may do what takes `needed`."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Reach:
    """What a token with lists may do, whatever its role: this and nothing else."""

    push: tuple[str, ...] = ()
    """Globs of the ids of streams that it may push to."""

    read: tuple[str, ...] = ()
    """Globs of channels (``stream/telegraf/*``) that it may subscribe to."""


@dataclass(slots=True)
class Quota:
    """What a token says of how much may be sent with it. None: what the settings say (rates.py).

    Of a token that is known there is one, in the identity of each of its connections: when it changes (`take_over`), it
    has changed for all of them.
    """

    requests_per_second: float | None = None
    """0 is no limit."""

    bytes_per_second: float | None = None
    """Pushed; 0 is no limit."""

    body_bytes: int | None = None
    """The largest body, or message, that it may push. What the server's limit is holds all the same."""

    def take_over(self, other: "Quota") -> None:
        """Say from now on what `other` says."""
        self.requests_per_second = other.requests_per_second
        self.bytes_per_second = other.bytes_per_second
        self.body_bytes = other.body_bytes


@dataclass(frozen=True, slots=True)
class Identity:
    """One known caller."""

    org_id: int

    login: str
    """What other users may see; "" for nobody in particular."""

    role: Role

    server_admin: bool = False
    """Whether it may also do what concerns all orgs: make them, and read the server's figures."""

    reach: Reach | None = None
    """Set for a token that is limited to lists."""

    quota: Quota | None = field(default=None, compare=False)
    """Set for a token. It may change while a connection is there, and is no part of who somebody is."""

    credential: str = ""
    """What let it in, ``token:7`` for one: when that is revoked, its connections end. "" for what cannot be."""

    lasts_until: float | None = field(default=None, compare=False)
    """When what let it in ends by itself, in Unix seconds; connections end with it. None for never, and for what this
    server keeps itself: of that it is told when it ends."""

    proof: object = field(default=None, repr=False, compare=False)
    """What it showed, where whoever vouched for it is to be asked again. A secret that only its source looks into: it
    lives and ends with whatever the identity belongs to."""


DEVELOPER = Identity(org_id=1, login="", role=Role.ADMIN, server_admin=True)
"""Everybody, on a server started with ``--dev``."""
