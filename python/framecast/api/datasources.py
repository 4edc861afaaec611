"""``/api/datasources``, as Grafana's clients know it. What data sources are is the business of their registry.

Secrets come in and never go out: an answer says under which keys there are some, and no more.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn

import msgspec
from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from framecast.accounts.permissions import Action
from framecast.api.bodies import JsonBodies
from framecast.api.grafana_words import MAX_ID
from framecast.api.routing import PROBLEM, Answer, ApiRoute, Caller, JsonBody
from framecast.datasources.order import Order, read_json_data
from framecast.datasources.registry import Registry
from framecast.datasources.saving import Find, by_id, by_name, by_uid
from framecast.errors import Refusal
from framecast.settings import DataSources
from framecast.store.datasources import DataSource, Traits

Uid = Annotated[str, Path(description="The data source's uid.")]
Name = Annotated[str, Path(description="The data source's name.")]
Id = Annotated[int, Path(ge=1, le=MAX_ID)]
MAX_VERSION = 2**31 - 1
"""As much as Grafana's tables hold."""

ADMIN = Action.WRITE_DATASOURCES
CHANGE_REFUSED: Mapping[int, Answer] = dict.fromkeys((403, 404, 409, 503, 507), PROBLEM)
FOUND: Mapping[int, Answer] = {404: PROBLEM, 503: PROBLEM}


class DataSourceBody(BaseModel):
    """A data source as it is to be. Other members mean nothing here."""

    model_config = ConfigDict(strict=True)

    name: str
    type: str = Field(description="The id of the plugin that it is for.")
    uid: str | None = Field(None, description="Made where there is none; cannot be changed.")
    access: Literal["proxy", "direct"] | None = None
    url: str | None = None
    user: str | None = None
    database: str | None = None
    basic_auth: bool | None = Field(None, alias="basicAuth")
    basic_auth_user: str | None = Field(None, alias="basicAuthUser")
    with_credentials: bool | None = Field(None, alias="withCredentials")
    is_default: bool | None = Field(None, alias="isDefault", description="No other one of the org is it then.")
    json_data: dict[str, Any] | None = Field(None, alias="jsonData", description="What its plugin knows to read.")
    secure_json_data: dict[str, SecretStr] | None = Field(
        None,
        alias="secureJsonData",
        description='Secrets by their keys, kept sealed and never told. "" takes one away; others stay.',
        json_schema_extra={"writeOnly": True},
    )
    version: int | None = Field(
        None, ge=0, le=MAX_VERSION, description="The one that was changed; an older one than the newest is refused."
    )
    password: SecretStr | None = Field(None, description="Not taken: secureJsonData.password is.")
    basic_auth_password: SecretStr | None = Field(
        None, alias="basicAuthPassword", description="Not taken: secureJsonData.basicAuthPassword is."
    )


class ListedShape(BaseModel):
    """One data source, as in a list."""

    id: int
    uid: str
    orgId: int  # noqa: N815 - Grafana's name, as the others in this module
    name: str
    type: str
    typeName: str  # noqa: N815
    typeLogoUrl: str  # noqa: N815
    access: str
    url: str
    user: str
    database: str
    basicAuth: bool  # noqa: N815
    isDefault: bool  # noqa: N815
    jsonData: dict[str, Any]  # noqa: N815
    readOnly: bool  # noqa: N815


class DataSourceShape(BaseModel):
    """One data source."""

    id: int
    uid: str
    orgId: int  # noqa: N815
    name: str
    type: str
    typeLogoUrl: str  # noqa: N815
    access: str
    url: str
    user: str
    database: str
    basicAuth: bool  # noqa: N815
    basicAuthUser: str  # noqa: N815
    withCredentials: bool  # noqa: N815
    isDefault: bool  # noqa: N815
    jsonData: dict[str, Any]  # noqa: N815
    secureJsonFields: dict[str, bool]  # noqa: N815
    version: int
    readOnly: bool  # noqa: N815


