"""``framecast serve``: settings, logs, then the server."""

import gc
from pathlib import Path
from typing import Annotated, Any

import structlog
import trio
from cyclopts import Parameter

from framecast import logs
from framecast.configuration import load

GC_THRESHOLDS = (50_000, 20, 50)
"""Young collections are rare and full ones rarer: reference counts free what a request leaves behind, and a full
collection walks every object of every connection while all of them wait."""


def serve(
    *,
    config: Annotated[Path | None, Parameter(help="A TOML file with [section] tables, or a grafana.ini.")] = None,
    listen: Annotated[list[str] | None, Parameter(help="HOST:PORT to listen on; may be repeated.")] = None,
    data: Annotated[Path | None, Parameter(help="The directory of what must last.")] = None,
    set_: Annotated[
        list[str] | None,
        Parameter(name="--set", help="SECTION.KEY=VALUE, any setting; may be repeated.", negative=()),
    ] = None,
    dev: Annotated[bool, Parameter(help="No token needed; loopback only.", negative=())] = False,
) -> None:
    """Run the server until SIGINT or SIGTERM.

    Defaults < the file < environment (FRAMECAST_LIVE_MAX_CONNECTIONS=-1) < --set < the other flags.
    """
    flags: dict[tuple[str, str], Any] = {}
    if listen:
        flags["server", "listen"] = listen
    if data is not None:
        flags["server", "data"] = str(data)
    if dev:
        flags["server", "dev"] = True
    loaded = load(file=config, overrides=set_ or (), flags=flags)
    logs.configure(loaded.settings.log)
    for warning in loaded.warnings:
        structlog.get_logger(__name__).warning("a part of the configuration is not used", reason=warning)
    from framecast.server import serve as run_server  # noqa: PLC0415 - a mistake in the settings is told before the server is loaded

    gc.set_threshold(*GC_THRESHOLDS)
    trio.run(run_server, loaded.settings)
