"""Dashboards and folders over HTTP: what Grafana's clients send and read, who may, and what bad input gets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from site_of_app import site

from dashboard_desk import DashboardDesk, dashboard_desk
from framecast.accounts.gate import Gate
from framecast.accounts.identity import DEVELOPER, Identity, Reach, Role
from framecast.api.bodies import JsonBodies
from framecast.api.dashboards import DashboardRoutes
from framecast.api.folders import FolderRoutes
from framecast.api.search import SearchRoutes
from framecast.dashboards.search import Wanted
from framecast.settings import Api, Dashboards, Settings
from gates import Door, closed_gate

ANN = replace(DEVELOPER, login="ann", server_admin=False)
VIEWER = replace(ANN, login="vic", role=Role.VIEWER)
EDITOR = replace(ANN, login="eve", role=Role.EDITOR)
STRANGER = replace(ANN, login="zoe", org_id=2)
LIMITED = replace(ANN, reach=Reach(push=("*",), read=("*",)))


@dataclass
class Library:
    client: httpx.AsyncClient
    desk: DashboardDesk
    door: Door

    async def send(self, method: str, path: str, caller: Identity = ANN, **request: Any) -> httpx.Response:
        self.door.caller = caller
        return await self.client.request(method, path, **request)

    async def post(self, body: Any, caller: Identity = ANN, path: str = "/api/dashboards/db") -> httpx.Response:
        return await self.send("POST", path, caller, json=body)

    async def get(self, path: str, caller: Identity = ANN) -> Any:
        answer = await self.send("GET", path, caller)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def everything(self) -> list[Any]:
        return [await self.desk.search.find(org_id, Wanted()) for org_id in (1, 2)]


@asynccontextmanager
async def library(folder: Path, gate: Gate | None = None, **limits: Any) -> AsyncIterator[Library]:
    settings = Settings(dashboards=Dashboards(**limits), api=Api(body_bytes=10_000))
    bodies = JsonBodies(settings.api)
    door = Door(ANN)
    async with dashboard_desk(folder, **limits) as desk:
        routes = [
            *DashboardRoutes(desk.library, bodies, settings).routes(),
            *FolderRoutes(desk.folders, bodies, settings.api).routes(),
            *SearchRoutes(desk.search).routes(),
        ]
        async with site(gate=gate or door, routes=routes) as here:
            yield Library(here.client, desk, door)


def check_refused(answer: httpx.Response, status: int, *words: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    problem: dict[str, Any] = answer.json()
    for word in words:
        assert word in problem["message"], problem
    assert len(problem["message"]) < 500
    return problem


async def test_a_dashboard_is_saved_and_shown_as_grafana_does(tmp_path: Path) -> None:
    async with library(tmp_path) as here:
        folder = (await here.send("POST", "/api/folders", json={"uid": "f", "title": "My Folder"})).json()
        board = {
            "id": None,
            "uid": None,
            "title": "Production Overview",
            "tags": ["a"],
            "schemaVersion": 16,
            "version": 0,
        }
        saved = (await here.post({"dashboard": board, "folderUid": "f", "message": "m", "overwrite": False})).json()
        uid, number = saved["uid"], saved["id"]
        assert saved == {
            "id": number,
            "uid": uid,
            "url": f"/d/{uid}/production-overview",
            "slug": "production-overview",
            "status": "success",
            "version": 1,
            "folderUid": "f",
        }
        shown = await here.get(f"/api/dashboards/uid/{uid}", EDITOR)
        assert shown["dashboard"] == {**board, "id": number, "uid": uid, "version": 1}
        assert shown["meta"] == {
            "type": "db",
            "canSave": True,
            "canEdit": True,
            "canDelete": True,
            "canAdmin": False,
            "canStar": False,
            "isStarred": False,
            "slug": "production-overview",
            "url": f"/d/{uid}/production-overview",
            "expires": "0001-01-01T00:00:00Z",
            "created": "1970-01-01T00:16:40.000Z",
            "updated": "1970-01-01T00:16:40.000Z",
            "createdBy": "ann",
            "updatedBy": "ann",
            "version": 1,
            "hasAcl": False,
            "isFolder": False,
            "folderId": folder["id"],
            "folderUid": "f",
            "folderTitle": "My Folder",
            "folderUrl": "/dashboards/f/f/my-folder",
            "provisioned": False,
            "provisionedExternalId": "",
        }
        viewed = (await here.get(f"/api/dashboards/uid/{uid}", VIEWER))["meta"]
        assert [viewed[right] for right in ("canSave", "canEdit", "canDelete", "canAdmin")] == [False] * 4
        deleted = (await here.send("DELETE", f"/api/dashboards/uid/{uid}")).json()
        assert deleted == {
            "id": number,
            "uid": uid,
            "title": "Production Overview",
            "message": "Dashboard Production Overview deleted",
        }
        check_refused(await here.send("GET", f"/api/dashboards/uid/{uid}"), 404, "Dashboard not found")


async def test_a_dashboard_comes_back_to_the_last_digit(tmp_path: Path) -> None:
    odd = b'[-0, 1.0, 1E2, 0.10, 123456789012345678901234567890, "\\u0000\\/\\ud83d\\ude00", {"": {"~": null}}]'
    body = b'{"dashboard": {"title": "T", "uid": "u", "odd": %s}}' % odd
    async with library(tmp_path) as here:
        answer = await here.send(
            "POST", "/api/dashboards/db", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 200
        text = (await here.send("GET", "/api/dashboards/uid/u")).content
        back = json.loads(text, parse_int=str, parse_float=str)["dashboard"]["odd"]
        assert back == json.loads(odd, parse_int=str, parse_float=str)


async def test_a_conflict_names_both_versions_in_grafanas_words(tmp_path: Path) -> None:
    async with library(tmp_path) as here:
        for version in range(2):
            await here.post({"dashboard": {"uid": "u", "title": "T", "version": version}})
        answer = await here.post({"dashboard": {"uid": "u", "title": "T", "version": 1}})
        problem = check_refused(answer, 412, "The dashboard has been changed by someone else", "version 2", "version 1")
        assert (problem["status"], problem["version"], problem["savedFrom"]) == ("version-mismatch", 2, 1)
        answer = await here.post({"dashboard": {"title": "T"}})
        problem = check_refused(answer, 412, "A dashboard with the same name in the folder already exists")
        assert problem["status"] == "name-exists"
        answer = await here.post({"dashboard": {"uid": "u", "title": "T", "version": 1}, "overwrite": True})
        assert answer.json()["version"] == 3


async def test_versions_are_listed_shown_and_restored(tmp_path: Path) -> None:
    async with library(tmp_path) as here:
        for version in range(3):
            board = {"uid": "u", "title": f"T{version}", "version": version}
            await here.post({"dashboard": board, "message": f"m{version}"})
        listed = await here.get("/api/dashboards/uid/u/versions", VIEWER)
        assert listed["continueToken"] == ""
        assert [(one["version"], one["parentVersion"], one["message"]) for one in listed["versions"]] == [
            (3, 2, "m2"),
            (2, 1, "m1"),
            (1, 0, "m0"),
        ]
        some = await here.get("/api/dashboards/uid/u/versions?start=1&limit=1")
        assert [one["version"] for one in some["versions"]] == [2]
        one = await here.get("/api/dashboards/uid/u/versions/2")
        assert (one["createdBy"], one["data"]["title"], one["data"]["version"]) == ("ann", "T1", 2)
        restored = await here.post({"version": 1}, EDITOR, "/api/dashboards/uid/u/restore")
        assert (restored.json()["version"], restored.json()["status"]) == (4, "success")
        assert (await here.get("/api/dashboards/uid/u"))["dashboard"]["title"] == "T0"
        newest = (await here.get("/api/dashboards/uid/u/versions"))["versions"][0]
        assert (newest["restoredFrom"], newest["createdBy"]) == (1, "eve")
        check_refused(await here.post({"version": 9}, path="/api/dashboards/uid/u/restore"), 404, "version 9")


async def test_folders_are_made_listed_renamed_and_deleted(tmp_path: Path) -> None:
    async with library(tmp_path) as here:
        made = (await here.send("POST", "/api/folders", EDITOR, json={"title": "F"})).json()
        uid = made["uid"]
        assert made == {
            "id": made["id"],
            "uid": uid,
            "title": "F",
            "url": f"/dashboards/f/{uid}/f",
            "version": 1,
            "created": "1970-01-01T00:16:40.000Z",
            "createdBy": "eve",
            "updated": "1970-01-01T00:16:40.000Z",
            "updatedBy": "eve",
            "hasAcl": False,
            "canSave": True,
            "canEdit": True,
            "canAdmin": False,
            "canDelete": True,
        }
        assert await here.get("/api/folders", VIEWER) == [{"id": made["id"], "uid": uid, "title": "F"}]
        assert await here.get("/api/folders?page=2") == await here.get("/api/folders?parentUid=x") == []
        shown = await here.get(f"/api/folders/{uid}", VIEWER)
        assert shown == await here.get(f"/api/folders/id/{made['id']}", VIEWER)
        assert not shown["canSave"]
        put = f"/api/folders/{uid}"
        answer = await here.send("PUT", put, json={"title": "G"})
        assert check_refused(answer, 412, "changed by someone else")["status"] == "version-mismatch"
        assert (await here.send("PUT", put, json={"title": "G", "version": 1})).json()["version"] == 2
        assert (await here.send("PUT", put, json={"title": "H", "overwrite": True, "uid": uid})).json()["version"] == 3
        check_refused(await here.send("PUT", put, json={"title": "H", "version": 3, "uid": "other"}), 400, "uid")
        check_refused(await here.send("POST", "/api/folders", json={"title": "H"}), 409, "same name")
        check_refused(await here.send("POST", "/api/folders", json={"title": "X", "uid": uid}), 409, "already exists")
        check_refused(await here.send("POST", "/api/folders", json={"title": "X", "parentUid": uid}), 400, "parentUid")
        await here.post({"dashboard": {"title": "inside", "uid": "i"}, "folderUid": uid})
        gone = (await here.send("DELETE", f"/api/folders/{uid}?forceDeleteRules=true")).json()
        assert gone == {"id": made["id"], "title": "H", "message": "Folder deleted"}
        assert await here.everything() == [[], []]


async def test_a_search_finds_what_is_asked_for(tmp_path: Path) -> None:
    async with library(tmp_path) as here:
        folder = (await here.send("POST", "/api/folders", json={"uid": "f", "title": "Zone"})).json()
        inside = (
            await here.post({"dashboard": {"uid": "a", "title": "Alpha", "tags": ["x", "y"]}, "folderUid": "f"})
        ).json()
        await here.post({"dashboard": {"uid": "b", "title": "beta & co", "tags": ["x"]}})
        [hit] = await here.get("/api/search?query=ALPH", VIEWER)
        assert hit == {
            "id": inside["id"],
            "uid": "a",
            "orgId": 1,
            "title": "Alpha",
            "uri": "db/alpha",
            "url": "/d/a/alpha",
            "slug": "",
            "type": "dash-db",
            "tags": ["x", "y"],
            "isStarred": False,
            "sortMeta": 0,
            "folderId": folder["id"],
            "folderUid": "f",
            "folderTitle": "Zone",
            "folderUrl": "/dashboards/f/f/zone",
        }
        for query, found in (
            ("", "abf"),
            ("?sort=alpha-desc", "fba"),
            ("?limit=2", "ab"),
            ("?limit=2&page=2", "f"),
            ("?tag=x&tag=y", "a"),
            ("?type=dash-folder", "f"),
            ("?type=dash-db&query=", "ab"),
            ("?dashboardUIDs=b&dashboardUIDs=none", "b"),
            ("?dashboardUID=b", "b"),
            (f"?dashboardIds={inside['id']}&type=dash-db", "a"),
            ("?folderUIDs=f", "a"),
            ("?folderUIDs=general", "bf"),
            ("?folderUIDs=&type=dash-db", "b"),
            (f"?folderIds={folder['id']}", "a"),
            ("?folderIds=0&type=dash-db", "b"),
            ("?starred=true", ""),
            ("?starred=false&unknown=1", "abf"),
            ("?query=%00", ""),
        ):
            for path in ("/api/search", "/api/search/"):
                assert "".join(hit["uid"] for hit in await here.get(path + query)) == found, query
        assert await here.get("/api/dashboards/tags") == [{"term": "x", "count": 2}, {"term": "y", "count": 1}]


ROUTES = [
    ("GET", "/api/dashboards/uid/u", None),
    ("GET", "/api/dashboards/uid/u/versions", None),
    ("GET", "/api/dashboards/uid/u/versions/1", None),
    ("GET", "/api/dashboards/tags", None),
    ("GET", "/api/search", None),
    ("GET", "/api/folders", None),
    ("GET", "/api/folders/f", None),
    ("GET", "/api/folders/id/1", None),
    ("POST", "/api/dashboards/db", {"dashboard": {"title": "X"}}),
    ("POST", "/api/dashboards/uid/u/restore", {"version": 1}),
    ("DELETE", "/api/dashboards/uid/u", None),
    ("POST", "/api/folders", {"title": "X"}),
    ("PUT", "/api/folders/f", {"title": "X", "overwrite": True}),
    ("DELETE", "/api/folders/f", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_viewers_read_editors_write_and_tokens_with_lists_do_neither(
    method: str, path: str, body: Any, tmp_path: Path
) -> None:
    async with library(tmp_path) as here:
        await here.send("POST", "/api/folders", json={"uid": "f", "title": "F"})
        await here.post({"dashboard": {"uid": "u", "title": "T"}})
        before = await here.everything()
        check_refused(await here.send(method, path, LIMITED, json=body), 403, "lists only")
        viewed = await here.send(method, path, VIEWER, json=body)
        if method == "GET":
            assert viewed.status_code == 200
        else:
            check_refused(viewed, 403, "Editor")
        assert await here.everything() == before
        assert (await here.send(method, path, EDITOR, json=body)).status_code == 200
    async with library(tmp_path, closed_gate) as here:
        check_refused(await here.send(method, path, json=body), 401)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_another_org_sees_and_changes_nothing(method: str, path: str, body: Any, tmp_path: Path) -> None:
    async with library(tmp_path) as here:
        await here.send("POST", "/api/folders", json={"uid": "f", "title": "F"})
        await here.post({"dashboard": {"uid": "u", "title": "T", "tags": ["secret"]}, "folderUid": "f"})
        ours = (await here.everything())[0]
        answer = await here.send(method, path, STRANGER, json=body)
        if "/uid/" in path or "/folders/" in path:
            check_refused(answer, 404)
        else:
            assert answer.status_code == 200
            assert "secret" not in answer.text
        assert (await here.everything())[0] == ours
        number = next(hit.number for hit in ours if hit.item.uid == "u")
        answer = await here.post({"dashboard": {"id": number, "title": "T", "version": 1}}, STRANGER)
        check_refused(answer, 404, str(number))
        answer = await here.post({"dashboard": {"title": "Y"}, "folderUid": "f"}, STRANGER)
        check_refused(answer, 400, "folderUid")


SAVES: list[tuple[Any, str]] = [
    ([], "body"),
    ({}, "body dashboard"),
    ({"dashboard": None}, "body dashboard"),
    ({"dashboard": []}, "body dashboard"),
    ({"dashboard": "x"}, "body dashboard"),
    ({"dashboard": {}}, "title"),
    ({"dashboard": {"title": 7}}, "body dashboard.title"),
    ({"dashboard": {"title": "t", "uid": "a/b"}}, "body dashboard.uid"),
    ({"dashboard": {"title": "t", "uid": "a\0"}}, "body dashboard.uid"),
    ({"dashboard": {"title": "t", "uid": "x" * 41}}, "body dashboard.uid"),
    ({"dashboard": {"title": "t", "uid": {}}}, "body dashboard.uid"),
    ({"dashboard": {"title": "t", "id": "1"}}, "body dashboard.id"),
    ({"dashboard": {"title": "t", "id": 2**64}}, "body dashboard.id"),
    ({"dashboard": {"title": "t", "version": -1}}, "body dashboard.version"),
    ({"dashboard": {"title": "t", "tags": {"a": 1}}}, "body dashboard.tags"),
    ({"dashboard": {"title": "t", "tags": [["a"]]}}, "body dashboard.tags"),
    ({"dashboard": {"title": "t"}, "folderUid": 1}, "body folderUid"),
    ({"dashboard": {"title": "t"}, "folderUid": "../x\0"}, "body folderUid"),
    ({"dashboard": {"title": "t"}, "folderId": "1"}, "body folderId"),
    ({"dashboard": {"title": "t"}, "folderId": 2**64}, "body folderId"),
    ({"dashboard": {"title": "t"}, "folderId": 1.5}, "body folderId"),
    ({"dashboard": {"title": "t"}, "message": 5}, "body message"),
    ({"dashboard": {"title": "t"}, "message": "m" * 501}, "body message"),
    ({"dashboard": {"title": "t"}, "overwrite": "true"}, "body overwrite"),
    ({"dashboard": {"title": "t"}, "overwrite": 1}, "body overwrite"),
]
OTHERS: list[tuple[str, str, Any, str]] = [
    ("POST", "/api/dashboards/uid/u/restore", {}, "body version"),
    ("POST", "/api/dashboards/uid/u/restore", {"version": "1"}, "body version"),
    ("POST", "/api/dashboards/uid/u/restore", {"version": 0}, "body version"),
    ("POST", "/api/dashboards/uid/u/restore", {"version": 2**63}, "body version"),
    ("POST", "/api/folders", {}, "body title"),
    ("POST", "/api/folders", {"title": ["F"]}, "body title"),
    ("POST", "/api/folders", {"title": ""}, "title"),
    ("POST", "/api/folders", {"title": "x" * 5_001}, "title"),
    ("POST", "/api/folders", {"title": "F", "uid": "a/b"}, "body uid"),
    ("POST", "/api/folders", {"title": "F", "uid": 1}, "body uid"),
    ("PUT", "/api/folders/f", {"title": "F", "version": "1"}, "body version"),
    ("PUT", "/api/folders/f", {"title": "F", "overwrite": "yes"}, "body overwrite"),
    ("GET", "/api/dashboards/uid/u/versions/x", None, "path version"),
    ("GET", "/api/dashboards/uid/u/versions/0", None, "path version"),
    ("GET", "/api/dashboards/uid/u/versions/9223372036854775808", None, "path version"),
    ("GET", "/api/dashboards/uid/u/versions?limit=-1", None, "query limit"),
    ("GET", "/api/dashboards/uid/u/versions?start=x", None, "query start"),
    ("GET", "/api/folders?limit=0", None, "query limit"),
    ("GET", "/api/folders?page=9223372036854775808", None, "query page"),
    ("GET", "/api/folders/id/x", None, "path folder_id"),
    ("GET", "/api/folders/id/9223372036854775808", None, "path folder_id"),
    ("GET", "/api/search?limit=5001", None, "query limit"),
    ("GET", "/api/search?page=0", None, "query page"),
    ("GET", "/api/search?type=dash", None, "query type"),
    ("GET", "/api/search?dashboardIds=x", None, "query dashboardIds.0"),
    ("GET", "/api/search?folderIds=-1", None, "query folderIds.0"),
    ("GET", "/api/search?starred=perhaps", None, "query starred"),
    ("GET", "/api/search?sort=down", None, "query sort"),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [*(("POST", "/api/dashboards/db", body, named) for body, named in SAVES), *OTHERS],
)
async def test_bad_input_is_refused_by_the_name_of_the_field_and_nothing_is_stored(
    method: str, path: str, body: Any, named: str, tmp_path: Path
) -> None:
    async with library(tmp_path) as here:
        await here.send("POST", "/api/folders", json={"uid": "f", "title": "Old"})
        await here.post({"dashboard": {"uid": "u", "title": "T"}})
        before = await here.everything()
        check_refused(await here.send(method, path, json=body), 400, named)
        assert await here.everything() == before
        assert len(here.desk.told) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"dashboard": {"title": "t", "title": "u"}}',
        b'{"dashboard": {"title": "t"}, "dashboard": {"title": "u"}}',
        b'{"dashboard": {"title": "t", "n": 1e999}}',
        b'{"dashboard": {"title": "t", "n": [NaN]}}',
        b'{"dashboard": {"title": "t", "n": -Infinity}}',
        b'{"dashboard": {"title": "t", "n": 1' + b"0" * 400 + b"}}",
        b'{"dashboard": {"title": "t", "n": "\\ud800"}}',
        b'{"dashboard": {"title": "\xff"}}',
        b'{"dashboard": {"title": "t", "n": ' + b"[" * 200 + b"]" * 200 + b"}}",
        b'{"dashboard": {"title": "t"}',
        b"\0",
    ],
)
async def test_json_that_others_would_read_differently_is_refused_and_nothing_is_stored(
    body: bytes, tmp_path: Path
) -> None:
    async with library(tmp_path) as here:
        answer = await here.send(
            "POST", "/api/dashboards/db", content=body, headers={"Content-Type": "application/json"}
        )
        check_refused(answer, 400)
        assert await here.everything() == [[], []]


async def test_a_dashboard_too_large_is_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    async with library(tmp_path, document_bytes=2_000) as here:
        board = {"title": "t", "text": "x" * 2_000}
        check_refused(await here.post({"dashboard": board}), 413, "dashboards.document_bytes")
        check_refused(await here.post({"dashboard": {**board, "text": "x" * 5_000}}), 413, "dashboards.document_bytes")
        check_refused(await here.post({"title": "t" * 10_001}, path="/api/folders"), 413, "api.body_bytes")
        spaced = json.dumps({"dashboard": {**board, "text": "x" * 1_900}}, indent=200)
        headers = {"Content-Type": "application/json"}
        assert (await here.send("POST", "/api/dashboards/db", content=spaced, headers=headers)).status_code == 200
        assert len(here.desk.told) == 1


@pytest.mark.parametrize("path", ["/api/dashboards/uid/", "/api/folders/", "/api/dashboards/uid/x%00/versions"])
@pytest.mark.parametrize("uid", ["a%2Fb", "%00", "..%2F..", "x" * 5_000, "%ff", "%F0%9F%98%80", "'--"])
async def test_strange_uids_are_of_nothing(path: str, uid: str, tmp_path: Path) -> None:
    async with library(tmp_path) as here:
        target = path if path.endswith("versions") else path + uid
        for method in ("GET", "DELETE"):
            answer = await here.send(method, target)
            check_refused(answer, 405 if (method, target[-8:]) == ("DELETE", "versions") else 404)


async def test_what_is_no_route_of_these_is_none(tmp_path: Path) -> None:
    async with library(tmp_path) as here:
        for path in ("/api/dashboards/home", "/api/dashboards", "/api/dashboards/db", "/api/dashboards/id/1"):
            answer = await here.send("GET", path)
            check_refused(answer, 405 if path.endswith("db") else 404)
        answer = await here.send("PATCH", "/api/dashboards/uid/u")
        check_refused(answer, 405)
        assert answer.headers["allow"] == "DELETE, GET, HEAD"
