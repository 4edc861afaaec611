"""``framecast plugins list``: which plugins a server with these settings would have, and where they come from."""

import cyclopts

plugins = cyclopts.App(name="plugins", help_format="plaintext")
COMMANDS = {"list": "The plugins that a server would have, and where they come from."}
for _name, _help in COMMANDS.items():
    plugins.command(f"framecast.cli.plugins_{_name}:{_name}_", name=_name, help=_help)
