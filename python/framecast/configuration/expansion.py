"""The references in values of a grafana.ini: ``$__env{NAME}``, ``${NAME}``, ``$__file{/path}`` and ``%(key)s``.

In Grafana's order: variables first, so that they may name a file, then files, then other keys. Messages show the
reference, never what came of it.
"""

import re
import socket
from collections.abc import Callable, Mapping

from framecast.configuration.bounded_file import read_bounded
from framecast.errors import ConfigurationError

MAX_FILE_BYTES = 64 * 1024
"""Of a file that a value is taken from; whatever is larger is no value."""

MAX_STEPS = 99
"""From key to key in one value (ini.v1); more of them go round in a circle."""

_REFERENCE = re.compile(r"\$(|__\w+)\{([^}]+)\}", re.ASCII)
_KEY = re.compile(r"%\(([^)]+)\)s")


def expand(text: str, environment: Mapping[str, str]) -> str:
    """`text` with what its references to variables and files stand for. ConfigurationError for others, and no file."""
    text = expand_variables(text, environment)
    return _REFERENCE.sub(lambda found: read_value(found[2]) if found[1] == "__file" else found[0], text)


def expand_variables(text: str, environment: Mapping[str, str]) -> str:
    """`text` with its variables; one that is not set is empty. ConfigurationError for what is no variable or file."""
    text = _REFERENCE.sub(
        lambda found: _read_variable(found[2], environment) if found[1] in {"", "__env"} else found[0], text
    )
    for found in _REFERENCE.finditer(text):
        if found[1] not in {"", "__env", "__file"}:
            raise ConfigurationError(f"{found[0]} cannot be followed here: only $__env{{}} and $__file{{}} can")
    return text


def find_file(text: str) -> str | None:
    """The path, where `text`, its variables expanded, is one reference to a file and nothing else."""
    found = _REFERENCE.fullmatch(text)
    return found[2] if found is not None and found[1] == "__file" else None


def follow_keys(text: str, find: Callable[[str], str | None]) -> str:
    """`text` with the values of the keys that it names, up to one that is not there. ConfigurationError: a circle."""
    for _ in range(MAX_STEPS):
        found = _KEY.search(text)
        if found is None:
            return text
        value = find(found[1])
        if value is None:
            return text
        text = text.replace(found[0], value)
        if len(text) > MAX_FILE_BYTES:
            break
    raise ConfigurationError("its references to keys go round in a circle")


def _read_variable(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name, "")
    return socket.gethostname() if name == "HOSTNAME" and not value else value


def read_value(path: str) -> str:
    """What a file holds, without the space around it. ConfigurationError when that is no value."""
    where = f"$__file{{{path}}}"
    content = read_bounded(path, where=where, max_bytes=MAX_FILE_BYTES, kind="value")
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{where} is no text in UTF-8") from None
