"""A whole server within the test's own process, on a port of the system's choice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from framecast.configuration import load_settings
from framecast.server import serve
from framecast.settings import Settings
from patience import PATIENCE_SECONDS

GRACE = "server.shutdown_grace_seconds=1000"
"""Nothing waits for its end, unless a test says so: it is longer than a test's patience."""


def settings_for(data: Path, *overrides: str, dev: bool = True, listen: str = "127.0.0.1:0") -> Settings:
    flags = {("server", "data"): str(data), ("server", "dev"): dev, ("server", "listen"): [listen]}
    return load_settings(environment={}, overrides=[GRACE, *overrides], flags=flags)


@asynccontextmanager
async def running(settings: Settings, *, patience_seconds: float = PATIENCE_SECONDS) -> AsyncIterator[str]:
    """Run a server, within a deadline, and give its HOST:PORT. It may end by itself before the block does."""
    with trio.fail_after(patience_seconds):
        async with trio.open_nursery() as nursery:
            [place] = await nursery.start(serve, settings)
            yield place
            nursery.cancel_scope.cancel()
