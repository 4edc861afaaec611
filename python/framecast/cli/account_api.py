"""How `framecast token`, `user` and `org` reach the accounts: by the API of a running server, or in its data directory.

One way of asking for both: without a server the same routes answer, in this process, over the directory's database.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import msgspec
import trio
from cyclopts import Parameter

from framecast.cli.delivery import describe_answer, describe_trouble, open_client
from framecast.cli.failure import CommandError

T = TypeVar("T")


@Parameter(name="*", group="Where")
@dataclass(frozen=True, kw_only=True)
class Where:
    """Whose accounts."""

    url: Annotated[str, Parameter(help="The server.")] = "http://127.0.0.1:8300"
    token: Annotated[str | None, Parameter(help="Of an Admin, or $FRAMECAST_TOKEN.")] = None
    data: Annotated[
        Path | None,
        Parameter(help="The data directory instead, while no server runs on it. Needs no token."),
    ] = None


class AccountApi:
    """Asks one question after another."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """What is answered, as JSON. CommandError when there is no answer or it says no."""
        headers = {"Content-Type": "application/json"}
        content = None if body is None else msgspec.json.encode(body)
        try:
            response = await self._client.request(method, path, content=content, headers=headers)
        except httpx.TransportError as error:
            raise CommandError(describe_trouble(error, str(self._client.base_url))) from None
        if not response.is_success:
            raise CommandError(describe_answer(response))
        try:
            return msgspec.json.decode(response.content)
        except msgspec.DecodeError as error:
            raise CommandError(f"the server's answer cannot be read: {error}") from None

    async def find_user(self, login: str) -> int:
        """The id of a user. CommandError when there is none."""
        return int((await self.ask("GET", f"/api/users/lookup?loginOrEmail={quote(login, safe='')}"))["id"])


FORCE = Parameter(help="With --data: even if nobody is left who is an admin.", negative=())


def run(where: Where, command: Callable[[AccountApi], Awaitable[T]], *, force: bool = False) -> T:
    """What the command comes to. CommandError when it fails. `force` as of `open_offline`, and only there."""
    if force and where.data is None:
        raise CommandError("--force goes with --data only: a running server keeps its last admin", status=2)

    async def inside() -> T:
        async with _open(where, force=force) as api:
            return await command(api)

    return trio.run(inside)


@asynccontextmanager
async def _open(where: Where, *, force: bool) -> AsyncIterator[AccountApi]:
    if where.data is not None:
        from framecast.cli.offline import open_offline  # noqa: PLC0415 - the server's rooms are loaded only for this

        async with open_offline(where.data, force=force) as client:
            yield AccountApi(client)
        return
    if urlsplit(where.url).scheme not in {"http", "https"}:
        raise CommandError(f"--url {where.url} is not of the form http://HOST:PORT or https://HOST:PORT", status=2)
    client = open_client(where.url, where.token or os.environ.get("FRAMECAST_TOKEN"))
    try:
        client.base_url = httpx.URL(where.url)
    except httpx.InvalidURL as error:
        raise CommandError(f"{where.url} cannot be used: {error}", status=2) from None
    async with client:
        yield AccountApi(client)
