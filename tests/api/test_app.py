"""The application without a socket: its routes, the gate in front, and how it says no."""

import json
from typing import Any

import httpx
import pytest
from site_of_app import as_other_org, check_problem, site
from starlette.requests import Request

from framecast import __version__
from framecast.errors import Refusal
from framecast.streams.table import ListedChannel
from gates import closed_gate


async def test_health_says_what_answers() -> None:
    async with site() as here:
        answer = await here.client.get("/api/health")
        assert (answer.status_code, answer.json()["version"]) == (200, __version__)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/api/live/list"),
        ("GET", "/api/live/streams"),
        ("GET", "/api/live/streams/s"),
        ("POST", "/api/live/push/s"),
        ("GET", "/api/live/push/s"),
        ("DELETE", "/api/live/list"),
        ("GET", "/nothing"),
        ("GET", "/api/health/"),
        ("GET", "/api//health"),
        ("GET", "/api/health/../../metrics"),
        ("GET", "/ping/"),
        ("GET", "/health/x"),
        ("OPTIONS", "*"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guessed"}])
async def test_the_closed_gate_lets_nobody_past_wherever_they_go(
    method: str, path: str, headers: dict[str, str]
) -> None:
    async with site(gate=closed_gate) as here:
        answer = await here.client.request(method, path, headers=headers)
        assert "bring a token" in check_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("path", "status"), [("/api/health", 200), ("/health", 200), ("/ping", 204)])
async def test_health_needs_no_token(method: str, path: str, status: int) -> None:
    async with site(gate=closed_gate) as here:
        assert (await here.client.request(method, path)).status_code == status


async def test_clients_of_grafana_find_which_server_this_is() -> None:
    async with site() as here:
        built = (await here.client.get("/api/frontend/settings")).json()["buildInfo"]
        assert (built["version"], built["edition"]) == (__version__, "Framecast")


async def test_clients_of_influxdb_find_what_they_look_for() -> None:
    async with site() as here:
        ping = await here.client.get("/ping")
        assert (ping.headers["x-influxdb-version"], ping.content) == ("2.7-framecast", b"")
        assert "content-length" not in ping.headers
        health = (await here.client.get("/health")).json()
        assert health.pop("commit")
        assert health == {
            "name": "framecast",
            "message": "ready for writes",
            "status": "pass",
            "version": __version__,
        }


async def test_a_refused_push_is_not_stored() -> None:
    async with site(gate=closed_gate) as here:
        check_problem(await here.client.post("/api/live/push/s", content=b"m n=1i"), 401)
        assert here.world.streams.stream_count == 0


@pytest.mark.parametrize(
    "path", ["/nothing", "/api", "/api/live", "/api/live/lists", "/%00", "/\u202e", "/" + "x" * 5_000]
)
async def test_an_unknown_path_is_a_json_problem(path: str) -> None:
    async with site() as here:
        message = check_problem(await here.client.get(path), 404)
        assert message.startswith("Not Found: GET ")
        assert message.isprintable()
        assert len(message) < 1_000


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET"),
        ("DELETE", "/api/live/list", "GET"),
        ("DELETE", "/api/live/streams/s", "GET"),
        ("POST", "/api/health", "GET"),
        ("GET", "/api/live/push/s", "POST"),
    ],
)
async def test_an_unknown_method_is_a_json_problem_that_names_the_right_ones(
    method: str, path: str, allowed: str
) -> None:
    async with site() as here:
        answer = await here.client.request(method, path)
        check_problem(answer, 405)
        assert allowed in answer.headers["allow"].split(", ")


async def test_the_list_is_sorted_and_carries_schema_and_rate() -> None:
    async with site() as here:
        await here.world.push("z", b"m n=1i")
        await here.world.push("a", b"k n=1i\nb n=1i")
        await here.world.push("a", b"k n=2i")
        await here.world.push("hidden", b"m n=1i", org_id=2)
        answer = await here.client.get("/api/live/list")
        assert answer.headers["content-type"] == "application/json"
        channels = answer.json()["channels"]
        assert [(row["channel"], row["minute_rate"]) for row in channels] == [
            ("stream/a/b", 1),
            ("stream/a/k", 2),
            ("stream/z/m", 1),
        ]
        assert channels[1]["data"]["schema"]["name"] == "k"
        assert [column["name"] for column in channels[1]["data"]["schema"]["fields"]] == ["labels", "time", "n"]


async def test_the_list_ends_with_what_is_always_there() -> None:
    always = [ListedChannel("plugin/testdata/x", 30, b'{"name":"testdata"}')]
    async with site(listed=always) as here:
        await here.world.push("z", b"m n=1i")
        channels = (await here.client.get("/api/live/list")).json()["channels"]
        assert [row["channel"] for row in channels] == ["stream/z/m", "plugin/testdata/x"]
        assert channels[1] == {
            "channel": "plugin/testdata/x",
            "minute_rate": 30,
            "data": {"schema": {"name": "testdata"}},
        }


