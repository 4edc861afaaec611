"""``framecast plugins list``: loads the Python plugins as a start would, and runs none of them."""

import json as json_text
import sys
from typing import Annotated

from cyclopts import Parameter

from framecast.cli.settings_flags import NO_FLAGS, SettingsFlags
from framecast.logs import escape_controls
from framecast.plugins.table import find_plugins


def list_(
    flags: SettingsFlags = NO_FLAGS,
    *,
    json: Annotated[bool, Parameter(help="For programs.", negative=())] = False,
) -> None:
    """List the plugins that `serve` would have with these flags: id, whose a stream of its is, and where it comes from.

    Plugins written in Python only; those of `plugins.path` are found when the server starts.
    """
    loaded = flags.load()
    for warning in loaded.warnings:
        print(f"framecast: warning: {escape_controls(warning)}", file=sys.stderr)
    known = sorted(find_plugins(loaded.settings.sources).known.values(), key=lambda one: one.plugin_id)
    if json:
        rows = [{"id": one.plugin_id, "shared_by": one.plugin.sharing, "origin": one.origin} for one in known]
        print(json_text.dumps(rows))
        return
    width = max((len(one.plugin_id) for one in known), default=0)
    for one in known:
        shared = f"one stream per {one.plugin.sharing}"
        print(escape_controls(f"{one.plugin_id:{width}}  {shared:22}  {one.origin}"))
