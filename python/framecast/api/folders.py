"""``/api/folders``, as Grafana's clients know it, but for folders in folders."""

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from framecast.accounts.identity import Identity
from framecast.accounts.permissions import Action
from framecast.api.bodies import JsonBodies
from framecast.api.grafana_words import MAX_ID, author_of, rights_of, tell_login, tell_moment
from framecast.api.routing import PROBLEM, ApiRoute, Caller, JsonBody
from framecast.dashboards.folders import Folders
from framecast.dashboards.names import folder_url
from framecast.errors import Refusal
from framecast.settings import Api
from framecast.store.folders import Folder

Uid = Annotated[str, Path(description="The folder's uid.")]
READ, WRITE = Action.READ_DASHBOARDS, Action.WRITE_DASHBOARDS
MAX_LIMIT = 5_000
"""As of a search."""


class CreateBody(BaseModel):
    """A new folder."""

    model_config = ConfigDict(strict=True)

    title: str
    uid: str | None = Field(None, description="Made where it is missing.")
    parent_uid: str | None = Field(None, alias="parentUid", description="Folders are in no folders here.")


class UpdateBody(BaseModel):
    """A folder's new title."""

    model_config = ConfigDict(strict=True)

    title: str
    uid: str | None = Field(None, description="May stand here, and cannot be changed.")
    version: int | None = Field(None, ge=0, le=MAX_ID, description="The one that was changed.")
    overwrite: bool | None = Field(None, description="Whichever version is there is replaced.")


class FolderShape(BaseModel):
    """A folder, and what is known of it."""

    id: int
    uid: str
    title: str
    url: str
    version: int
    created: str
    createdBy: str  # noqa: N815 - Grafana's name, as the others in this module
    updated: str
    updatedBy: str  # noqa: N815
    hasAcl: bool  # noqa: N815
    canSave: bool  # noqa: N815
    canEdit: bool  # noqa: N815
    canAdmin: bool  # noqa: N815
    canDelete: bool  # noqa: N815


class FolderName(BaseModel):
    """A folder, as in a list."""

    id: int
    uid: str
    title: str


class DeletedFolder(BaseModel):
    """What is gone."""

    id: int
    title: str
    message: str


class FolderRoutes:
    """The routes of folders."""

    def __init__(self, folders: Folders, bodies: JsonBodies, limits: Api) -> None:
        self._folders = folders
        self._bodies = bodies
        self._limits = limits

    def routes(self) -> list[ApiRoute]:
        """Which path leads to which of the methods below."""
        body = JsonBody(self._bodies, self._limits.body_bytes)
        many, one = "/api/folders", "/api/folders/{uid}"
        found = {200: FolderShape, 404: PROBLEM}
        stored = dict.fromkeys((403, 409, 507), PROBLEM)
        return [
            ApiRoute(many, self.list_all, needs=READ, answers={200: list[FolderName]}),
            ApiRoute(
                many, self.create, methods=("POST",), needs=WRITE, takes=body, answers={200: FolderShape, **stored}
            ),
            ApiRoute("/api/folders/id/{folder_id}", self.show_numbered, needs=READ, answers=found),
            ApiRoute(one, self.show, needs=READ, answers=found),
            ApiRoute(
                one,
                self.update,
                methods=("PUT",),
                needs=WRITE,
                takes=body,
                answers={**found, 412: PROBLEM, **stored},
            ),
            ApiRoute(
                one,
                self.delete,
                methods=("DELETE",),
                needs=WRITE,
                answers={200: DeletedFolder, 404: PROBLEM, 507: PROBLEM, 503: PROBLEM},
            ),
        ]

    async def list_all(
        self,
        caller: Caller,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 1_000,
        page: Annotated[int, Query(ge=1, le=MAX_ID)] = 1,
        parent_uid: Annotated[str, Query(alias="parentUid", description="No folder is in another one.")] = "",
    ) -> Any:
        """The org's folders, by title."""
        if parent_uid:
            return []
        folders = await self._folders.list_all(caller.org_id)
        shown = folders[(page - 1) * limit : page * limit]
        return [{"id": folder.folder_id, "uid": folder.uid, "title": folder.title} for folder in shown]

    async def show(self, uid: Uid, caller: Caller) -> dict[str, Any]:
        """A folder."""
        return _tell(await self._folders.show(caller.org_id, uid), caller)

    async def show_numbered(
        self, folder_id: Annotated[int, Path(ge=0, le=MAX_ID, description="The folder's id.")], caller: Caller
    ) -> dict[str, Any]:
        """A folder, by its id."""
        return _tell(await self._folders.show_numbered(caller.org_id, folder_id), caller)

    async def create(self, body: CreateBody, caller: Caller) -> dict[str, Any]:
        """Make a folder.

        409 where the org has one of that uid or title.
        """
        if body.parent_uid:
            raise Refusal(400, "Bad Request: body parentUid: folders are in no folders here")
        return _tell(await self._folders.create(author_of(caller), body.title, body.uid or ""), caller)

    async def update(self, uid: Uid, body: UpdateBody, caller: Caller) -> dict[str, Any]:
        """Give a folder another title.

        412 where another version than the newest was changed.
        """
        if body.uid not in {None, uid}:
            raise Refusal(400, "Bad Request: body uid: the uid of a folder cannot be changed")
        version = None if body.overwrite else body.version or 0
        return _tell(await self._folders.retitle(author_of(caller), uid, body.title, version), caller)

    async def delete(self, uid: Uid, caller: Caller) -> dict[str, Any]:
        """Delete a folder with all dashboards in it."""
        folder = await self._folders.delete(author_of(caller), uid)
        return {"id": folder.folder_id, "title": folder.title, "message": "Folder deleted"}


def _tell(folder: Folder, caller: Identity) -> dict[str, Any]:
    return {
        "id": folder.folder_id,
        "uid": folder.uid,
        "title": folder.title,
        "url": folder_url(folder.uid, folder.title),
        "version": folder.version,
        "created": tell_moment(folder.created),
        "createdBy": tell_login(folder.created_by),
        "updated": tell_moment(folder.updated),
        "updatedBy": tell_login(folder.updated_by),
        "hasAcl": False,
        **rights_of(caller),
    }