class Changed(BaseModel):
    """What a change came to."""

    id: int
    name: str
    message: str
    datasource: DataSourceShape


class Gone(BaseModel):
    """What is gone."""

    id: int
    message: str


class Numbered(BaseModel):
    """The id of a name."""

    id: int


class _Sent(msgspec.Struct):
    """The body once more, with the text that `jsonData` came as."""

    jsonData: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815


class DataSourceRoutes:
    """The routes of data sources: by uid, and as older clients know them by name and id."""

    def __init__(self, registry: Registry, bodies: JsonBodies, limits: DataSources) -> None:
        self._registry = registry
        self._takes = JsonBody(bodies, limits.body_bytes, "datasources.body_bytes")

    def routes(self) -> list[ApiRoute]:
        """Which path leads to which of the methods below."""
        all_of_them, made = "/api/datasources", {200: Changed, **CHANGE_REFUSED}
        by_their = {way: f"{all_of_them}/{way}" for way in ("uid/{uid}", "name/{name:path}", "{datasource_id}")}
        uid, name, number = by_their.values()
        shown, gone = {200: DataSourceShape, **FOUND}, {200: Gone, **CHANGE_REFUSED}
        delete, put = ("DELETE",), ("PUT",)
        return [
            ApiRoute(all_of_them, self.list, needs=ADMIN, answers={200: list[ListedShape], 503: PROBLEM}),
            ApiRoute(all_of_them, self.create, methods=("POST",), needs=ADMIN, takes=self._takes, answers=made),
            ApiRoute(uid, self.show, needs=ADMIN, answers=shown),
            ApiRoute(uid, self.update, methods=put, needs=ADMIN, takes=self._takes, answers=made),
            ApiRoute(uid, self.delete, methods=delete, needs=ADMIN, answers=gone),
            ApiRoute(name, self.show_named, needs=ADMIN, answers=shown),
            ApiRoute(name, self.delete_named, methods=delete, needs=ADMIN, answers=gone),
            ApiRoute(f"{all_of_them}/id/{{name:path}}", self.number, needs=ADMIN, answers={200: Numbered, **FOUND}),
            ApiRoute(number, self.show_numbered, needs=ADMIN, answers=shown),
            ApiRoute(number, self.update_numbered, methods=put, needs=ADMIN, takes=self._takes, answers=made),
            ApiRoute(number, self.delete_numbered, methods=delete, needs=ADMIN, answers=gone),
        ]

    async def list(self, caller: Caller) -> Response:
        """All data sources of the org, by name."""
        return _answer([_tell_listed(source) for source in await self._registry.list(caller.org_id)])

    async def create(self, body: DataSourceBody, request: Request, caller: Caller) -> Response:
        """Make a data source.

        409 for a name or uid that another one of the org has.
        """
        source = await self._registry.create(caller.org_id, _read_order(body, await request.body()))
        return _answer(_tell_changed(source, "Datasource added"))

    async def show(self, uid: Uid, caller: Caller) -> Response:
        """A data source, without its secrets."""
        return await self._show(caller.org_id, by_uid(uid))

    async def show_named(self, name: Name, caller: Caller) -> Response:
        """A data source by its name."""
        return await self._show(caller.org_id, by_name(name))

    async def show_numbered(self, datasource_id: Id, caller: Caller) -> Response:
        """A data source by its id."""
        return await self._show(caller.org_id, by_id(datasource_id))

    async def number(self, name: Name, caller: Caller) -> Response:
        """The id of a data source."""
        return _answer({"id": (await self._registry.show(caller.org_id, by_name(name))).datasource_id})

    async def update(self, uid: Uid, body: DataSourceBody, request: Request, caller: Caller) -> Response:
        """Change a data source: what the body does not say is no longer so, but for its secrets.

        409 for a name that another one of the org has, and for a version that was overtaken.
        """
        return await self._update(caller.org_id, by_uid(uid), _read_order(body, await request.body()))

    async def update_numbered(
        self, datasource_id: Id, body: DataSourceBody, request: Request, caller: Caller
    ) -> Response:
        """Change a data source by its id."""
        return await self._update(caller.org_id, by_id(datasource_id), _read_order(body, await request.body()))

    async def delete(self, uid: Uid, caller: Caller) -> Response:
        """Delete a data source with its secrets; its streams end."""
        return await self._delete(caller.org_id, by_uid(uid))

    async def delete_named(self, name: Name, caller: Caller) -> Response:
        """Delete a data source by its name."""
        return await self._delete(caller.org_id, by_name(name))

    async def delete_numbered(self, datasource_id: Id, caller: Caller) -> Response:
        """Delete a data source by its id."""
        return await self._delete(caller.org_id, by_id(datasource_id))

    async def _show(self, org_id: int, find: Find) -> Response:
        return _answer(_tell(await self._registry.show(org_id, find)))

    async def _update(self, org_id: int, find: Find, order: Order) -> Response:
        return _answer(_tell_changed(await self._registry.update(org_id, find, order), "Datasource updated"))

    async def _delete(self, org_id: int, find: Find) -> Response:
        source = await self._registry.delete(org_id, find)
        return _answer({"id": source.datasource_id, "message": "Data source deleted"})


