"""A Grafana as far as other servers ask it: who a visitor is, in which orgs, and which dashboards it may see.

It answers over a real socket, in the shapes and with the statuses of Grafana's releases: service accounts' tokens get
403 from ``/api/user`` in Grafana 10.3 ("users"), and 200 without an id since 11 ("anybody"); a session's cookie has to
be renewed now and then, and until then every answer is a 401 of its own kind. Sessions are renewed and ended by calls.
"""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote

import h11
import trio

COOKIE = "grafana_session"
ACTIONS = {
    "None": (),
    "Viewer": ("orgs:read", "annotations:read"),
    "Editor": ("orgs:read", "annotations:read", "dashboards:create", "folders:create"),
    "Admin": ("orgs:read", "annotations:read", "dashboards:create", "orgs:write", "org.users:write"),
}


@dataclass
class User:
    id: int
    login: str
    orgs: dict[int, str]
    current_org: int = 1
    server_admin: bool = False
    password: str = ""


@dataclass
class ServiceAccount:
    login: str
    org: int
    role: str


@dataclass
class Dashboard:
    version: int = 1
    viewers: set[str] | None = None
    """Logins; None is everybody of the org."""
    editors: set[str] = field(default_factory=set)
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]


Said = tuple[int, Any]
UNAUTHORIZED: Said = (401, {"message": "Unauthorized", "messageId": "", "statusCode": 401, "traceID": ""})
RENEW: Said = (401, {"message": "Unauthorized", "messageId": "session.token.rotate", "statusCode": 401, "traceID": ""})
FOR_USERS = {"message": "Endpoint only available for users"}


