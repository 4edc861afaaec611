"""Orgs, users, service tokens and sessions: how many there may be, and how long they last."""

from typing import Annotated

from msgspec import Meta, Struct

from framecast.settings.units import KIB, Positive, RoleName, Seconds

Lifetime = Annotated[float, Meta(gt=0, le=315_360_000)]
"""Seconds, up to ten years."""


class Accounts(Struct, frozen=True, forbid_unknown_fields=True):
    """Who gets in, and how (accounts.md). Of no effect with `server.dev`, which lets everybody in."""

    service_tokens: bool = True
    """Programs get in by tokens that the server made (`framecast token create`)."""

    passwords: bool = True
    """Users get in by login and password: with `/login`, which begins a session, or with each request (Basic)."""

    sessions: bool = True
    """Browsers get in by the cookie of a session."""

    anonymous: bool = False
    """Who shows nothing gets in too, as one of `anonymous_org` with `anonymous_role`. Grafana's `[auth.anonymous]`."""

    anonymous_org: Positive = 1
    """The org of everybody who shows nothing."""

    anonymous_role: RoleName = "Viewer"
    """What everybody who shows nothing may do in that org."""

    session_cookie: Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$")] = "framecast_session"
    """The name of the cookie. Two servers on one host, on different ports, need different ones: a browser sends the
    cookies of one to the other."""

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

    password_characters: Annotated[int, Meta(ge=1, le=128)] = 8
    """The least of a new password (NIST SP 800-63B). Nothing else is asked of it."""

    password_kib: Annotated[int, Meta(ge=8, le=4 * KIB * KIB)] = 19 * KIB
    """Memory of one argon2id hash, in KiB. This and the next are what OWASP asks for at least; more makes a stolen
    database worth less, and each login slower. Hashes that were made with less are made anew at the next login."""

    password_passes: Annotated[int, Meta(ge=1, le=100)] = 2
    """Passes of one argon2id hash over its memory."""

    password_threads: Annotated[int, Meta(ge=1, le=64)] = 1
    """Worker threads for passwords, so many hashes at once: what strangers can take of the processor by guessing."""

    waiting_passwords: Positive = 50
    """Passwords that wait for a thread; one more is answered 503."""

    password_seconds: Seconds = 10.0
    """For one password to be checked, the wait for a thread included; then it is answered 503."""

    remember_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 300.0
    """How long a password that was right is known again without being hashed slowly, for programs that send it with
    each request. In memory, under a key that goes with the process; 0 remembers none."""

    remembered_passwords: Positive = 1_000
    """So many passwords; beyond, the oldest is forgotten."""

    attempts_seconds: Seconds = 300.0
    """Within this long an address, or a login, has its attempts back, one after another."""

    attempts_per_address: Positive = 100
    """Wrong credentials from one IPv4 address or IPv6 network (/64) that are answered 401; further ones get 429. Good
    tokens and sessions get in all the same; passwords, which are costly to check, do not meanwhile."""

    attempts_per_login: Positive = 20
    """Wrong passwords for one login, from wherever; further ones get 429 unread. Who is logged in stays so."""

    attempts_kept: Positive = 10_000
    """Addresses, and as many logins, whose attempts are counted; beyond, the one that was quiet for longest is
    forgotten."""

    complaint_seconds: Seconds = 60.0
    """One log line about refused credentials per kind in this time, and one about what somebody may not do, or does too
    fast, per sender and method."""

    complaint_lines: Positive = 20
    """Lines about what senders may not do, in this time, for all senders together."""

    complaints_kept: Positive = 1_000
    """Senders and methods whose last such line is remembered; beyond, the oldest is forgotten."""
