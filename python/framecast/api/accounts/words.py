"""What the routes of accounts have in common: their parameters, and how they tell of users and orgs."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path
from pydantic import AliasChoices, BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from framecast.accounts.identity import Role
from framecast.api.grafana_words import MAX_ID, tell_moment
from framecast.api.routing import PROBLEM, Answer
from framecast.configuration.layer import suggest
from framecast.errors import printable
from framecast.store.users import User

OrgId = Annotated[int, Path(ge=1, le=MAX_ID, description="The org's id.")]
UserId = Annotated[int, Path(ge=1, le=MAX_ID, description="The user's id.")]
TokenId = Annotated[int, Path(ge=1, le=MAX_ID, description="The token's id.")]

CHANGE_REFUSED: Mapping[int, Answer] = dict.fromkeys((404, 409, 503, 507), PROBLEM)
"""What a change of accounts may be answered beside what is told of its route."""

ROLE_TEXT = "Viewer, Editor or Admin."

LONGEST_COMPARED = 60
"""Characters of an unknown key that are looked at for what was meant."""


class LenientBody(BaseModel):
    """What a route takes to which Grafana's clients send more than it knows, and that means nothing."""

    model_config = ConfigDict(strict=True)


class Body(LenientBody):
    """What a route takes, and nothing else; `role` may be a text.

    A token whose `expires` was passed over would live for ever, and who made it believe the opposite.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, body: Any) -> Any:
        """Before pydantic does, which neither names the key as it is to be shown nor says which there are."""
        if isinstance(body, dict):
            known = [key for name in cls.model_fields for key in _keys_of(cls, name)]
            unknown = next((key for key in body if key not in known), None)
            if unknown is not None:
                close = suggest(unknown[:LONGEST_COMPARED], known)
                problem = f"unknown key '{printable(unknown, 60)}'; {close}known: {', '.join(known)}"
                raise PydanticCustomError("unknown_key", "{problem}", {"problem": problem})
        return body


def _keys_of(body: type[Body], name: str) -> list[str]:
    """What a member may be called in JSON."""
    field = body.model_fields[name]
    if isinstance(field.validation_alias, AliasChoices):
        return [str(choice) for choice in field.validation_alias.choices]
    return [field.alias or name]


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
