"""``framecast config check|show|import``: one module each, imported only when it is called."""

import cyclopts

config = cyclopts.App(name="config", help_format="plaintext")
COMMANDS = {
    "check": "Say what `serve` would refuse, without starting anything.",
    "show": "Every setting, with its value and where that comes from.",
    "import": "Turn a grafana.ini into a configuration of Framecast.",
}
for _name, _help in COMMANDS.items():
    config.command(f"framecast.cli.config_{_name}:{_name}_", name=_name, help=_help)
