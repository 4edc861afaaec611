"""``/api/search`` and what else looks over all dashboards of an org, as Grafana's clients know it."""

from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from framecast.accounts.permissions import Action
from framecast.api.grafana_words import MAX_ID
from framecast.api.routing import ApiRoute, Caller
from framecast.dashboards.names import dashboard_url, folder_url, slug_of
from framecast.dashboards.saving import GENERAL
from framecast.dashboards.search import Hit, Search, Wanted
from framecast.store.folders import Folder

MAX_LIMIT = 5_000
"""Grafana's."""

Id = Annotated[int, Field(ge=0, le=MAX_ID)]


class SearchQuery(BaseModel):
    """What is searched for; all of it has to hold."""

    query: str = Field("", description="A part of the title, in any case.")
    tag: list[str] = Field([], description="All of them.")
    type: Literal["", "dash-db", "dash-folder"] = ""
    dashboard_uids: list[str] = Field([], alias="dashboardUIDs")
    dashboard_uid: list[str] = Field([], alias="dashboardUID", description="The older name of dashboardUIDs.")
    dashboard_ids: list[Id] = Field([], alias="dashboardIds")
    folder_uids: list[str] = Field([], alias="folderUIDs", description="Any of them; general for no folder.")
    folder_ids: list[Id] = Field([], alias="folderIds", description="Any of them; 0 for no folder.")
    starred: bool = Field(default=False, description="Nothing is starred here.")
    sort: Literal["", "alpha-asc", "alpha-desc"] = ""
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 1_000
    page: Annotated[int, Field(ge=1, le=MAX_ID)] = 1


class HitShape(BaseModel):
    """A find. What is in a folder says in which."""

    id: int
    uid: str
    orgId: int  # noqa: N815 - Grafana's name, as the others in this module
    title: str
    uri: str
    url: str
    slug: str
    type: str
    tags: list[str]
    isStarred: bool  # noqa: N815
    sortMeta: int  # noqa: N815
    folderId: int | None = None  # noqa: N815
    folderUid: str | None = None  # noqa: N815
    folderTitle: str | None = None  # noqa: N815
    folderUrl: str | None = None  # noqa: N815


class TagCount(BaseModel):
    """How many dashboards have a tag."""

    term: str
    count: int


class SearchRoutes:
    """The routes that look over all of an org."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def routes(self) -> list[ApiRoute]:
        """Which path leads to which of the methods below."""
        read = Action.READ_DASHBOARDS
        found = {200: list[HitShape]}
        return [
            ApiRoute("/api/search", self.find, needs=read, answers=found),
            # As Grafana's documentation spells it.
            ApiRoute("/api/search/", self.find, needs=read, answers=found, described=False),
            ApiRoute("/api/dashboards/tags", self.count_tags, needs=read, answers={200: list[TagCount]}),
        ]

    async def find(self, query: Annotated[SearchQuery, Query()], caller: Caller) -> Response:
        """Search dashboards and folders, sorted by title."""
        hits = [] if query.starred else await self._search.find(caller.org_id, _read(query))
        if query.sort == "alpha-desc":
            hits.reverse()
        shown = hits[(query.page - 1) * query.limit : query.page * query.limit]
        return Response(msgspec.json.encode([_tell(hit) for hit in shown]), media_type="application/json")

    async def count_tags(self, caller: Caller) -> list[dict[str, Any]]:
        """The tags of the org's dashboards, by name."""
        return [{"term": tag, "count": count} for tag, count in await self._search.count_tags(caller.org_id)]


def _read(query: SearchQuery) -> Wanted:
    return Wanted(
        text=query.query,
        tags=frozenset(query.tag),
        dashboards=query.type != "dash-folder",
        folders=query.type != "dash-db",
        uids=frozenset(query.dashboard_uids + query.dashboard_uid),
        ids=frozenset(query.dashboard_ids),
        folder_uids=frozenset(uid or GENERAL for uid in query.folder_uids),
        folder_ids=frozenset(query.folder_ids),
    )


def _tell(hit: Hit) -> dict[str, Any]:
    item, folder = hit.item, hit.folder
    is_folder = isinstance(item, Folder)
    slug = slug_of(item.title, item.uid)
    told: dict[str, Any] = {
        "id": hit.number,
        "uid": item.uid,
        "orgId": item.org_id,
        "title": item.title,
        "uri": f"db/{slug}",
        "url": (folder_url if is_folder else dashboard_url)(item.uid, item.title),
        "slug": "",
        "type": "dash-folder" if is_folder else "dash-db",
        "tags": [] if isinstance(item, Folder) else list(item.tags),
        "isStarred": False,
        "sortMeta": 0,
    }
    if folder is None:
        return told
    return {
        **told,
        "folderId": folder.folder_id,
        "folderUid": folder.uid,
        "folderTitle": folder.title,
        "folderUrl": folder_url(folder.uid, folder.title),
    }
