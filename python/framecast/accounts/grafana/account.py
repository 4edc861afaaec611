"""Who somebody is, as Grafana's API tells it (docs/grafana.md has the answers of its releases).

`/api/user` and `/api/user/orgs` are for users. A service account's token gets 200 without an id from the first since
Grafana 11, 403 before that, 404 if it is an old API key; its org is in `/api/org`, and its role shows only in what it
may do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from framecast.accounts.grafana.answers import Deferred, Denied, Outcome, Told
from framecast.accounts.grafana.credential import Credential
from framecast.accounts.grafana.questions import Questions, Reply, UnreachableError
from framecast.accounts.identity import Identity, Role
from framecast.accounts.which_org import choose_org
from framecast.door.head import RequestHead
from framecast.errors import Refusal

RENEW_FIRST = "session.token.rotate"
"""The id of Grafana's 401 for a session that is good, and whose cookie is due to be replaced."""

NO_GOOD = Denied(401, "Unauthorized: Grafana does not know this session, token or password")
NO_ORG = Denied(403, "Forbidden: Grafana lets this token do nothing in any org")

ADMIN_ACTIONS = frozenset({"orgs:write"})
EDITOR_ACTIONS = frozenset({"live:push", "dashboards:create"})
"""What Grafana's basic roles of these names may do, and none below. `live:push` is made for what Editors do here."""

OrgId = Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]
LoginText = Annotated[str, Meta(max_length=255)]

_ROLES = frozenset(role.value for role in Role)
_ONLY_FOR_USERS = frozenset({304, 403, 404})
"""How `/api/user` and `/api/user/orgs` say that they are for nobody else, release by release."""


class _User(Struct, frozen=True, rename="camel"):
    login: LoginText
    id: int = 0
    org_id: int = 0
    is_grafana_admin: bool = False


class _UserOrg(Struct, frozen=True, rename="camel"):
    org_id: OrgId
    role: str = ""


class _Org(Struct, frozen=True):
    id: OrgId


class _Problem(Struct, frozen=True, rename="camel"):
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody whom Grafana knows. Two are equal who may do the same."""

    login: str
    roles: Mapping[int, Role]
    """By org; those where it has none (Grafana's role None) are left out."""

    current_org: int = field(compare=False)
    """Where it is when its request says nothing. A connection stays in the org in which it began."""

    server_admin: bool = False

    def identity(self, credential: Credential, head: RequestHead) -> Identity:
        """Who it is in the org that the request names, or else where it is now, or else in the first it has a role in.

        Refusal 403 where it has no role.
        """
        otherwise = self.current_org if self.current_org in self.roles else min(self.roles, default=0)
        org_id = choose_org(head, self.roles, otherwise)
        role = self.roles.get(org_id)
        if role is None:
            raise Refusal(403, "Forbidden: this user has no role in any org of Grafana")
        return Identity(
            org_id, self.login, role, server_admin=self.server_admin, credential=credential.name, proof=credential
        )

    def is_still(self, identity: Identity) -> bool:
        """Whether an identity that was made of an earlier answer would be made again."""
        return (
            self.roles.get(identity.org_id) == identity.role
            and (self.login, self.server_admin) == (identity.login, identity.server_admin)
        )  # fmt: skip


async def ask_account(questions: Questions, credential: Credential, peer: str) -> Outcome[Account]:
    """Ask who shows this credential, from the address `peer`. UnreachableError when Grafana cannot say."""
    reply = await questions.get("/api/user", credential, peer=peer)
    if reply.status in _ONLY_FOR_USERS:
        return await _ask_token(questions, credential, peer, _User(login=""))
    if reply.status != 200:
        return judge_no(reply)
    user = _decode(reply, _User, "/api/user")
    if user.id <= 0:
        return await _ask_token(questions, credential, peer, user)
    reply = await questions.get("/api/user/orgs", credential, peer=peer)
    if reply.status in _ONLY_FOR_USERS:
        return await _ask_token(questions, credential, peer, user)
    if reply.status != 200:
        return judge_no(reply)
    orgs = _decode(reply, list[_UserOrg], "/api/user/orgs")
    roles = {org.org_id: Role(org.role) for org in orgs if org.role in _ROLES}
    return Told(Account(user.login, roles, user.org_id, user.is_grafana_admin))


async def _ask_token(questions: Questions, credential: Credential, peer: str, user: _User) -> Outcome[Account]:
    """A service account's, or an API key's, which is of one org."""
    org_id = user.org_id
    if org_id <= 0:
        reply = await questions.get("/api/org", credential, peer=peer)
        if reply.status == 403:
            return NO_ORG
        if reply.status != 200:
            return judge_no(reply)
        org_id = _decode(reply, _Org, "/api/org").id
    reply = await questions.get("/api/access-control/user/actions", credential, peer=peer)
    if reply.status != 200:
        return judge_no(reply)
    actions = _decode(reply, dict[str, bool], "/api/access-control/user/actions")
    allowed = {action for action, granted in actions.items() if granted}
    if not allowed:
        return NO_ORG
    role = Role.ADMIN if allowed & ADMIN_ACTIONS else Role.EDITOR if allowed & EDITOR_ACTIONS else Role.VIEWER
    return Told(Account(user.login, {org_id: role}, org_id))


def judge_no(reply: Reply) -> Denied | Deferred:
    """What an answer to a visitor comes to that is not 200. UnreachableError for one that says nothing of it."""
    if reply.status != 401:
        raise UnreachableError(f"it answers with status {reply.status}")
    try:
        problem = msgspec.json.decode(reply.body, type=_Problem)
    except (msgspec.DecodeError, RecursionError):
        return NO_GOOD
    return Deferred() if problem.message_id == RENEW_FIRST else NO_GOOD


V = TypeVar("V")


def _decode(reply: Reply, kind: type[V], path: str) -> V:
    """UnreachableError for what no Grafana answers; something else stands at its address then."""
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreachableError(f"{path} is not what Grafana answers: {type(error).__name__}") from None
