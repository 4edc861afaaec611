"""Changes of service tokens."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from framecast.accounts.directory.service_tokens import credential_of_token, quota_of
from framecast.accounts.identity import Quota, Reach, Role
from framecast.accounts.register.desk import Desk
from framecast.accounts.register.names import check_name, check_patterns
from framecast.accounts.revocation import Revocation
from framecast.accounts.secret import hash_secret, make_token
from framecast.errors import Refusal
from framecast.store.service_tokens import (
    ServiceToken,
    delete_service_token,
    insert_service_token,
    limit_service_token,
    note_expired,
)

log = structlog.get_logger(__name__)

LEAST_PER_SECOND = 0.001
"""One in a quarter of an hour. With less a token could do nothing, and would still count as the admin who stays."""

MOST_PER_SECOND = 1e12
MOST_BYTES = 2**53

LATEST_EXPIRY = 253_402_300_799
"""The end of the year 9999, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a token is to be."""

    org_id: int
    name: str
    role: Role = Role.VIEWER
    server_admin: bool = False
    reach: Reach | None = None
    """For one that is limited to lists."""
    expires: float | None = None
    """Unix seconds; None for never."""
    quota: Quota = field(default_factory=Quota)
    """How much may be sent with it."""


class ServiceTokens:
    """Makes, revokes and expires service tokens."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._unwritten: list[int] = []
        """Expired tokens of which that is not written yet."""

    async def create(self, wanted: NewToken) -> tuple[ServiceToken, str]:
        """A new token, and its secret, which nobody can tell afterwards.

        Refusal 400 for what it is to be, 404 without the org, 409 when the org has one of that name or there are too
        many.
        """
        return await self._desk.make(partial(self._create, wanted))

    async def limit(self, token_id: int, change: Callable[[Quota], Quota]) -> ServiceToken:
        """The token with what `change` makes of its limits. They hold at once, and no connection ends.

        Refusal 400 for what they are to be, 404.
        """
        return await self._desk.make(partial(self._limit, token_id, change))

    async def revoke(self, token_id: int) -> None:
        """Let nobody in by it any more, and end the connections that it let in.

        Refusal 404; 409 for the last admin's (last_admin.py).
        """
        await self._desk.make(partial(self._revoke, token_id))

    async def expire(self) -> None:
        """Put those whose time has come out of force, for good, and end the connections that they let in."""
        await self._desk.make(self._expire)

    async def _create(self, wanted: NewToken) -> tuple[ServiceToken, str]:
        desk = self._desk
        self._check(wanted)
        secret = make_token()
        token = ServiceToken(
            token_id=0,
            org_id=wanted.org_id,
            name=wanted.name,
            role=str(wanted.role),
            server_admin=wanted.server_admin,
            push=None if wanted.reach is None else wanted.reach.push,
            read=None if wanted.reach is None else wanted.reach.read,
            secret_hash=hash_secret(secret),
            created=desk.now(),
            expires=wanted.expires,
            requests_per_second=wanted.quota.requests_per_second,
            bytes_per_second=wanted.quota.bytes_per_second,
            body_bytes=wanted.quota.body_bytes,
        )
        token = replace(token, token_id=await desk.write(partial(insert_service_token, token=token)))
        desk.directory.tokens.put(token)
        return token, secret

    async def _limit(self, token_id: int, change: Callable[[Quota], Quota]) -> ServiceToken:
        desk = self._desk
        token = desk.directory.tokens.get(token_id)
        quota = change(quota_of(token))
        _check_quota(quota)
        token = replace(
            token,
            requests_per_second=quota.requests_per_second,
            bytes_per_second=quota.bytes_per_second,
            body_bytes=quota.body_bytes,
        )
        await desk.write(partial(limit_service_token, token=token))
        desk.directory.tokens.put_quota(token)
        return token

    async def _revoke(self, token_id: int) -> None:
        desk = self._desk
        desk.last_admin.check_token(desk.directory.tokens.get(token_id))
        await desk.write(partial(delete_service_token, token_id=token_id))
        desk.directory.tokens.drop(token_id)
        desk.announce(Revocation(frozenset({credential_of_token(token_id)})))

    async def _expire(self) -> None:
        # The other way round than all else: a disk that is full must not keep anybody in.
        desk = self._desk
        over = desk.directory.tokens.expire(desk.now())
        if over:
            log.info("tokens expired", tokens=over)
            desk.announce(Revocation(frozenset(map(credential_of_token, over))))
            self._unwritten += over
        if self._unwritten:
            await desk.write(partial(note_expired, token_ids=self._unwritten))
            self._unwritten = []

    def _check(self, wanted: NewToken) -> None:
        desk = self._desk
        check_name("name", wanted.name)
        if wanted.reach is not None:
            check_patterns("push", wanted.reach.push, desk.limits.token_patterns)
            check_patterns("read", wanted.reach.read, desk.limits.token_patterns)
            if wanted.server_admin:
                raise Refusal(400, "a token that is limited to lists cannot be a server admin's")
        _check_quota(wanted.quota)
        expires = wanted.expires
        if expires is not None and not (math.isfinite(expires) and desk.now() < expires <= LATEST_EXPIRY):
            raise Refusal(400, "expires must be a time to come, in Unix seconds, before the year 10000")
        org = desk.directory.orgs.get(wanted.org_id)
        if desk.directory.tokens.has_name(org.org_id, wanted.name):
            raise Refusal(409, f"org {org.org_id} has a token of the name '{wanted.name}' already")
        if len(desk.directory.tokens) >= desk.limits.max_tokens:
            raise Refusal(409, f"there are {desk.limits.max_tokens} tokens already (accounts.max_tokens)")


def _check_quota(quota: Quota) -> None:
    for name, most in (("requestsPerSecond", quota.requests_per_second), ("bytesPerSecond", quota.bytes_per_second)):
        if most is not None and most != 0 and not LEAST_PER_SECOND <= most <= MOST_PER_SECOND:  # NaN is neither
            raise Refusal(
                400, f"{name} must be 0, which is no limit, or from {LEAST_PER_SECOND:g} to {MOST_PER_SECOND:g}"
            )
    if quota.body_bytes is not None and not 1 <= quota.body_bytes <= MOST_BYTES:
        raise Refusal(400, f"bodyBytes must be a whole number from 1 to {MOST_BYTES}")