class StandIn:
    """Sessions, tokens, users and dashboards may be changed at any time; `asked` has every request."""

    def __init__(self, *, answers_tokens: bool = True, orgs_refusal: int = 403) -> None:
        self.users: dict[str, User] = {}
        self.sessions: dict[str, str] = {}
        self.due: set[str] = set()
        self.tokens: dict[str, ServiceAccount] = {}
        self.dashboards: dict[tuple[int, str], Dashboard] = {}
        self.asked: list[Asked] = []
        self.answers_tokens = answers_tokens
        self.orgs_refusal = orgs_refusal
        self.url = ""
        self.down = False
        """Whether it hangs up on whoever asks."""
        self.answering = trio.Event()
        self.answering.set()
        """Replace it to let questions wait."""
        self.under_way = self.most_under_way = 0
        self.raw: dict[str, tuple[int, bytes]] = {}
        """What it says at some paths, instead of what a Grafana would."""
        self.extra_headers: list[tuple[str, str]] = []
        self.prefix = ""
        """The sub path that it serves itself from; `asked` has it, too."""
        self._streams: set[trio.abc.Stream] = set()

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def asked_with(self, cookie: str) -> int:
        """How many questions showed this cookie."""
        return sum(asked.headers.get("cookie") == cookie for asked in self.asked)

    async def wait_asked_with(self, cookie: str, count: int) -> None:
        """Wait until so many did."""
        while self.asked_with(cookie) < count:  # noqa: ASYNC110 - another process asks, nothing to wait on
            await trio.sleep(0.02)

    def login(self, user: User, session: str) -> str:
        """Log a user in; the cookie that its browser has now."""
        self.users[user.login] = user
        self.sessions[session] = user.login
        return f"{COOKIE}={session}"

    def renew(self, old: str, new: str) -> str:
        """What Grafana's pages do when a cookie is due; the one before is good as well until the next time."""
        self.due.discard(old)
        self.sessions[new] = self.sessions[old]
        return f"{COOKIE}={new}"

    def logout(self, *sessions: str) -> None:
        for session in sessions:
            del self.sessions[session]

    async def hang_up(self) -> None:
        """Close all connections, as a Grafana that was restarted."""
        streams, self._streams = self._streams, set()
        for stream in streams:
            await stream.aclose()

    async def serve(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        self._streams.add(stream)
        async with stream:
            while (request := await self._receive(connection, stream)) is not None:
                self.under_way += 1
                self.most_under_way = max(self.most_under_way, self.under_way)
                try:
                    await self.answering.wait()
                finally:
                    self.under_way -= 1
                if self.down:
                    return
                headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
                self.asked.append(Asked(request.target.decode(), headers))
                try:
                    await self._answer(connection, stream, *self._say(self.asked[-1]))
                except trio.BrokenResourceError:
                    return
                if connection.our_state is h11.MUST_CLOSE:
                    return
                connection.start_next_cycle()

    async def _receive(self, connection: h11.Connection, stream: trio.abc.Stream) -> h11.Request | None:
        request = None
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                try:
                    connection.receive_data(bytes(await stream.receive_some(65536)))
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return None
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.EndOfMessage):
                return request
            elif not isinstance(event, h11.Data):
                return None

    async def _answer(self, connection: h11.Connection, stream: trio.abc.Stream, status: int, body: bytes) -> None:
        headers = [("Content-Type", "application/json"), *self.extra_headers]
        if status != 304:
            headers.append(("Content-Length", str(len(body))))
        data = connection.send(h11.Response(status_code=status, headers=headers)) or b""
        if status != 304:
            data += connection.send(h11.Data(data=body)) or b""
        await stream.send_all(data + (connection.send(h11.EndOfMessage()) or b""))

    def _say(self, asked: Asked) -> tuple[int, bytes]:
        if asked.path in self.raw:
            return self.raw[asked.path]
        if not asked.path.startswith(f"{self.prefix}/"):
            return 404, b'{"message":"Not found"}'
        status, document = self._document(Asked(asked.path.removeprefix(self.prefix), asked.headers))
        return status, json.dumps(document).encode()

    def _document(self, asked: Asked) -> Said:
        who = self._who(asked.headers)
        if not isinstance(who, User | ServiceAccount):
            return who
        org = int(asked.headers.get("x-grafana-org-id", "0"))
        if isinstance(who, ServiceAccount):
            if org not in {0, who.org}:
                return 401, {"message": "API key does not belong to the requested organization"}
            return self._to_token(asked.path, who)
        if asked.path == "/api/user":
            return 200, {
                "id": who.id,
                "uid": f"u{who.id}",
                "email": f"{who.login}@example.com",
                "name": who.login.title(),
                "login": who.login,
                "theme": "",
                "orgId": who.current_org,
                "isGrafanaAdmin": who.server_admin,
                "isDisabled": False,
                "authLabels": [],
            }
        if asked.path == "/api/user/orgs":
            return 200, [{"orgId": org, "name": f"Org {org}", "role": role} for org, role in who.orgs.items()]
        return self._dashboard(asked.path, who.login, org or who.current_org)

    def _to_token(self, path: str, who: ServiceAccount) -> Said:
        if path == "/api/user":
            if not self.answers_tokens:
                return 403, FOR_USERS
            return 200, {
                "id": 0,
                "uid": "service-account:4",
                "login": who.login,
                "orgId": who.org,
                "isGrafanaAdmin": False,
            }
        if path == "/api/user/orgs":
            return self.orgs_refusal, FOR_USERS
        if path == "/api/org":
            return (
                (200, {"id": who.org, "name": "Main Org."})
                if ACTIONS[who.role]
                else (403, {"message": "Access denied"})
            )
        if path == "/api/access-control/user/actions":
            return 200, dict.fromkeys(ACTIONS[who.role], True)
        return self._dashboard(path, who.login, who.org)

    def _dashboard(self, path: str, login: str, org: int) -> Said:
        found = self.dashboards.get((org, unquote(path.removeprefix("/api/dashboards/uid/"))))
        if not path.startswith("/api/dashboards/uid/") or found is None:
            return 404, {"message": "Dashboard not found"}
        if found.viewers is not None and login not in found.viewers:
            return 403, {"message": "You'll need additional permissions to perform this action."}
        can_edit = login in found.editors
        meta = {"type": "db", "canSave": can_edit, "canEdit": can_edit, "slug": "x", "version": found.version}
        return 200, {"meta": meta, "dashboard": {**found.body, "version": found.version}}

    def _who(self, headers: dict[str, str]) -> User | ServiceAccount | Said:
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            return self.tokens.get(secret, UNAUTHORIZED)
        if scheme == "Basic":
            login, _, password = base64.b64decode(secret).decode().partition(":")
            user = self.users.get(login)
            return user if user is not None and password and user.password == password else UNAUTHORIZED
        for pair in headers.get("cookie", "").split("; "):
            name, _, session = pair.partition("=")
            if name == COOKIE:
                if session not in self.sessions:
                    return UNAUTHORIZED
                return RENEW if session in self.due else self.users[self.sessions[session]]
        return UNAUTHORIZED


@asynccontextmanager
async def stand_in(**behaviour: Any) -> AsyncIterator[StandIn]:
    grafana = StandIn(**behaviour)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, grafana.serve, 0, host="127.0.0.1"))
        grafana.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        yield grafana
        nursery.cancel_scope.cancel()
