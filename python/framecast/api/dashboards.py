"""``/api/dashboards``, as Grafana's clients know it. What dashboards are is the business of the library."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from framecast.accounts.identity import Identity
from framecast.accounts.permissions import Action
from framecast.api.bodies import JsonBodies
from framecast.api.grafana_words import MAX_ID, NEVER, author_of, rights_of, tell_login, tell_moment
from framecast.api.routing import PROBLEM, Answer, ApiRoute, Caller, JsonBody
from framecast.dashboards.document import Claim, Document, parse_document
from framecast.dashboards.library import Library, Shown
from framecast.dashboards.names import dashboard_url, folder_url, slug_of
from framecast.dashboards.saving import GENERAL, Placed, SaveOrder
from framecast.settings import Dashboards, Settings
from framecast.store.dashboards import VersionRow

Uid = Annotated[str, Path(description="The dashboard's uid.")]
Version = Annotated[int, Path(ge=1, le=MAX_ID)]
READ, WRITE = Action.READ_DASHBOARDS, Action.WRITE_DASHBOARDS
REFUSED: Mapping[int, Answer] = dict.fromkeys((403, 404, 412, 507), PROBLEM)


class SaveBody(BaseModel):
    """A dashboard, and how it is to be saved. Other members mean nothing here."""

    model_config = ConfigDict(strict=True)

    dashboard: dict[str, Any] = Field(
        description="Has to have a title. Without id and uid, or with a uid that is not there, it is a new one; else "
        "its version has to be the newest."
    )
    folder_uid: str | None = Field(None, alias="folderUid", description="Without a folder it is in none.")
    folder_id: int | None = Field(None, alias="folderId", ge=0, le=MAX_ID)
    message: str | None = Field(None, description="What was changed, at most 500 characters.")
    overwrite: bool | None = Field(
        None, description="Whichever version is there, or of the same title in the folder, is replaced."
    )


class RestoreBody(BaseModel):
    """Which version is to be the newest again."""

    model_config = ConfigDict(strict=True)

    version: int = Field(ge=1, le=MAX_ID)


class Saved(BaseModel):
    """What a save came to."""

    id: int
    uid: str
    url: str
    slug: str
    status: str
    version: int
    folderUid: str  # noqa: N815 - Grafana's name, as the others in this module


class Deleted(BaseModel):
    """What is gone."""

    id: int
    uid: str
    title: str
    message: str


class Dashboard(BaseModel):
    """A dashboard, and what is known of it."""

    dashboard: dict[str, Any]
    meta: dict[str, Any]


class VersionShape(BaseModel):
    """One version, as in a list."""

    id: int
    dashboardId: int  # noqa: N815
    uid: str
    version: int
    parentVersion: int  # noqa: N815
    restoredFrom: int  # noqa: N815
    created: str
    createdBy: str  # noqa: N815
    message: str


class VersionWithData(VersionShape):
    """One version with its dashboard."""

    data: dict[str, Any]


class Versions(BaseModel):
    """Those that are kept, the newest first."""

    continueToken: str  # noqa: N815
    versions: list[VersionShape]


class _Sent(msgspec.Struct):
    """The body once more, with the text that the dashboard came as."""

    dashboard: msgspec.Raw


class DashboardRoutes:
    """The routes of single dashboards."""

    def __init__(self, library: Library, bodies: JsonBodies, settings: Settings) -> None:
        self._library = library
        self._bodies = bodies
        self._settings = settings

    def routes(self) -> list[ApiRoute]:
        """Which path leads to which of the methods below."""
        # Spaces count until they are taken out.
        document_bytes = 2 * self._settings.dashboards.document_bytes
        large = JsonBody(self._bodies, document_bytes, "twice dashboards.document_bytes")
        small = JsonBody(self._bodies, self._settings.api.body_bytes)
        post, found = ("POST",), {404: PROBLEM}
        one = "/api/dashboards/uid/{uid}"
        return [
            ApiRoute(
                "/api/dashboards/db", self.save, methods=post, needs=WRITE, takes=large, answers={200: Saved, **REFUSED}
            ),
            ApiRoute(one, self.show, needs=READ, answers={200: Dashboard, **found}),
            ApiRoute(one, self.delete, methods=("DELETE",), needs=WRITE, answers={200: Deleted, **REFUSED}),
            ApiRoute(f"{one}/versions", self.list_versions, needs=READ, answers={200: Versions, **found}),
            ApiRoute(
                f"{one}/versions/{{version}}", self.show_version, needs=READ, answers={200: VersionWithData, **found}
            ),
            ApiRoute(
                f"{one}/restore",
                self.restore,
                methods=post,
                needs=WRITE,
                takes=small,
                answers={200: Saved, **REFUSED},
            ),
        ]

    async def save(self, body: SaveBody, request: Request, caller: Caller) -> dict[str, Any]:
        """Save a dashboard: a new one, or a new version.

        412 where another version than the newest was changed, and where another dashboard in the folder has its title.
        """
        text = await request.body()
        document, claim = await self._bodies.run(partial(_parse, text, self._settings.dashboards), len(text))
        order = SaveOrder(
            document=document,
            claim=claim,
            folder_uid=body.folder_uid or "",
            folder_id=body.folder_id or 0,
            message=body.message or "",
            overwrite=body.overwrite or False,
        )
        return _tell_saved(await self._library.save(author_of(caller), order))

    async def restore(self, uid: Uid, body: RestoreBody, caller: Caller) -> dict[str, Any]:
        """Make an older version the newest again, as a new one."""
        return _tell_saved(await self._library.restore(author_of(caller), uid, body.version))

    async def show(self, uid: Uid, caller: Caller) -> Response:
        """A dashboard and what is known of it."""
        shown = await self._library.show(caller.org_id, uid)
        return _answer({"meta": _tell_meta(shown, caller), "dashboard": msgspec.Raw(shown.document)})

    async def delete(self, uid: Uid, caller: Caller) -> dict[str, Any]:
        """Delete a dashboard with all its versions."""
        row = await self._library.delete(author_of(caller), uid)
        message = f"Dashboard {row.title} deleted"
        return {"id": row.dashboard_id, "uid": row.uid, "title": row.title, "message": message}

    async def list_versions(
        self,
        uid: Uid,
        caller: Caller,
        limit: Annotated[int, Query(ge=0, le=MAX_ID, description="0 for all.")] = 0,
        start: Annotated[int, Query(ge=0, le=MAX_ID, description="So many of the newest are passed by.")] = 0,
    ) -> Response:
        """The versions of a dashboard that are kept, the newest first."""
        rows = await self._library.list_versions(caller.org_id, uid)
        shown = rows[start : start + limit] if limit else rows[start:]
        return _answer({"continueToken": "", "versions": [_tell_version(row, uid) for row in shown]})

    async def show_version(self, uid: Uid, version: Version, caller: Caller) -> Response:
        """A dashboard as it was in one version."""
        shown = await self._library.show_version(caller.org_id, uid, version)
        return _answer({**_tell_version(shown.row, uid), "data": msgspec.Raw(shown.document)})


def _parse(text: bytes, limits: Dashboards) -> tuple[Document, Claim]:
    sent = msgspec.json.decode(text, type=_Sent)
    return parse_document(bytes(sent.dashboard), max_bytes=limits.document_bytes)


def _answer(document: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


def _tell_saved(placed: Placed) -> dict[str, Any]:
    row = placed.row
    return {
        "id": row.dashboard_id,
        "uid": row.uid,
        "url": dashboard_url(row.uid, row.title),
        "slug": slug_of(row.title, row.uid),
        "status": "success",
        "version": row.version,
        "folderUid": "" if placed.folder is None else placed.folder.uid,
    }


def _tell_meta(shown: Shown, caller: Identity) -> dict[str, Any]:
    row, folder = shown.row, shown.folder
    return {
        "type": "db",
        **rights_of(caller),
        "canStar": False,
        "isStarred": False,
        "slug": slug_of(row.title, row.uid),
        "url": dashboard_url(row.uid, row.title),
        "expires": NEVER,
        "created": tell_moment(row.created),
        "updated": tell_moment(row.updated),
        "createdBy": tell_login(row.created_by),
        "updatedBy": tell_login(row.updated_by),
        "version": row.version,
        "hasAcl": False,
        "isFolder": False,
        "folderId": 0 if folder is None else folder.folder_id,
        "folderUid": "" if folder is None else folder.uid,
        "folderTitle": GENERAL.capitalize() if folder is None else folder.title,
        "folderUrl": "" if folder is None else folder_url(folder.uid, folder.title),
        "provisioned": False,
        "provisionedExternalId": "",
    }


def _tell_version(row: VersionRow, uid: str) -> dict[str, Any]:
    return {
        "id": row.version_id,
        "dashboardId": row.dashboard_id,
        "uid": uid,
        "version": row.version,
        "parentVersion": row.parent_version,
        "restoredFrom": row.restored_from,
        "created": tell_moment(row.created),
        "createdBy": tell_login(row.created_by),
        "message": row.message,
    }
