"""What every route gets by its row of the table: a permission asked first, a body read strictly, problems that name."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from pydantic import BaseModel, ConfigDict
from site_of_app import check_problem, site
from starlette.requests import Request
from starlette.types import Message, Scope

from framecast.accounts.gate import Gate
from framecast.accounts.identity import DEVELOPER, Identity, Role
from framecast.accounts.permissions import Action
from framecast.api.bodies import JsonBodies
from framecast.api.routing import ApiRoute, Caller, JsonBody
from framecast.door.asgi import _limit_body_time
from framecast.door.head import RequestHead
from framecast.settings import Api

PATH = "/api/things/{number}"


class Thing(BaseModel):
    """A body."""

    model_config = ConfigDict(strict=True)

    name: str
    sizes: dict[str, int] = {}
    extra: Any = None


class Desk:
    """An endpoint that remembers what reached it."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    async def put(self, number: int, thing: Thing, caller: Caller, request: Request, limit: int = 3) -> dict[str, Any]:
        """Put a thing."""
        self.taken.append(thing)
        return {"login": caller.login, "number": number, "limit": limit, "bytes": len(await request.body())}


def route(desk: Desk, **limits: Any) -> ApiRoute:
    api = Api(**limits)
    return ApiRoute(
        PATH,
        desk.put,
        methods=("POST",),
        needs=Action.WRITE_DASHBOARDS,
        takes=JsonBody(JsonBodies(api), api.body_bytes),
        answers={200: dict},
    )


def gate_for(role: Role) -> Gate:
    async def gate(head: RequestHead) -> Identity:
        return replace(DEVELOPER, role=role, login="ada", server_admin=False)

    return gate


async def send(
    text: str | bytes, path: str = "/api/things/7", role: Role = Role.EDITOR, **limits: Any
) -> httpx.Response:
    desk = Desk()
    async with site(gate=gate_for(role), routes=[route(desk, **limits)]) as here:
        answer = await here.client.post(path, content=text, headers={"Content-Type": "application/json"})
        assert bool(desk.taken) is (answer.status_code == 200)
        return answer


async def test_a_body_reaches_its_endpoint_with_who_sent_it() -> None:
    answer = await send('{"name": "x"}')
    assert answer.json() == {"login": "ada", "number": 7, "limit": 3, "bytes": 13}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"name": 1}', "body name"),
        ("{}", "body name"),
        ("[]", "body"),
        ("null", "body"),
        ("", "body"),
        ('{"name": "x", "sizes": {"a\\u0000\\u001b": "1"}}', "body sizes.a\\x00\\x1b"),
        ('{"name": "x", "sizes": {"%s": "1"}}' % ("k" * 5_000), "body sizes.kkk"),
        ('{"name": "x", "sizes": {"a": true}}', "body sizes.a"),
        ('{"name": "x", "sizes": {"a": 1, "a": 2}}', "'a' stands twice"),
        ('{"name": "x", "extra": 1e999}', "1e999"),
        ('{"name": "x", "extra": NaN}', "NaN"),
        ('{"name": "x", "extra": "\\ud83d"}', "ud83d"),
        ('{"name": "x"', "no JSON"),
        (b'{"name": "\xff"}', "UTF-8"),
        ('{"name": "x", "extra": ' + "[" * 500 + "]" * 500 + "}", "api.nesting"),
    ],
)
async def test_a_bad_body_is_a_problem_that_names_what_is_wrong(text: str | bytes, named: str) -> None:
    message = check_problem(await send(text), 400)
    assert named in message
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.parametrize(
    ("path", "named"), [("/api/things/x", "path number"), ("/api/things/7?limit=x", "query limit")]
)
async def test_a_bad_parameter_is_a_problem_that_names_it(path: str, named: str) -> None:
    assert named in check_problem(await send('{"name": "x"}', path), 400)


async def test_many_mistakes_are_counted_not_listed() -> None:
    text = json.dumps({"name": 1, "sizes": {f"k{number}": "x" for number in range(1_000)}})
    message = check_problem(await send(text), 400)
    assert "and 998 more" in message
    assert len(message) < 400


