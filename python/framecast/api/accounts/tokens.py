"""``/api/tokens``: service tokens, for the admins of their org; ``/api/orgs/{id}/tokens`` for server admins."""

from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, Field

from framecast.accounts.identity import Identity, Quota, Reach, Role
from framecast.accounts.permissions import Action, check, may
from framecast.accounts.register.register import Register
from framecast.accounts.register.service_tokens import NewToken
from framecast.api.accounts.words import CHANGE_REFUSED, ROLE_TEXT, Body, Done, OrgId, TokenId, done
from framecast.api.bodies import JsonBodies
from framecast.api.grafana_words import tell_moment
from framecast.api.routing import PROBLEM, ApiRoute, Caller, JsonBody
from framecast.errors import Refusal
from framecast.settings import Api
from framecast.store.service_tokens import ServiceToken

Patterns = Annotated[list[str] | None, Field(description="With `*` for anything.")]


PerSecond = Annotated[
    float | None,
    Field(description="On the average, 0.001 at least. 0 is no limit; without it the server's settings say."),
]


class QuotaBody(Body):
    """How much may be sent with a token. What is left out stays as it is, null is what the server's settings say."""

    requests_per_second: PerSecond = Field(None, alias="requestsPerSecond")
    bytes_per_second: PerSecond = Field(None, alias="bytesPerSecond")
    body_bytes: int | None = Field(None, alias="bodyBytes", description="The largest body that it may push.")


class TokenBody(QuotaBody):
    """A new token."""

    name: str = Field(description="No other token of the org has it.")
    role: Role = Field(Role.VIEWER, strict=False, description=ROLE_TEXT)
    seconds_to_live: float | None = Field(None, alias="secondsToLive", description="0, or none, is for ever.")
    push: Patterns = Field(None, description="Ids of streams. With `push` or `read` it may do that and nothing else.")
    read: Patterns = Field(None, description="Channels, as scope/namespace/path.")
    server_admin: bool = Field(default=False, alias="serverAdmin", description="Only a server admin may make one.")


class TokenShape(BaseModel):
    """A token, without its secret."""

    id: int
    orgId: int  # noqa: N815 - as Grafana spells names
    name: str
    role: str
    serverAdmin: bool  # noqa: N815
    push: list[str] | None
    read: list[str] | None
    requestsPerSecond: float | None  # noqa: N815
    bytesPerSecond: float | None  # noqa: N815
    bodyBytes: int | None  # noqa: N815
    created: str
    expiration: str | None
    hasExpired: bool  # noqa: N815


class NewTokenShape(TokenShape):
    """A token with its secret, which is told this once."""

    key: str


class TokenRoutes:
    """The routes of service tokens."""

    def __init__(self, register: Register, bodies: JsonBodies, limits: Api) -> None:
        self._tokens = register.service_tokens
        self._directory = register.directory
        self._body = JsonBody(bodies, limits.body_bytes)

    def routes(self) -> list[ApiRoute]:
        """Which path leads to which of the methods below."""
        own, any_, body = Action.MANAGE_ORG, Action.MANAGE_SERVER, self._body
        made = {200: NewTokenShape, **CHANGE_REFUSED}
        post = ("POST",)
        return [
            ApiRoute("/api/tokens", self.list_own, needs=own, answers={200: list[TokenShape]}),
            ApiRoute("/api/tokens", self.create_own, methods=post, needs=own, takes=body, answers=made),
            ApiRoute(
                "/api/tokens/{token_id}",
                self.limit,
                methods=("PATCH",),
                takes=body,
                answers={200: TokenShape, 403: PROBLEM, **CHANGE_REFUSED},
            ),
            ApiRoute(
                "/api/tokens/{token_id}",
                self.revoke,
                methods=("DELETE",),
                answers={200: Done, 403: PROBLEM, **CHANGE_REFUSED},
            ),
            ApiRoute(
                "/api/orgs/{org_id}/tokens", self.list_any, needs=any_, answers={200: list[TokenShape], 404: PROBLEM}
            ),
            ApiRoute("/api/orgs/{org_id}/tokens", self.create_any, methods=post, needs=any_, takes=body, answers=made),
        ]

    async def list_own(self, caller: Caller) -> list[dict[str, Any]]:
        """The tokens of the caller's org."""
        return self._list(caller.org_id)

    async def create_own(self, body: TokenBody, caller: Caller) -> dict[str, Any]:
        """Make a token of the caller's org. The answer is the only one that holds its secret (`key`)."""
        return await self._create(caller, caller.org_id, body)

    async def list_any(self, org_id: OrgId) -> list[dict[str, Any]]:
        """The tokens of an org."""
        self._directory.orgs.get(org_id)
        return self._list(org_id)

    async def create_any(self, org_id: OrgId, body: TokenBody, caller: Caller) -> dict[str, Any]:
        """Make a token of an org. The answer is the only one that holds its secret (`key`)."""
        return await self._create(caller, org_id, body)

    async def limit(self, token_id: TokenId, body: QuotaBody, caller: Caller) -> dict[str, Any]:
        """Change how much may be sent with a token. It holds at once, and connections stay.

        Of the caller's org, or of any for a server admin.
        """
        self._check_reaches(caller, token_id)
        changed = body.model_dump(exclude_unset=True)
        return _tell(await self._tokens.limit(token_id, partial(replace, **changed)))

    async def revoke(self, token_id: TokenId, caller: Caller) -> dict[str, str]:
        """Let nobody in by a token any more, and end the connections that it let in.

        Of the caller's org, or of any for a server admin.
        """
        self._check_reaches(caller, token_id)
        await self._tokens.revoke(token_id)
        return done("Token revoked")

    def _check_reaches(self, caller: Identity, token_id: int) -> None:
        everywhere = may(caller, Action.MANAGE_SERVER)
        if not everywhere:
            check(caller, Action.MANAGE_ORG)
        token = self._directory.tokens.get(token_id)
        if not everywhere and token.org_id != caller.org_id:
            raise Refusal(404, f"Not Found: there is no token {token_id}")

    def _list(self, org_id: int) -> list[dict[str, Any]]:
        return [_tell(token) for token in self._directory.tokens.of_org(org_id)]

    async def _create(self, caller: Identity, org_id: int, body: TokenBody) -> dict[str, Any]:
        if body.server_admin:
            check(caller, Action.MANAGE_SERVER)
        seconds = body.seconds_to_live or 0
        if seconds < 0:
            raise Refusal(400, "body secondsToLive: must not be negative")
        limited = body.push is not None or body.read is not None
        token, key = await self._tokens.create(
            NewToken(
                org_id=org_id,
                name=body.name,
                role=body.role,
                server_admin=body.server_admin,
                reach=Reach(tuple(body.push or ()), tuple(body.read or ())) if limited else None,
                expires=self._directory.clock() + seconds if seconds else None,
                quota=Quota(body.requests_per_second, body.bytes_per_second, body.body_bytes),
            )
        )
        return {**_tell(token), "key": key}


def _tell(token: ServiceToken) -> dict[str, Any]:
    return {
        "id": token.token_id,
        "orgId": token.org_id,
        "name": token.name,
        "role": token.role,
        "serverAdmin": token.server_admin,
        "push": None if token.push is None else list(token.push),
        "read": None if token.read is None else list(token.read),
        "requestsPerSecond": token.requests_per_second,
        "bytesPerSecond": token.bytes_per_second,
        "bodyBytes": token.body_bytes,
        "created": tell_moment(token.created),
        "expiration": None if token.expires is None else tell_moment(token.expires),
        "hasExpired": token.expired,
    }
