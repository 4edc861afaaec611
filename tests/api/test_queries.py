"""Queries over HTTP: what Grafana's panels send and read, who may, and bad input."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
import trio.testing
from site_of_app import site

from framecast.accounts.gate import Gate
from framecast.accounts.identity import DEVELOPER, Identity, Reach, Role
from framecast.api.bodies import JsonBodies
from framecast.api.queries import QueryRoutes
from framecast.door.head import RequestHead
from framecast.plugins.testdata import Testdata
from framecast.settings import Api, Queries
from gates import closed_gate
from queries.place import of, query_place

PATH = "/api/ds/query"
VIEWER = replace(DEVELOPER, login="vic", role=Role.VIEWER, server_admin=False)
LIMITED = replace(VIEWER, role=Role.ADMIN, reach=Reach(push=("*",), read=("*",)))
JSON = {"Content-Type": "application/json"}


def everybody_is(identity: Identity) -> Gate:
    async def gate(head: RequestHead) -> Identity:
        return identity

    return gate


@asynccontextmanager
async def client_of(gate: Gate, **limits: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with query_place({"testdata": Testdata()}, **limits) as place:
        routes = QueryRoutes(place.desk, JsonBodies(Api()), Queries(**limits)).routes()
        async with site(gate, routes=routes) as here:
            yield here.client


def body(*queries: Any, **more: Any) -> dict[str, Any]:
    return {"queries": queries, "from": "1000", "to": "4000", **more}


WALK = of("testdata", scenarioId="random_walk", intervalMs=1_000, maxDataPoints=50)


async def test_a_viewer_gets_the_frames_of_a_panel(autojump_clock: trio.testing.MockClock) -> None:
    async with client_of(everybody_is(VIEWER)) as client:
        answer = await client.post(PATH, json=body(WALK))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    [frame] = answer.json()["results"]["A"]["frames"]
    assert frame["schema"]["refId"] == "A"
    assert [field["name"] for field in frame["schema"]["fields"]] == ["time", "A-series"]
    assert frame["data"]["values"][0] == [1_000, 2_000, 3_000]


async def test_a_failure_is_told_beside_what_was_answered_and_is_a_400(autojump_clock: trio.testing.MockClock) -> None:
    async with client_of(everybody_is(VIEWER)) as client:
        answer = await client.post(PATH, json=body(WALK, of("testdata", "B", scenarioId="usa")))
    assert answer.status_code == 400
    results = answer.json()["results"]
    assert (results["A"]["status"], results["B"]["status"]) == (200, 400)
    assert "no scenario 'usa' here" in results["B"]["error"]


@pytest.mark.parametrize(
    ("gate", "status", "words"),
    [
        (closed_gate, 401, "Unauthorized"),
        (everybody_is(LIMITED), 403, "you may not query data sources"),
        (everybody_is(replace(VIEWER, org_id=2)), 404, "has no data source 'testdata'"),
    ],
)
async def test_who_may_not_is_told_so(
    autojump_clock: trio.testing.MockClock, gate: Gate, status: int, words: str
) -> None:
    async with client_of(gate) as client:
        answer = await client.post(PATH, json=body(WALK))
    assert (answer.status_code, words in answer.json()["message"]) == (status, True)


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "body"),
        (b"{", 400, "no JSON"),
        (b'{"queries":[{}],"queries":[],"from":"1","to":"2"}', 400, "stands twice"),
        (b'{"queries":[],"from":"1","to":"2"}', 400, "queries"),
        (b'{"queries":[{"refId":"A"}],"from":"1","to":"2"}', 400, "names no data source"),
        (b'{"queries":[{"refId":1}],"from":"1","to":"2"}', 400, "refId"),
        (b'{"queries":[{"datasource":"testdata"}],"from":"soon","to":"2"}', 400, "from has to be"),
        (b'{"queries":[{"datasource":"testdata"}]}', 400, "from"),
        (b'"' + b"x" * 2_000 + b'"', 413, "queries.body_bytes"),
    ],
)
async def test_what_is_no_request_is_refused_with_what_is_wrong(
    autojump_clock: trio.testing.MockClock, content: bytes, status: int, words: str
) -> None:
    async with client_of(everybody_is(VIEWER), body_bytes=1_000) as client:
        answer = await client.post(PATH, content=content, headers=JSON)
        assert (answer.status_code, words in answer.json()["message"]) == (status, True), answer.text
        assert (await client.post(PATH, json=body(WALK))).status_code == 200


async def test_what_is_not_there_is_not_handed_back_whole(autojump_clock: trio.testing.MockClock) -> None:
    # Together still too little to be read in a thread, for which no clock of a test waits.
    huge = "\u001b[2J" + "x" * 30_000
    asked = {"queries": [{"refId": "A", "datasource": {"uid": huge}}], "from": "1", "to": "2"}
    later = asked | {"from": "now" + "+1s" * 10_000, "to": "now"}
    async with client_of(everybody_is(VIEWER)) as client:
        for body_, status in ((asked, 404), (later, 400)):
            answer = await client.post(PATH, json=body_)
            assert (answer.status_code, len(answer.content) < 400) == (status, True), answer.text[:400]
            assert "\u001b" not in answer.json()["message"]


async def test_who_may_not_is_told_so_before_the_body_is_read(autojump_clock: trio.testing.MockClock) -> None:
    async with client_of(everybody_is(LIMITED)) as client:
        answer = await client.post(PATH, content=b"{", headers=JSON)
    assert answer.status_code == 403


async def test_a_page_cannot_send_it_as_text(autojump_clock: trio.testing.MockClock) -> None:
    async with client_of(everybody_is(VIEWER)) as client:
        answer = await client.post(PATH, content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