def _read_order(body: DataSourceBody, text: bytes) -> Order:
    """What the body asks for. Refusal 400 for passwords where older clients put them: kept there, they would show."""
    if body.password is not None and body.password.get_secret_value():
        _refuse_password("password")
    if body.basic_auth_password is not None and body.basic_auth_password.get_secret_value():
        _refuse_password("basicAuthPassword")
    sent = msgspec.json.decode(text, type=_Sent)
    secrets = body.secure_json_data or {}
    return Order(
        traits=Traits(
            name=body.name,
            type=body.type,
            url=body.url or "",
            access=body.access or "proxy",
            database=body.database or "",
            user=body.user or "",
            basic_auth=body.basic_auth or False,
            basic_auth_user=body.basic_auth_user or "",
            with_credentials=body.with_credentials or False,
            is_default=body.is_default or False,
            json_data=b"{}" if body.json_data is None else read_json_data(bytes(sent.jsonData)),
        ),
        uid=body.uid or "",
        version=body.version or 0,
        secrets={key: secret.get_secret_value() for key, secret in secrets.items()},
    )


def _refuse_password(member: str) -> NoReturn:
    raise Refusal(400, f"Bad Request: body {member}: passwords are not kept there, send it as secureJsonData.{member}")


def _answer(document: Any) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


def _tell(source: DataSource) -> dict[str, Any]:
    traits = source.traits
    return {
        "id": source.datasource_id,
        "uid": source.uid,
        "orgId": source.org_id,
        "name": traits.name,
        "type": traits.type,
        "typeLogoUrl": "",
        "access": traits.access,
        "url": traits.url,
        "user": traits.user,
        "database": traits.database,
        "basicAuth": traits.basic_auth,
        "basicAuthUser": traits.basic_auth_user,
        "withCredentials": traits.with_credentials,
        "isDefault": traits.is_default,
        "jsonData": msgspec.Raw(traits.json_data),
        "secureJsonFields": dict.fromkeys(source.sealed, True),
        "version": source.version,
        "readOnly": traits.read_only,
    }


def _tell_listed(source: DataSource) -> dict[str, Any]:
    told = {name: value for name, value in _tell(source).items() if name in ListedShape.model_fields}
    return told | {"typeName": source.traits.type}


def _tell_changed(source: DataSource, message: str) -> dict[str, Any]:
    return {
        "id": source.datasource_id,
        "name": source.traits.name,
        "message": message,
        "datasource": _tell(source),
    }
