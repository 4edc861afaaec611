"""``framecast config check``: what `serve` would refuse, without starting anything.

A port or a data directory in use and a damaged database are found by a start only.
"""

import sys

from framecast.cli.settings_flags import NO_FLAGS, SettingsFlags
from framecast.logs import escape_controls
from framecast.preflight import check_settings


def check_(flags: SettingsFlags = NO_FLAGS) -> None:
    """Say what `serve` would refuse of these flags, the file and the environment, without starting anything.

    Exit status 2 and a line for each mistake, or 0 and "ok". Ports, the data directory and its database are not
    looked at.
    """
    loaded = flags.load()
    for warning in loaded.warnings:
        print(f"framecast: warning: {escape_controls(warning)}", file=sys.stderr)
    check_settings(loaded.settings)
    file = "no file" if flags.config is None else escape_controls(str(flags.config))
    count = len(loaded.origins)
    print(
        f"ok: {file}, {count} {'setting' if count == 1 else 'settings'} set; "
        f"it would listen on {', '.join(loaded.settings.server.listen)}"
    )
