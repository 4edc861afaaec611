"""What a token makes of its user: the org, and what it may do there.

Claims that are not named in the settings say nothing, so that no token grants more than somebody has meant it to.
"""

from typing import TypeVar

from msgspec import Raw, Struct

from framecast.accounts.identity import Role
from framecast.accounts.tokens.refused import Reason, TokenRefusedError, quote
from framecast.accounts.tokens.registered import read_claims
from framecast.settings import Tokens

T = TypeVar("T")

MAX_ORG = 10**18


class Standing(Struct, frozen=True):
    """An org's member."""

    org_id: int
    role: Role
    server_admin: bool


def read_standing(text: str, settings: Tokens) -> Standing:
    """The standing of the claims in `text`. TokenRefusedError for a claim of another type, or with another value."""
    org_id = _find(text, settings.org_claim, int)
    if org_id is not None and not 1 <= org_id < MAX_ORG:
        raise TokenRefusedError(Reason.CLAIMS, f"`{settings.org_claim}` is no org's id")
    named = _find(text, settings.role_claim, str)
    if named is not None and named not in set(Role):
        raise TokenRefusedError(
            Reason.CLAIMS, f"`{settings.role_claim}` is {quote(named)}, not one of {', '.join(Role)}"
        )
    return Standing(
        org_id=settings.org if org_id is None else org_id,
        role=Role(settings.role if named is None else named),
        server_admin=_find(text, settings.server_admin_claim, bool) or False,
    )


def _find(text: str, claim: str, kind: type[T]) -> T | None:
    """The claim, if there is one and it is asked for."""
    told = read_claims(text, dict[str, Raw]).get(claim) if claim else None
    return None if told is None or bytes(told) == b"null" else read_claims(str(told, "utf-8"), kind)
