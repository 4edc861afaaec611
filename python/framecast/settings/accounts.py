"""Orgs, users, service tokens and sessions: how many there may be, and how long they last."""

from typing import Annotated

from msgspec import Meta, Struct

from framecast.settings.units import Positive, Seconds

Lifetime = Annotated[float, Meta(gt=0, le=315_360_000)]
"""Seconds, up to ten years."""


class Accounts(Struct, frozen=True, forbid_unknown_fields=True):
    """Who gets in (accounts.md). Of no effect with `server.dev`, which lets everybody in."""

    session_idle_seconds: Lifetime = 7 * 86_400.0
    """A session without a request for this long is over (Grafana: 7 days)."""

    session_seconds: Lifetime = 30 * 86_400.0
    """A session is over this long after its login, whatever happens meanwhile (Grafana: 30 days)."""

    session_seen_seconds: Seconds = 60.0
    """Between two times that it is written down which sessions were in use; what a stop may cost of it."""

    check_seconds: Annotated[float, Meta(gt=0, le=60)] = 2.0
    """Between two looks at which tokens and sessions are over: connections that they let in end so much later, at
    most."""

    max_orgs: Positive = 1_000
    """Orgs of the server."""

    max_users: Positive = 10_000
    """Users of the server."""

    max_tokens: Positive = 50_000
    """Service tokens of the server, expired ones included, which stay in the list until they are removed. 50,000 take
    some 60 MiB of memory."""

    max_sessions: Positive = 50_000
    """Sessions of the server; one more ends the one that was idle for longest."""

    sessions_per_user: Positive = 50
    """Sessions of one user; one more ends the one that was idle for longest."""

    token_patterns: Positive = 100
    """Patterns in each list of a token that is limited to lists."""

    waiting_changes: Positive = 200
    """Changes of accounts that wait for their turn; one more is answered 503."""

    change_seconds: Seconds = 10.0
    """For a change of accounts to be written; then it is answered 503, and may be made nonetheless."""
