"""The references in values of provisioning files: ``$NAME``, ``${NAME}``, ``$__env{NAME}``, ``$__file{/path}``, ``$$``.

Each is followed once, so that a value with a dollar sign in it stays what it is. One that leads nowhere is a mistake:
an empty password in its place would be found much later. Messages show the reference, never what came of it.
"""

import re
from collections.abc import Mapping

from framecast.configuration.expansion import read_value
from framecast.errors import ConfigurationError

_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|__(?P<kind>\w+)\{(?P<of>[^}]*)\}|\{(?P<braced>[^}]*)\}|(?P<plain>[A-Za-z_]\w*))", re.ASCII
)


def follow_references(text: str, environment: Mapping[str, str]) -> str:
    """`text` with what its references stand for. ConfigurationError for one that leads nowhere."""
    return _REFERENCE.sub(lambda found: _follow(found, environment), text)


def _follow(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    if found["kind"] == "file":
        return read_value(found["of"])
    if found["kind"] not in {None, "env"}:
        raise ConfigurationError(f"{found[0]} cannot be followed here: only $__env{{}} and $__file{{}} can")
    name = next(name for name in (found["of"], found["braced"], found["plain"]) if name is not None)
    value = environment.get(name)
    if value is None:
        raise ConfigurationError(
            f"{found[0]} names a variable of the environment that is not set; for a dollar sign write $$"
        )
    return value
