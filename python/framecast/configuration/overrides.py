"""The layer of ``--set section.key=value``: any setting on the command line.

Channels as ``--set channels.stream/telegraf.delta=true``. A complaint never shows the value, which may be a secret at
a mistaken key.
"""

import re
from collections.abc import Iterable

from framecast.configuration.layer import CHANNELS, Given, Layer, channels_section, known_section
from framecast.errors import ConfigurationError, Mistakes


def read_overrides(overrides: Iterable[str], mistakes: Mistakes) -> Layer:
    """What the texts set; the last one of a key counts. One of another form goes to `mistakes`."""
    layer: Layer = {}
    for text in overrides:
        with mistakes.collected():
            place, given = _read_override(text)
            layer[place] = given
    return layer


def _read_override(text: str) -> tuple[tuple[str, str], Given]:
    found = re.fullmatch(r"([^.=\s]+)\.([^=\s]+)=(.*)", text, re.DOTALL)
    if found is None:
        told = re.sub("=.*", "=…", text, count=1, flags=re.DOTALL)
        raise ConfigurationError(f"--set {told!r} is not of the form section.key=value")
    section, key, value = found.groups()
    source = f"--set {section}.{key}"
    known_section(section, source)
    if section == CHANNELS:
        name, dot, key = key.rpartition(".")
        if not dot:
            raise ConfigurationError(f"{source} is not of the form {CHANNELS}.SCOPE.key=value")
        section = channels_section(name, source)
    return (section, key), Given(value, source)
