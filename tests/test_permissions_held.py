"""The table of permissions, cell by cell, as a running server holds to it: over HTTP and WebSocket, in both forms."""

import base64
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from client.forms import Form, JsonForm, ProtobufForm
from end_to_end.wire import BINARY, TEXT, Answer, connect, encode_frame, request, upgrade_request
from framecast import server
from framecast.accounts.identity import Reach, Role
from framecast.accounts.permissions import Action
from framecast.accounts.register.service_tokens import NewToken
from framecast.api.app import OPEN_PATHS, list_routes
from framecast.api.routing import ApiRoute
from framecast.cli.permissions_page import ASK_THEMSELVES
from framecast.house import Ground, House, build_house
from framecast.settings import Settings
from patience import PATIENCE_SECONDS
from served import running, settings_for

ROLES = {
    "viewer": "V",
    "editor": "E",
    "admin": "A",
    "server admin": "S",
    "limited": "L",
    "stranger": "",
}
"""Everybody who comes, with a letter in the naive table."""

NAIVE = {
    Action.PUSH: "EA",
    Action.SUBSCRIBE: "VEAS",
    Action.PUBLISH: "VEAS",
    Action.ANNOUNCE_EDITING: "EA",
    Action.LIST: "VEASL",
    Action.READ_DASHBOARDS: "VEAS",
    Action.WRITE_DASHBOARDS: "EA",
    Action.READ_DATASOURCES: "VEAS",
    Action.QUERY_DATASOURCES: "VEAS",
    Action.WRITE_DATASOURCES: "A",
    Action.MANAGE_ORG: "A",
    Action.MANAGE_SERVER: "S",
    Action.OBSERVE_SERVER: "S",
}
"""The server admin of these tests is a Viewer. The limited token's lists are another test's."""

STREAMING = {"/api/live/sse", "/api/live/http_stream", "/api/live/uni_sse", "/api/live/emulation"}
"""A stranger may get into these: its first command may bring a token."""

BOARD = "grafana/dashboard/uid/wall7"


