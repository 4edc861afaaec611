"""The layer of ``--set section.key=value``: any setting on the command line.

Channels as ``--set channels.stream/telegraf.delta=true``. A complaint never shows the value, which may be a secret at
a mistaken key.
"""

import re
from collections.abc import Iterable

from framecast.configuration.layer import CHANNELS, Given, Layer, channels_section, known_section
from framecast.errors import ConfigurationError


def read_overrides(overrides: Iterable[str]) -> Layer:
    """What the texts set; the last one of a key counts. ConfigurationError for one of another form."""
    layer: Layer = {}
    for text in overrides:
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
        layer[section, key] = Given(value, source)
    return layer
