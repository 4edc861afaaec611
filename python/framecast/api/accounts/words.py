"""What the routes of accounts have in common: their parameters, and how they tell of users and orgs."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict

from framecast.accounts.identity import Role
from framecast.api.grafana_words import MAX_ID, tell_moment
from framecast.store.users import User

OrgId = Annotated[int, Path(ge=1, le=MAX_ID, description="The org's id.")]
UserId = Annotated[int, Path(ge=1, le=MAX_ID, description="The user's id.")]
TokenId = Annotated[int, Path(ge=1, le=MAX_ID, description="The token's id.")]

ROLE_TEXT = "Viewer, Editor or Admin."


class Body(BaseModel):
    """What a route takes. Members that it does not know mean nothing; `role` may be a text."""

    model_config = ConfigDict(strict=True)


class Done(BaseModel):
    """That it is done."""

    message: str


class OrgOfUser(BaseModel):
    """An org, and what the user is in it."""

    orgId: int  # noqa: N815 - Grafana's name, as the others in this module
    name: str
    role: str


class Member(BaseModel):
    """A user of an org."""

    orgId: int  # noqa: N815
    userId: int  # noqa: N815
    login: str
    name: str
    email: str
    role: str
    isDisabled: bool  # noqa: N815


class UserShape(BaseModel):
    """A user."""

    id: int
    login: str
    name: str
    email: str
    orgId: int  # noqa: N815
    isGrafanaAdmin: bool  # noqa: N815
    isDisabled: bool  # noqa: N815
    isExternal: bool  # noqa: N815
    createdAt: str | None  # noqa: N815


def tell_user(user: User, org_id: int) -> dict[str, Any]:
    """As `UserShape`."""
    return {
        "id": user.user_id,
        "login": user.login,
        "name": user.name,
        "email": user.email,
        "orgId": org_id,
        "isGrafanaAdmin": user.server_admin,
        "isDisabled": user.disabled,
        "isExternal": False,
        "createdAt": tell_moment(user.created),
    }


def tell_member(user: User, org_id: int, role: Role) -> dict[str, Any]:
    """As `Member`."""
    return {
        "orgId": org_id,
        "userId": user.user_id,
        "login": user.login,
        "name": user.name,
        "email": user.email,
        "role": role.value,
        "isDisabled": user.disabled,
    }


def done(message: str) -> dict[str, str]:
    """As `Done`."""
    return {"message": message}
