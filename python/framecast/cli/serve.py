"""``framecast serve``: settings, logs, then the server."""

import gc

import structlog
import trio

from framecast import logs
from framecast.cli.settings_flags import NO_FLAGS, SettingsFlags

GC_THRESHOLDS = (50_000, 20, 50)
"""Young collections are rare and full ones rarer: reference counts free what a request leaves behind, and a full
collection walks every object of every connection while all of them wait."""


def serve(flags: SettingsFlags = NO_FLAGS) -> None:
    """Run the server until SIGINT or SIGTERM.

    Defaults < the file < environment (FRAMECAST_LIVE_MAX_CONNECTIONS=-1) < --set < the other flags.
    """
    loaded = flags.load()
    logs.configure(loaded.settings.log)
    for warning in loaded.warnings:
        structlog.get_logger(__name__).warning("a part of the configuration is not used", reason=warning)
    from framecast.server import serve as run_server  # noqa: PLC0415 - a mistake in the settings is told before the server is loaded

    gc.set_threshold(*GC_THRESHOLDS)
    trio.run(run_server, loaded.settings)
