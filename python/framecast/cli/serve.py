"""``framecast serve``: settings, logs, then the server."""

import gc

import structlog
import trio

from framecast import logs
from framecast.cli.settings_flags import NO_FLAGS, SettingsFlags

GC_THRESHOLDS = (20_000, 500, 500)
"""Everybody waits while the collector runs, for as long as it has objects to walk, so it walks few at a time, and each
but once: 20,000 new ones, which take it 5 ms or so, and what is left of them it leaves alone. A middle generation made
it walk all of them again, which was a twentieth of what a client that comes and subscribes costs. The second generation
has all that was ever left, every object of every connection, which is 0.3 s with 10,000 of them: that is made as good
as never, as reference counts free what a request or a connection leaves behind. What exists at the start is walked by
none (`server._announce`)."""


def serve(flags: SettingsFlags = NO_FLAGS) -> None:
    """Run the server until SIGINT or SIGTERM.

    Defaults < the file < environment (FRAMECAST_LIVE_MAX_CONNECTIONS=-1) < --set < the other flags.
    """
    loaded = flags.load()
    logs.configure(loaded.settings.log, for_good=True)
    for warning in loaded.warnings:
        structlog.get_logger(__name__).warning("a part of the configuration is not used", reason=warning)
    from framecast.server import serve as run_server  # noqa: PLC0415 - a mistake in the settings is told before the server is loaded

    gc.set_threshold(*GC_THRESHOLDS)
    trio.run(run_server, loaded.settings)
