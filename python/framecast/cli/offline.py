"""The accounts of a data directory on which no server runs: their API, in this process.

Whoever may write the files may do all of it.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import trio

from framecast import logs
from framecast.accounts.attempts import Attempts
from framecast.accounts.connected import Connected
from framecast.accounts.entrance import open_entrance
from framecast.api.accounts.table import build_routes
from framecast.api.app import GateMiddleware, bare_app
from framecast.api.bodies import JsonBodies
from framecast.cli.failure import CommandError
from framecast.configuration import load_settings
from framecast.door.head import RequestHead
from framecast.errors import ConfigurationError
from framecast.settings import Log
from framecast.store.database import open_database
from framecast.store.directory import hold_data_directory


@asynccontextmanager
async def open_offline(data: Path, *, force: bool = False) -> AsyncIterator[httpx.AsyncClient]:
    """A client for the directory's accounts, as a server admin of org 1, which is made if there is none.

    With `force` the last admin may go too. Holds the directory as a server does.
    CommandError when there is none, or when a server holds it.
    """
    logs.configure(Log(level="warning"))
    # As the developer, whom the open gate takes everybody for.
    settings = load_settings(flags={("server", "data"): str(data), ("server", "dev"): True})
    with _hold(data):
        async with open_database(data, settings.store) as database, trio.open_nursery() as nursery:
            entrance = await open_entrance(
                settings, database, Connected(), Attempts(settings.accounts), verifier=None, grafana=None
            )
            entrance.register.desk.last_admin.may_go = force
            await nursery.start(entrance.register.run)
            routes = build_routes(entrance, JsonBodies(settings.api), settings)
            app = GateMiddleware(bare_app(routes), entrance.gate, _let_pass)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
                yield client
            nursery.cancel_scope.cancel()


@contextmanager
def _hold(data: Path) -> Iterator[None]:
    if not data.is_dir():  # and none is made: it would be a mistyped one as a rule
        raise CommandError(f"--data {data} is no directory")
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_data_directory(data))
        except ConfigurationError as error:
            raise CommandError(f"{error}; to ask that server itself, leave --data out and bring a token") from None
        yield


def _let_pass(head: RequestHead) -> None:
    """No page can reach this."""
