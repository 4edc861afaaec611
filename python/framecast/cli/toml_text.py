"""Writes settings as TOML that tomllib reads back as the same values, and that is fit for a terminal."""

import json
import re
from typing import Any

from framecast.logs import escape_controls, escape_json

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_value(value: Any) -> str:
    """A switch, a number, a text, or a list of them."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return escape_json(json.dumps(value, ensure_ascii=False))  # JSON's escapes are TOML's as well
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
    raise TypeError(f"no setting is a {type(value).__name__}")


def toml_head(section: str) -> str:
    """The line above a section's keys; ``channels.grafana/broadcast`` is the one of such channels."""
    parts = section.split(".", 1)
    return f"[{'.'.join(part if _BARE_KEY.fullmatch(part) else toml_value(part) for part in parts)}]"


def toml_comment(text: str) -> str:
    """One line."""
    return f"# {escape_controls(text)}"
