"""Requests with a JSON Web Token: whoever holds the keys of `[tokens]` says who sends them.

In `Authorization: Bearer`, in a header of the settings' choice, or in the query (`auth_token`), as Grafana's front end
sends it. What begins as a service token of ours is never taken for one.
"""

import time
from collections.abc import Callable
from urllib.parse import parse_qs

from framecast.accounts.attempts import Attempts
from framecast.accounts.authorization import ShownToken, read_authorization
from framecast.accounts.directory.directory import Directory
from framecast.accounts.identity import Identity
from framecast.accounts.secret import is_token
from framecast.accounts.tokens.verifier import TokenVerifier
from framecast.accounts.which_org import choose_org
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.settings import Tokens

PARAMETER = "auth_token"


class JwtSource:
    """Takes what has the form of a JWT, and whatever stands where only one may stand."""

    def __init__(
        self,
        verifier: TokenVerifier,
        directory: Directory,
        attempts: Attempts,
        settings: Tokens,
        unix_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._verifier = verifier
        self._directory = directory
        self._attempts = attempts
        self._header = settings.header.lower().encode("ascii")
        self._unix_seconds = unix_seconds

    async def find(self, head: RequestHead) -> Identity | None:
        """Who the token says it is. Refusal 401, 429 or 503 as of `TokenVerifier.request`, 403 for another org."""
        token = self._find_token(head)
        if token is None:
            return None
        try:
            claims = await self._verifier.request(token, now=self._unix_seconds())
        except Refusal as refusal:
            raise refusal if refusal.code != 401 else self._attempts.judge(head.peer, refusal.message) from None
        standing = claims.standing
        org_id = standing.org_id
        if org_id not in self._directory.orgs:
            raise Refusal(401, f"Unauthorized: this token is for org {org_id}, which is none of this server")
        return Identity(
            org_id=choose_org(head, {org_id}, org_id),
            login=claims.user,
            role=standing.role,
            server_admin=standing.server_admin,
            lasts_until=claims.expires_at,
        )

    def _find_token(self, head: RequestHead) -> str | None:
        shown = read_authorization(head)
        if shown is not None:
            # An Authorization header goes before all else, whoever it is for.
            return shown.token if isinstance(shown, ShownToken) and _has_the_form(shown.token) else None
        named = head.find_text(self._header) if self._header else None
        if named is not None:
            return named.strip()
        if PARAMETER not in head.query:
            return None
        return parse_qs(head.query).get(PARAMETER, [None])[-1]


def _has_the_form(token: str) -> bool:
    return not is_token(token) and token.count(".") == 2