async def test_the_list_is_of_the_callers_org() -> None:
    async with site(gate=as_other_org) as here:
        await here.world.push("ours", b"m n=1i")
        assert (await here.client.get("/api/live/list")).json() == {"channels": []}


async def test_a_push_that_comes_late_is_answered_as_by_the_door() -> None:
    async with site() as here:
        answer = await here.client.post("/api/live/push/my.stream", content=b"m n=1i\nbad\n")
        assert (answer.status_code, answer.content) == (204, b"")
        assert (answer.headers["framecast-accepted"], answer.headers["framecast-rejected"]) == ("1", "1")
        for no_id in ("a%2Fb", "a%2562"):
            check_problem(await here.client.post(f"/api/live/push/{no_id}", content=b"m n=1i"), 400)
        check_problem(await here.client.post("/api/live/push/s", content=b"x", headers={"Content-Encoding": "br"}), 415)
        assert [row.channel for row in await here.world.streams.list_channels(1)] == ["stream/my.stream/m"]


async def test_a_refusal_of_a_route_is_a_problem() -> None:
    async def refuse(request: Request) -> Any:
        raise Refusal(429, "one too many")

    async with site(push=refuse) as here:
        assert check_problem(await here.client.post("/api/live/push/s"), 429) == "one too many"


async def test_a_bug_in_a_route_tells_the_caller_nothing_and_is_raised_for_the_log() -> None:
    async def fail(request: Request) -> Any:
        raise ValueError("the password is hunter2")

    async with site(push=fail) as here:
        message = check_problem(await here.client.post("/api/live/push/s"), 500)
        assert "Internal Server Error" in message
        assert "hunter2" not in message
        strict = httpx.AsyncClient(transport=httpx.ASGITransport(here.app), base_url="http://localhost")
        async with strict as client:
            with pytest.raises(ValueError, match="hunter2"):
                await client.post("/api/live/push/s")


async def test_metrics_name_no_stream() -> None:
    async with site() as here:
        strange = "Str4ngeStre4m"
        answer = await here.client.post(f"/api/live/push/{strange}", content=b"Str4ngeM n=1i\nbad Str4ngeL\n")
        assert answer.headers["framecast-accepted"] == "1"
        subscriber = here.world.subscriber()
        text = (await here.client.get("/metrics")).text
        assert "framecast_streams 1.0" in text
        assert "framecast_fanout_connections 1.0" in text
        assert "tr4nge" not in text.lower()
        assert subscriber.received() == []


@pytest.mark.parametrize("path", ["/", "/api/health", "/api/live/list", "/api/live/streams/s", "/api/live/push/s"])
async def test_the_doors_rules_for_names_and_origins_hold_here_too(path: str) -> None:
    async with site() as here:
        answer = await here.client.get(path, headers={"Host": "rebound.example"})
        assert "Host" in check_problem(answer, 403)
        answer = await here.client.post(path, headers={"Origin": "https://evil.example"})
        assert "Origin" in check_problem(answer, 403)


async def test_an_upgrade_that_comes_late_is_told_how_it_would_work() -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with site() as here:
        for path in ("/api/live/ws", "/api/live/push/s", "/", "/nothing"):
            scope: dict[str, Any] = {
                "type": "websocket",
                "path": path,
                "raw_path": path.encode(),
                "query_string": b"",
                "headers": [(b"host", b"localhost")],
                "subprotocols": [],
                "extensions": {"websocket.http.response": {}},
            }
            await here.app(scope, receive, send)
            start, body = sent[-2:]
            assert start["status"] == 426
            assert (b"upgrade", b"websocket") in start["headers"]
            assert "first request" in json.loads(body["body"])["message"]


@pytest.mark.parametrize(("path", "word"), [("/api/v2/write?bucket=s", "code"), ("/write?db=s", "error")])
async def test_writes_of_influx_clients_are_answered_in_their_words_here_too(path: str, word: str) -> None:
    async with site() as here:
        assert (await here.client.post(path, content=b"m n=1i")).status_code == 204
        partial = await here.client.post(path, content=b"m n=1i\nm n=\n")
        assert (partial.status_code, partial.headers["framecast-accepted"]) == (400, "1")
        assert "partial write" in partial.text
    async with site(gate=closed_gate) as here:
        refused = await here.client.post(path, content=b"m n=1i", headers={"Authorization": "Token t"})
        assert refused.status_code == 401
        assert word in refused.json()
        assert here.world.streams.stream_count == 0
        check_problem(await here.client.get(path), 401)
