"""Data sources over HTTP: what Grafana's clients send and read, who may, bad input; and that no secret goes out."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from site_of_app import site

from datasource_desk import DataSourceDesk, datasource_desk
from framecast.accounts.gate import Gate
from framecast.accounts.identity import DEVELOPER, Identity, Reach, Role
from framecast.api.bodies import JsonBodies
from framecast.api.datasources import DataSourceRoutes
from framecast.datasources.registry import Became, News
from framecast.settings import Api
from framecast.store.datasources import DataSource, Traits, insert_datasource
from gates import Door, closed_gate

ANN = replace(DEVELOPER, login="ann", server_admin=False)
VIEWER = replace(ANN, login="vic", role=Role.VIEWER)
EDITOR = replace(ANN, login="eve", role=Role.EDITOR)
STRANGER = replace(ANN, login="zoe", org_id=2)
LIMITED = replace(ANN, reach=Reach(push=("*",), read=("*",)))
ALL = "/api/datasources"
NEW = {"name": "Test one", "type": "prometheus", "access": "proxy", "uid": "u"}
JSON = {"Content-Type": "application/json"}


@dataclass
class Office:
    client: httpx.AsyncClient
    desk: DataSourceDesk
    door: Door

    async def send(self, method: str, path: str, caller: Identity = ANN, **request: Any) -> httpx.Response:
        self.door.caller = caller
        return await self.client.request(method, path, **request)

    async def post(self, body: Any, caller: Identity = ANN) -> httpx.Response:
        return await self.send("POST", ALL, caller, json=body)

    async def get(self, path: str, caller: Identity = ANN) -> Any:
        answer = await self.send("GET", path, caller)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def everything(self) -> list[list[DataSource]]:
        return [await self.desk.registry.list(org_id) for org_id in (1, 2)]

    async def make_read_only(self) -> None:
        traits = Traits(name="read", type="t", read_only=True)
        await self.desk.database.transact(lambda connection: insert_datasource(connection, 1, "r", traits, 5.0))


@asynccontextmanager
async def office(folder: Path, gate: Gate | None = None, **limits: Any) -> AsyncIterator[Office]:
    door = Door(ANN)
    async with datasource_desk(folder, **limits) as desk:
        routes = DataSourceRoutes(desk.registry, JsonBodies(Api()), desk.limits).routes()
        async with site(gate=gate or door, routes=routes) as here:
            yield Office(here.client, desk, door)


def contents_of(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.iterdir()]


def check_refused(answer: httpx.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    message = answer.json()["message"]
    for word in words:
        assert word in message, message
    assert len(message) < 500


async def test_a_data_source_is_made_shown_changed_and_deleted_as_grafana_does(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        sent = {
            **NEW,
            "url": "https://example.com/",
            "user": "me",
            "database": "db",
            "basicAuth": True,
            "basicAuthUser": "basic",
            "withCredentials": True,
            "isDefault": True,
            "jsonData": {"httpMethod": "POST"},
            "secureJsonData": {"basicAuthPassword": "sesame", "token": "other"},
        }
        made = (await here.post(sent)).json()
        number = made["id"]
        shape = {
            "id": number,
            "uid": "u",
            "orgId": 1,
            "name": "Test one",
            "type": "prometheus",
            "typeLogoUrl": "",
            "access": "proxy",
            "url": "https://example.com/",
            "user": "me",
            "database": "db",
            "basicAuth": True,
            "basicAuthUser": "basic",
            "withCredentials": True,
            "isDefault": True,
            "jsonData": {"httpMethod": "POST"},
            "secureJsonFields": {"basicAuthPassword": True, "token": True},
            "version": 1,
            "readOnly": False,
        }
        assert made == {"id": number, "name": "Test one", "message": "Datasource added", "datasource": shape}
        for way in ("uid/u", "name/Test%20one", str(number)):
            assert await here.get(f"{ALL}/{way}") == shape
        assert await here.get(f"{ALL}/id/Test one") == {"id": number}
        changed = (
            await here.send(
                "PUT", f"{ALL}/uid/u", json={"name": "Two", "type": "t", "secureJsonData": {"token": ""}, "version": 1}
            )
        ).json()
        assert (changed["message"], changed["name"]) == ("Datasource updated", "Two")
        assert changed["datasource"] == {
            **shape,
            "name": "Two",
            "type": "t",
            "url": "",
            "user": "",
            "database": "",
            "basicAuth": False,
            "basicAuthUser": "",
            "withCredentials": False,
            "isDefault": False,
            "jsonData": {},
            "secureJsonFields": {"basicAuthPassword": True},
            "version": 2,
        }
        [listed] = await here.get(ALL)
        unlisted = ("basicAuthUser", "withCredentials", "secureJsonFields", "version")
        assert listed == {
            **{name: value for name, value in changed["datasource"].items() if name not in unlisted},
            "typeName": "t",
        }
        answer = await here.send("PUT", f"{ALL}/{number}", json={**changed["datasource"], "name": "Three"})
        assert answer.json()["datasource"]["version"] == 3
        gone = (await here.send("DELETE", f"{ALL}/uid/u")).json()
        assert gone == {"id": number, "message": "Data source deleted"}
        check_refused(await here.send("GET", f"{ALL}/uid/u"), 404, "Data source not found")
        assert here.desk.told == [News(1, "u", Became.CHANGED)] * 2 + [News(1, "u", Became.DELETED)]


async def test_it_is_deleted_by_name_and_by_id_too(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        for name, way in (("a/b c", "name/a/b%20c"), ("x", "{number}")):
            number = (await here.post({"name": name, "type": "t"})).json()["id"]
            path = f"{ALL}/{way.format(number=number)}"
            assert (await here.get(path))["name"] == name
            assert (await here.send("DELETE", path)).json() == {"id": number, "message": "Data source deleted"}
        assert await here.everything() == [[], []]


async def test_json_data_comes_back_to_the_last_digit(tmp_path: Path) -> None:
    odd = b'[-0, 1.0, 1E2, 0.10, 123456789012345678901234567890, "\\u0000\\/\\ud83d\\ude00", {"": {"~": null}}]'
    body = b'{"name": "n", "type": "t", "uid": "u", "jsonData": {"odd": %s}}' % odd
    async with office(tmp_path) as here:
        assert (await here.send("POST", ALL, content=body, headers=JSON)).status_code == 200
        for path in (f"{ALL}/uid/u", ALL):
            text = (await here.send("GET", path)).content
            back = json.loads(text, parse_int=str, parse_float=str)
            shown = back[0] if path == ALL else back
            assert shown["jsonData"]["odd"] == json.loads(odd, parse_int=str, parse_float=str)


async def test_conflicts_are_told_in_grafanas_words(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.post(NEW)
        check_refused(await here.post({**NEW, "uid": "v"}), 409, "data source with the same name already exists")
        check_refused(await here.post({**NEW, "name": "v"}), 409, "data source with the same uid already exists")
        for version in (1, 2):
            await here.send("PUT", f"{ALL}/uid/u", json={**NEW, "version": version})
        answer = await here.send("PUT", f"{ALL}/uid/u", json={**NEW, "version": 2})
        check_refused(answer, 409, "Datasource has already been updated by someone else. Please reload and try again")
        check_refused(await here.send("PUT", f"{ALL}/uid/u", json={**NEW, "uid": "v"}), 400, "uid")
        await here.make_read_only()
        for method in ("PUT", "DELETE"):
            answer = await here.send(method, f"{ALL}/uid/r", json=NEW)
            check_refused(answer, 403, "read-only data source", "provisioning.path")
        assert len(here.desk.told) == 2


ROUTES = [
    ("GET", ALL, None),
    ("GET", f"{ALL}/uid/u", None),
    ("GET", f"{ALL}/name/Test one", None),
    ("GET", f"{ALL}/id/Test one", None),
    ("GET", f"{ALL}/1", None),
    ("POST", ALL, {"name": "New", "type": "t"}),
    ("PUT", f"{ALL}/uid/u", {"name": "New", "type": "t", "secureJsonData": {"password": ""}}),
    ("PUT", f"{ALL}/1", {"name": "New", "type": "t"}),
    ("DELETE", f"{ALL}/uid/u", None),
    ("DELETE", f"{ALL}/name/Test one", None),
    ("DELETE", f"{ALL}/1", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_admins_may_everything_and_all_others_nothing(method: str, path: str, body: Any, tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.post({**NEW, "secureJsonData": {"password": "sesame"}})
        before = await here.everything()
        check_refused(await here.send(method, path, LIMITED, json=body), 403, "lists only")
        for caller in (VIEWER, EDITOR):
            check_refused(await here.send(method, path, caller, json=body), 403, "Admin")
        assert await here.everything() == before
        assert (await here.send(method, path, json=body)).status_code == 200
    async with office(tmp_path, closed_gate) as here:
        check_refused(await here.send(method, path, json=body), 401)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_another_org_sees_and_changes_nothing(method: str, path: str, body: Any, tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.post({**NEW, "url": "http://ours"})
        ours = (await here.everything())[0]
        answer = await here.send(method, path, STRANGER, json=body)
        if path == ALL:
            assert answer.status_code == 200
            assert "ours" not in answer.text
        else:
            check_refused(answer, 404, "Data source not found")
        assert (await here.everything())[0] == ours
        assert here.desk.told == []


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_no_secret_is_in_an_answer_or_in_the_log(method: str, path: str, body: Any, tmp_path: Path) -> None:
    secrets = {"password": "sesame-1", "tlsClientKey": "sesame-2"}
    async with office(tmp_path) as here:
        with structlog.testing.capture_logs() as logged:
            answers = [await here.post({**NEW, "secureJsonData": secrets})]
            answers.append(await here.send(method, path, json=body))
            answers.append(await here.post({**NEW, "secureJsonData": {"password": "sesame-3"}}))
            answers.append(
                await here.send("PUT", f"{ALL}/uid/u", json={**NEW, "version": -1, "secureJsonData": secrets})
            )
        assert not any("sesame" in answer.text + str(answer.headers) for answer in answers)
        assert "sesame" not in repr(logged)
        assert not any(b"sesame" in content for content in contents_of(tmp_path))


BODIES: list[tuple[Any, str]] = [
    ([], "body"),
    ({}, "body name"),
    ({"name": "n"}, "body type"),
    ({"name": None, "type": "t"}, "body name"),
    ({"name": 7, "type": "t"}, "body name"),
    ({"name": "", "type": "t"}, "name"),
    ({"name": " ", "type": "t"}, "name"),
    ({"name": "n" * 191, "type": "t"}, "name"),
    ({"name": "n\0", "type": "t"}, "name"),
    ({"name": "n", "type": ["t"]}, "body type"),
    ({"name": "n", "type": "t", "uid": 1}, "body uid"),
    ({"name": "n", "type": "t", "uid": "a/b"}, "uid"),
    ({"name": "n", "type": "t", "uid": "x" * 41}, "uid"),
    ({"name": "n", "type": "t", "access": "server"}, "body access"),
    ({"name": "n", "type": "t", "access": True}, "body access"),
    ({"name": "n", "type": "t", "url": 1}, "body url"),
    ({"name": "n", "type": "t", "url": "http://x\r\nA: b"}, "url"),
    ({"name": "n", "type": "t", "url": "x" * 2_001}, "url"),
    ({"name": "n", "type": "t", "user": {}}, "body user"),
    ({"name": "n", "type": "t", "database": 1}, "body database"),
    ({"name": "n", "type": "t", "basicAuth": "true"}, "body basicAuth"),
    ({"name": "n", "type": "t", "basicAuthUser": 1}, "body basicAuthUser"),
    ({"name": "n", "type": "t", "withCredentials": 1}, "body withCredentials"),
    ({"name": "n", "type": "t", "isDefault": "yes"}, "body isDefault"),
    ({"name": "n", "type": "t", "jsonData": []}, "body jsonData"),
    ({"name": "n", "type": "t", "jsonData": "{}"}, "body jsonData"),
    ({"name": "n", "type": "t", "version": -1}, "body version"),
    ({"name": "n", "type": "t", "version": "1"}, "body version"),
    ({"name": "n", "type": "t", "version": 2**31}, "body version"),
    ({"name": "n", "type": "t", "secureJsonData": ["sesame"]}, "body secureJsonData"),
    ({"name": "n", "type": "t", "secureJsonData": "sesame"}, "body secureJsonData"),
    ({"name": "n", "type": "t", "secureJsonData": {"a": 31415926}}, "body secureJsonData.a"),
    ({"name": "n", "type": "t", "secureJsonData": {"a": {"b": "sesame"}}}, "body secureJsonData.a"),
    ({"name": "n", "type": "t", "secureJsonData": {"": "sesame"}}, "secureJsonData"),
    ({"name": "n", "type": "t", "password": "sesame"}, "secureJsonData.password"),
    ({"name": "n", "type": "t", "basicAuthPassword": "sesame"}, "secureJsonData.basicAuthPassword"),
]


@pytest.mark.parametrize(("body", "named"), BODIES)
@pytest.mark.parametrize(("method", "path"), [("POST", ALL), ("PUT", f"{ALL}/uid/u"), ("PUT", f"{ALL}/1")])
async def test_bad_input_is_refused_by_the_name_of_the_field_and_nothing_is_stored(
    method: str, path: str, body: Any, named: str, tmp_path: Path
) -> None:
    async with office(tmp_path) as here:
        await here.post(NEW)
        before = await here.everything()
        answer = await here.send(method, path, json=body)
        check_refused(answer, 400, named)
        assert not any(secret in answer.text for secret in ("sesame", "31415926"))
        assert await here.everything() == before
        assert here.desk.told == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "n", "type": "t", "type": "u"}',
        b'{"name": "n", "type": "t", "secureJsonData": {"a": "1", "a": "2"}}',
        b'{"name": "n", "type": "t", "jsonData": {"a": NaN}}',
        b'{"name": "n", "type": "t", "jsonData": {"a": 1e999}}',
        b'{"name": "n", "type": "t", "secureJsonData": {"a": "\\ud800"}}',
        b'{"name": "\xff", "type": "t"}',
        b'{"name": "n", "type": "t", "jsonData": ' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}",
        b'{"name": "n", "type": "t"',
        b"\0",
    ],
)
async def test_json_that_others_would_read_differently_is_refused(body: bytes, tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        check_refused(await here.send("POST", ALL, content=body, headers=JSON), 400)
        assert await here.everything() == [[], []]


async def test_what_is_too_large_or_too_much_is_refused(tmp_path: Path) -> None:
    limits: dict[str, Any] = {
        "body_bytes": 8_192,
        "json_bytes": 1_024,
        "secret_bytes": 1_024,
        "secrets": 2,
        "max_datasources": 1,
    }
    async with office(tmp_path, **limits) as here:
        for more, status, named in (
            ({"jsonData": {"a": "x" * 1_024}}, 413, "datasources.json_bytes"),
            ({"secureJsonData": {"a": "x" * 1_025}}, 413, "datasources.secret_bytes"),
            ({"secureJsonData": dict.fromkeys("abc", "x")}, 400, "datasources.secrets"),
            ({"ignored": "x" * 8_192}, 413, "datasources.body_bytes"),
        ):
            check_refused(await here.post({**NEW, **more}), status, named)
        assert await here.everything() == [[], []]
        spaced = json.dumps({**NEW, "jsonData": {"a": ["x" * 1_000]}}, indent=200)
        assert (await here.send("POST", ALL, content=spaced, headers=JSON)).status_code == 200
        check_refused(await here.post({"name": "2", "type": "t"}), 403, "Quota reached", "datasources.max_datasources")


@pytest.mark.parametrize("way", ["uid", "name", "id"])
@pytest.mark.parametrize("what", ["%00", "..%2F..", "x" * 5_000, "%ff", "%F0%9F%98%80", "'--", "a%2Fb"])
async def test_strange_names_are_of_nothing(way: str, what: str, tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        check_refused(await here.send("GET", f"{ALL}/{way}/{what}"), 404)
        if way != "id":
            check_refused(await here.send("DELETE", f"{ALL}/{way}/{what}"), 404)


@pytest.mark.parametrize("number", ["x", "0", "-1", "1.5", "9223372036854775808"])
async def test_strange_ids_are_refused(number: str, tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        for method, body in (("GET", None), ("PUT", NEW), ("DELETE", None)):
            check_refused(await here.send(method, f"{ALL}/{number}", json=body), 400, "path datasource_id")


async def test_the_description_says_that_secrets_are_written_only(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        document = await here.get("/openapi.json", replace(ANN, server_admin=True))
        schemas = document["components"]["schemas"]
        assert schemas["DataSourceBody"]["properties"]["secureJsonData"]["writeOnly"] is True
        for answer in ("ListedShape", "DataSourceShape", "Changed"):
            assert not {"secureJsonData", "password", "basicAuthPassword"} & set(schemas[answer]["properties"])
        assert f"{ALL}/name/{{name}}" in document["paths"]
