"""Service tokens in memory: one hash and one look tell whose a secret is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from framecast.accounts.identity import Identity, Quota, Reach, Role
from framecast.accounts.secret import hash_secret
from framecast.errors import Refusal
from framecast.store.service_tokens import ServiceToken


def credential_of_token(token_id: int) -> str:
    """What lets in whoever shows the token."""
    return f"token:{token_id}"


def quota_of(token: ServiceToken) -> Quota:
    """What it says of how much may be sent with it."""
    return Quota(token.requests_per_second, token.bytes_per_second, token.body_bytes)


def _identity_of(token: ServiceToken) -> Identity:
    """Who shows it. No user has such a login: theirs hold no colon."""
    reach = None if token.push is None or token.read is None else Reach(token.push, token.read)
    return Identity(
        org_id=token.org_id,
        login=f"token:{token.name}",
        role=Role(token.role),
        server_admin=token.server_admin,
        reach=reach,
        quota=quota_of(token),
        credential=credential_of_token(token.token_id),
    )


@dataclass(frozen=True, slots=True)
class _InForce:
    identity: Identity
    expires: float | None

    def lasts(self, now: float) -> bool:
        """Whether its time has not come yet, though nobody may have looked for a while."""
        return self.expires is None or now < self.expires


class TokenTable:
    """All service tokens. Expired ones are listed until they are removed, and let nobody in."""

    def __init__(self, tokens: Iterable[ServiceToken] = ()) -> None:
        self._tokens: dict[int, ServiceToken] = {}
        self._names: set[tuple[int, str]] = set()
        self._in_force: dict[bytes, _InForce] = {}
        self._ending: dict[int, float] = {}
        """When those that are in force and have an end will expire."""
        for token in tokens:
            self.put(token)

    def __len__(self) -> int:
        return len(self._tokens)

    def __iter__(self) -> Iterator[ServiceToken]:
        """In no order."""
        return iter(self._tokens.values())

    def find(self, token_id: int) -> ServiceToken | None:
        """The token, if there is one."""
        return self._tokens.get(token_id)

    def get(self, token_id: int) -> ServiceToken:
        """The token; Refusal 404 when there is none."""
        token = self._tokens.get(token_id)
        if token is None:
            raise Refusal(404, f"Not Found: there is no token {token_id}")
        return token

    def find_secret(self, secret: str, now: float) -> Identity | None:
        """Who shows this secret; None when it is no token's, or an expired one's."""
        found = self._in_force.get(hash_secret(secret))
        return found.identity if found is not None and found.lasts(now) else None

    def find_identity(self, token_id: int, now: float) -> Identity | None:
        """Who shows this token; None when there is none, or when it has expired."""
        token = self._tokens.get(token_id)
        found = None if token is None else self._in_force.get(token.secret_hash)
        return found.identity if found is not None and found.lasts(now) else None

    def has_name(self, org_id: int, name: str) -> bool:
        """Whether the org has a token of this name."""
        return (org_id, name) in self._names

    def of_org(self, org_id: int) -> list[ServiceToken]:
        """The tokens of an org, the oldest first."""
        return sorted(
            (token for token in self._tokens.values() if token.org_id == org_id), key=lambda token: token.token_id
        )

    def put(self, token: ServiceToken) -> None:
        """There is this token now."""
        self._tokens[token.token_id] = token
        self._names.add((token.org_id, token.name))
        if not token.expired:
            self._in_force[token.secret_hash] = _InForce(_identity_of(token), token.expires)
            if token.expires is not None:
                self._ending[token.token_id] = token.expires

    def put_quota(self, token: ServiceToken) -> None:
        """So much may be sent with this token, which is there already, by the connections that it let in as well."""
        self._tokens[token.token_id] = token
        found = self._in_force.get(token.secret_hash)
        if found is not None and found.identity.quota is not None:
            found.identity.quota.take_over(quota_of(token))

    def drop(self, token_id: int) -> None:
        """There is no such token any more."""
        token = self._tokens.pop(token_id, None)
        if token is not None:
            self._names.discard((token.org_id, token.name))
            self._in_force.pop(token.secret_hash, None)
            self._ending.pop(token_id, None)

    def expire(self, now: float) -> list[int]:
        """Put those whose time has come out of force, for good; which they were."""
        over = [token_id for token_id, expires in self._ending.items() if expires <= now]
        for token_id in over:
            token = self._tokens[token_id]
            self._tokens[token_id] = replace(token, expired=True)
            del self._in_force[token.secret_hash]
            del self._ending[token_id]
        return over