async def test_a_viewer_is_refused_before_the_body_is_looked_at() -> None:
    assert "Editor" in check_problem(await send("{", role=Role.VIEWER), 403)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
async def test_what_is_not_sent_as_json_is_refused(content_type: str) -> None:
    desk = Desk()
    async with site(routes=[route(desk)]) as here:
        headers = {"Content-Type": content_type}
        answer = await here.client.post("/api/things/7", content=b'{"name": "x"}', headers=headers)
        assert "application/json" in check_problem(answer, 415)
        assert desk.taken == []


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"])
async def test_json_is_known_by_its_type(content_type: str) -> None:
    desk = Desk()
    async with site(routes=[route(desk)]) as here:
        headers = {"Content-Type": content_type}
        answer = await here.client.post("/api/things/7", content=b'{"name": "x"}', headers=headers)
        assert answer.status_code == 200


@pytest.mark.parametrize("length", [b"101", b"9" * 5_000, b"", b"-1", b"\xb2"])
async def test_a_large_body_is_refused_whether_it_says_so_or_not(length: bytes) -> None:
    async with site(routes=[route(Desk(), body_bytes=100)]) as here:
        headers = [(b"content-length", length)] if length else []
        status, message = await post(here.app, [b'{"name": "', b"x" * 1_000, b'"}'], headers=headers)
        assert (status, "api.body_bytes" in message) == (413, True)


async def test_a_large_body_is_read_in_a_thread_with_the_same_answers() -> None:
    text = json.dumps({"name": "x", "extra": ["y"] * 1_000})
    assert (await send(text, thread_body_bytes=10)).status_code == 200
    assert "stands twice" in check_problem(await send('{"name": 1, "name": 2}', thread_body_bytes=10), 400)


async def test_bodies_held_at_once_are_bounded_and_given_back() -> None:
    desk = Desk()
    large, small = [b'{"name": "' + b"x" * 80], [b'{"name": "xxxxxxxxxxxx"}']
    one = route(desk, waiting_bytes=100)
    async with site(routes=[one]) as here, trio.open_nursery() as nursery:
        nursery.start_soon(partial(post, here.app, large, ends=False))
        await trio.testing.wait_all_tasks_blocked()
        status, message = await post(here.app, small)
        assert (status, "api.waiting_bytes" in message) == (503, True)
        nursery.cancel_scope.cancel()
    assert desk.taken == []
    async with site(routes=[one]) as here:
        for _ in range(10):
            assert (await post(here.app, small))[0] == 200


async def test_a_body_that_does_not_arrive_in_time_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    async with site(routes=[route(Desk())]) as here:
        timed: Any = _limit_body_time(here.app, 6.0)
        status, message = await post(timed, [b"{"], ends=False)
        assert (status, "whole" in message) == (408, True)
        assert trio.current_time() == pytest.approx(6)


async def post(
    app: Any, pieces: Sequence[bytes], *, ends: bool = True, headers: Sequence[tuple[bytes, bytes]] = ()
) -> tuple[int, str]:
    """Send a body piece by piece, and perhaps never its end; the answer's status and text."""
    rest = list(pieces)
    sent: list[Message] = []

    async def receive() -> Message:
        if not rest and not ends:
            await trio.sleep_forever()
        body = rest.pop(0) if rest else b""
        return {"type": "http.request", "body": body, "more_body": bool(rest) or not ends}

    async def collect(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/things/7",
        "raw_path": b"/api/things/7",
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), *headers],
    }
    await app(scope, receive, collect)
    return sent[0]["status"], b"".join(message["body"] for message in sent[1:]).decode()


async def test_the_allowed_methods_are_those_of_all_routes_of_a_path() -> None:
    async def show(number: int) -> dict[str, Any]:
        return {}

    routes = [route(Desk()), ApiRoute(PATH, show, answers={200: dict})]
    async with site(routes=routes) as here:
        answer = await here.client.delete("/api/things/7")
        check_problem(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD, POST"
        assert (await here.client.head("/api/things/7")).status_code == 200
