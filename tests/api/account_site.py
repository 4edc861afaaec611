"""The application with accounts, over a database of its own: who is who, and a client for each."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trio
from site_of_app import site

from framecast.accounts.attempts import Attempts
from framecast.accounts.connected import Connected
from framecast.accounts.entrance import Entrance, open_entrance
from framecast.accounts.identity import Identity
from framecast.api.accounts.table import build_routes
from framecast.api.bodies import JsonBodies
from framecast.api.security_headers import SecurityHeaders
from framecast.configuration import load_settings
from framecast.settings import Store
from framecast.store.database import open_database
from heads import head_of

HORSE = "correct horse"
CHEAP = ("accounts.password_kib=8", "accounts.password_passes=1")


@dataclass
class Connections:
    """Everybody who is connected, as far as the register is told of it."""

    here: list[Identity] = field(default_factory=list)
    returning: list[Identity] = field(default_factory=list)

    def identities(self) -> list[Identity]:
        return self.here

    def end(self, hits: Any, *, may_return: bool) -> None:
        hit = [identity for identity in self.here if hits(identity)]
        self.here = [identity for identity in self.here if not hits(identity)]
        if may_return:
            self.returning += hit


@dataclass
class AccountSite:
    entrance: Entrance
    app: Any
    root: str
    """The first token: of a server admin."""
    connections: Connections
    stack: AsyncExitStack

    async def client(
        self, *, token: str = "", login: str = "", password: str = HORSE, **headers: str
    ) -> httpx.AsyncClient:
        """Somebody's; keeps cookies. A login is sent with each request (Basic)."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if login:
            pair = base64.b64encode(f"{login}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)
        return await self.stack.enter_async_context(client)

    async def admin(self) -> httpx.AsyncClient:
        """A server admin."""
        return await self.client(token=self.root)

    async def make_token(self, org: int = 1, **wanted: Any) -> str:
        answer = await (await self.admin()).post(
            f"/api/orgs/{org}/tokens", json={"name": f"t{trio.current_time()}", **wanted}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["key"])

    async def make_user(self, login: str, **wanted: Any) -> int:
        answer = await (await self.admin()).post("/api/admin/users", json={"login": login, "password": HORSE, **wanted})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["id"])

    async def browser(self, login: str, password: str = HORSE) -> httpx.AsyncClient:
        """One in which that user has logged in."""
        client = await self.client()
        answer = await client.post("/login", json={"user": login, "password": password})
        assert answer.status_code == 200, answer.text
        return client

    async def connect(self, client: httpx.AsyncClient) -> Identity:
        """Count that client's identity among the connected."""
        pairs = [(name.lower().encode(), value.encode()) for name, value in client.headers.items()]
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        identity = await self.entrance.gate(head_of("/", *pairs, (b"cookie", cookies.encode())))
        self.connections.here.append(identity)
        return identity


@asynccontextmanager
async def account_site(folder: Path, *overrides: str) -> AsyncIterator[AccountSite]:
    settings = load_settings(environment={}, overrides=[*CHEAP, f"server.data={folder}", *overrides])
    connections, connected = Connections(), Connected()
    connected.add(connections)
    async with open_database(folder, Store()) as database, AsyncExitStack() as stack, trio.open_nursery() as nursery:
        entrance = await open_entrance(
            settings, database, connected, Attempts(settings.accounts), verifier=None, grafana=None
        )
        await nursery.start(entrance.register.run)
        routes = build_routes(entrance, JsonBodies(settings.api), settings)
        here = await stack.enter_async_context(
            site(entrance.gate, routes=routes, stands=entrance.register.directory.stands)
        )
        yield AccountSite(
            entrance, SecurityHeaders(here.app, settings.server), entrance.first_token or "", connections, stack
        )
        await stack.aclose()
        nursery.cancel_scope.cancel()