@dataclass
class Site:
    place: str
    house: House
    tokens: dict[str, str] = field(default_factory=dict)

    async def ask(self, who: str, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        async with connect(self.place) as connection:
            fields = self.headers(who) | {name.replace("_", "-"): value for name, value in headers.items()}
            await connection.send(request(method, path, body, host=self.place, headers=fields))
            return await connection.answer()

    def headers(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"} if who in self.tokens else {}


@asynccontextmanager
async def site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """A server with a token for everybody, a dashboard, a data source, and a stream of two channels; and another org
    with the same."""
    built: list[House] = []

    def build(settings: Settings, ground: Ground) -> House:
        built.append(build_house(settings, ground))
        return built[-1]

    monkeypatch.setattr(server, "build_house", build)
    settings = settings_for(folder, dev=False)
    async with running(settings, patience_seconds=PATIENCE_SECONDS) as place:
        [house] = built
        made = Site(place, house)
        register = house.entrance.register
        org = await register.orgs.create("Other")
        wanted = {
            "viewer": NewToken(1, "viewer", Role.VIEWER),
            "editor": NewToken(1, "editor", Role.EDITOR),
            "admin": NewToken(1, "admin", Role.ADMIN),
            "server admin": NewToken(1, "root", Role.VIEWER, server_admin=True),
            "limited": NewToken(1, "agent", Role.ADMIN, reach=Reach(push=("mine",), read=("stream/mine/*",))),
            "foreign": NewToken(org.org_id, "foreign", Role.ADMIN),
        }
        for who, new in wanted.items():
            _, made.tokens[who] = await register.service_tokens.create(new)
        board = {"dashboard": {"uid": "wall7", "title": "Wall"}, "overwrite": True}
        saved = await made.ask("editor", "POST", "/api/dashboards/db", json.dumps(board).encode(), **JSON)
        assert saved.status == 200, saved
        plant = json.dumps({"name": "Plant", "type": "testdata", "uid": "plant"}).encode()
        assert (await made.ask("admin", "POST", "/api/datasources", plant, **JSON)).status == 200
        for stream in ("mine", "theirs"):
            assert (await made.ask("editor", "POST", f"/api/live/push/{stream}", b"m f=1")).status == 204
        yield made


JSON = {"Content_Type": "application/json"}


async def test_every_route_asks_for_what_the_table_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(tmp_path, monkeypatch) as here:
        wrong = []
        for route in list_routes(here.house.api):
            for who in ROLES:
                if route.path in STREAMING:
                    continue
                for method in sorted(set(route.methods or ()) - {"HEAD", "OPTIONS"}):
                    status = (await here.ask(who, method, fill(route.path), b"{}", **JSON)).status
                    if status not in expected_statuses(who, route):
                        wrong.append((method, route.path, who, status))
        assert not wrong, "\n".join(map(str, wrong))


def fill(path: str) -> str:
    """A route's path with something in the place of its parameters that is not there, but for the stream."""
    parts = [part if not part.startswith("{") else "mine" if "stream" in part else "98765" for part in path.split("/")]
    return "/".join(parts)


GOOD = frozenset(range(200, 500)) - {401, 403}
"""Whatever becomes of a request that may be made: what is asked for is not there, or the body is no good."""


def expected_statuses(who: str, route: ApiRoute) -> Collection[int]:
    action = route.needs or ASK_THEMSELVES.get(route.path)
    if route.path in OPEN_PATHS:
        return {200, 204, 302, 400}
    if who == "stranger":
        return {401}
    if route.path == "/api/user/using/{org_id}":
        return {403}  # of the org that is named nobody is a member
    if route.path == "/api/tokens/{token_id}" and who == "server admin":
        return GOOD  # whatever org the token is of
    return GOOD if action is None or allows(action, who, route.path) else {403}


def allows(action: Action, who: str, path: str = "") -> bool:
    if path in {"/api/live/publish", "/api/v2/write", "/write"}:
        return True  # it is asked when the body or query says of which channel or stream, and here they do not
    if who == "limited" and action is Action.PUSH:
        return True
    return ROLES[who] in NAIVE[action]


@pytest.mark.parametrize(
    "path",
    ["/api/live/push/{}", "/api/live/push/{}/m", "/api/v2/write?bucket={}", "/write?db={}"],
)
async def test_who_may_push_over_http(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(tmp_path, monkeypatch) as here:
        for who in ROLES:
            for stream in ("mine", "theirs"):
                body, headers = (b'{"f":2}', JSON) if path.endswith("/m") else (b"m f=2", {})
                status = (await here.ask(who, "POST", path.format(stream), body, **headers)).status
                assert status == expected_push(who, stream, good=204), (who, stream, status)


async def test_who_may_push_over_a_websocket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(tmp_path, monkeypatch) as here:
        for who in ROLES:
            for stream in ("mine", "theirs"):
                async with connect(here.place) as connection:
                    head = upgrade_request(f"/api/live/push/{stream}", host=here.place, headers=here.headers(who))
                    await connection.send(head)
                    status = (await connection.answer()).status
                assert status == expected_push(who, stream, good=101), (who, stream, status)


def expected_push(who: str, stream: str, *, good: int) -> int:
    if who == "stranger":
        return 401
    if who == "limited":
        return good if stream == "mine" else 403
    return good if ROLES[who] in NAIVE[Action.PUSH] else 403


@pytest.mark.parametrize("token", ["Bearer {}", "Token {}", "Token user:{}", "Basic"])
async def test_a_token_is_the_same_however_it_is_shown(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path, monkeypatch) as here:
        for who in ("editor", "viewer", "limited"):
            secret = here.tokens[who]
            pair = base64.b64encode(f"anybody:{secret}".encode()).decode()
            shown = f"Basic {pair}" if token == "Basic" else token.format(secret)
            answer = await here.ask("stranger", "POST", "/api/live/push/mine", b"m f=2", Authorization=shown)
            assert answer.status == expected_push(who, "mine", good=204), (who, shown, answer)


CHANNELS = {
    # channel: who may subscribe, who may publish
    "stream/mine/m": ("VEASL", ""),
    "stream/theirs/m": ("VEAS", ""),
    "grafana/broadcast/news": ("VEAS", "VEAS"),
    BOARD: ("VEAS", "EA"),
    "ds/plant/random-2s-stream": ("VEAS", ""),
}


@pytest.mark.parametrize("form", [JsonForm(), ProtobufForm()], ids=["json", "protobuf"])
@pytest.mark.parametrize("who", [who for who in ROLES if who != "stranger"])
async def test_who_may_subscribe_and_publish(
    form: Form, who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path, monkeypatch) as here, connect(here.place) as connection:
        protocol = "centrifuge-protobuf" if isinstance(form, ProtobufForm) else "centrifuge-json"
        headers = here.headers(who) | {"Sec-WebSocket-Protocol": protocol}
        await connection.upgrade(upgrade_request("/api/live/ws", host=here.place, headers=headers))
        replies: dict[int, Any] = {}
        commands: list[dict[str, Any]] = [{"id": 1, "connect": {}}]
        for channel in CHANNELS:
            data = {"uid": "wall7", "action": "editing-started"} if channel == BOARD else {"said": who}
            commands.append({"id": len(commands) + 1, "subscribe": {"channel": channel}})
            commands.append({"id": len(commands) + 1, "publish": {"channel": channel, "data": data}})
        opcode = BINARY if isinstance(form, ProtobufForm) else TEXT
        for command in commands:
            await connection.send(encode_frame(opcode, form.write(command)))
            while command["id"] not in replies:
                for said in form.read((await connection.message()).payload):
                    if "id" in said:
                        replies[said["id"]] = said
        for number, (channel, (subscribers, publishers)) in enumerate(CHANNELS.items()):
            for reply, allowed in ((replies[2 * number + 2], subscribers), (replies[2 * number + 3], publishers)):
                code = reply.get("error", {}).get("code")
                assert code == (None if ROLES[who] in allowed else 403), (who, channel, reply)


@pytest.mark.parametrize("form", [JsonForm(), ProtobufForm()], ids=["json", "protobuf"])
async def test_strangers_and_foreigners_get_nothing(
    form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is of another org finds its own channels under the same names, and is refused those with our prefix."""
    async with site(tmp_path, monkeypatch) as here:
        protocol = "centrifuge-protobuf" if isinstance(form, ProtobufForm) else "centrifuge-json"
        opcode = BINARY if isinstance(form, ProtobufForm) else TEXT
        for who, connected in (("stranger", False), ("foreign", True)):
            async with connect(here.place) as connection:
                headers = here.headers(who) | {"Sec-WebSocket-Protocol": protocol}
                await connection.upgrade(upgrade_request("/api/live/ws", host=here.place, headers=headers))
                await connection.send(encode_frame(opcode, form.write({"id": 1, "connect": {}})))
                [said] = form.read((await connection.message()).payload)
                assert ("connect" in said) is connected, said
                if not connected:
                    assert said["error"]["code"] == 101
                    continue
                for number, channel in enumerate(["1/stream/mine/m", "default/stream/mine/m", BOARD], 2):
                    command = {"id": number, "subscribe": {"channel": channel}}
                    await connection.send(encode_frame(opcode, form.write(command)))
                    [said] = form.read((await connection.message()).payload)
                    assert said["error"]["code"] == (404 if channel == BOARD else 103), said
                await connection.send(
                    encode_frame(opcode, form.write({"id": 9, "subscribe": {"channel": "stream/mine/m"}}))
                )
                [said] = form.read((await connection.message()).payload)
                assert "data" not in said["subscribe"], "our rows, or our columns"


async def test_nothing_of_another_org_is_listed_counted_or_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path, monkeypatch) as here:
        for path, empty in (
            ("/api/live/list", {"channels": None}),
            ("/api/live/streams", {"streams": []}),
            ("/api/search", []),
            ("/api/dashboards/tags", []),
            ("/api/folders", []),
        ):
            answer = await here.ask("foreign", "GET", path)
            document = json.loads(answer.body)
            if path == "/api/live/list":
                assert [row for row in document["channels"] if row["channel"].startswith("stream/")] == []
            else:
                assert document == empty, path
        for path, ours in (
            ("/api/live/streams/{}", "mine"),
            ("/api/dashboards/uid/{}", "wall7"),
            ("/api/dashboards/uid/{}/versions", "wall7"),
        ):
            there = await here.ask("foreign", "GET", path.format(ours))
            never = await here.ask("foreign", "GET", path.format("wxyz9"))
            assert (there.status, never.status) == (404, 404)
            assert there.body.replace(ours.encode(), b"wxyz9") == never.body


async def test_one_who_only_listens_is_asked_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(tmp_path, monkeypatch) as here:
        for who, letter in ROLES.items():
            for channel, (subscribers, _) in CHANNELS.items():
                async with connect(here.place) as connection:
                    path = f"/api/live/uni_sse?channel={channel}"
                    await connection.send(request("GET", path, host=here.place, headers=here.headers(who)))
                    head = await connection._until(b"\r\n")
                expected = 401 if who == "stranger" else 200 if letter in subscribers else 403
                assert head.split(b" ")[1] == b"%d" % expected, (who, channel, head)
