"""``framecast plugins list``: finds and loads plugins as a start would, and runs none of them."""

import json as json_text
import sys
from typing import Annotated

from cyclopts import Parameter

from framecast.cli.settings_flags import NO_FLAGS, SettingsFlags
from framecast.logs import escape_controls
from framecast.plugins.grafana import add_backends
from framecast.plugins.host.discovery import Discovery, discover
from framecast.plugins.host.host import PluginHost, check_plugins
from framecast.plugins.table import Known, find_plugins
from framecast.settings import Plugins, Settings

PYTHON = "Python"


def list_(
    flags: SettingsFlags = NO_FLAGS,
    *,
    json: Annotated[bool, Parameter(help="For programs.", negative=())] = False,
) -> None:
    """List the plugins that `serve` would have with these flags: id, whose a stream of its is, and where it comes from.

    Of the backend plugins in `plugins.path` it says whether they have a signature, and why others would not run.
    """
    loaded = flags.load()
    for warning in loaded.warnings:
        print(f"framecast: warning: {escape_controls(warning)}", file=sys.stderr)
    rows = _find_rows(loaded.settings)
    if json:
        print(json_text.dumps(rows))
        return
    width = max((len(row["id"]) for row in rows), default=0)
    for row in rows:
        shared = f"one stream per {row['shared_by']}" if row["shared_by"] else ""
        print(escape_controls(f"{row['id']:{width}}  {row['state']:8}  {shared:22}  {row['origin']}"))


def _find_rows(settings: Settings) -> list[dict[str, str]]:
    """Those that run, by id, and behind them those that do not, as the start tells of them."""
    table, found = find_plugins(settings.plugins), _discover(settings.plugins)
    signatures = {package.id: package.signature for package in found.packages}
    host = PluginHost(found.packages, settings.plugins)
    problems = [*found.problems, *add_backends(table, host)]
    known = sorted(table.known.values(), key=lambda one: one.plugin_id)
    rows = [_row(one, signatures[one.plugin_id].short if one.plugin_id in host.plugins else PYTHON) for one in known]
    refused = [{"id": "", "state": "refused", "shared_by": "", "origin": problem} for problem in problems]
    return [*rows, *refused]


def _discover(settings: Plugins) -> Discovery:
    check_plugins(settings)
    return discover(settings) if settings.path else Discovery((), ())


def _row(known: Known, state: str) -> dict[str, str]:
    return {
        "id": known.plugin_id,
        "state": state,
        "shared_by": known.plugin.sharing,
        "origin": f"{known.origin} (instead of: {known.instead_of})" if known.instead_of else known.origin,
    }
