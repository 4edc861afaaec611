"""The layer of a TOML file: a table for each section, and one for each scope or scope and namespace of channels."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framecast.configuration.layer import CHANNELS, NAMED, Given, Layer, channels_section, known_section
from framecast.errors import ConfigurationError


def read_toml(file: Path) -> Layer:
    """What `file` sets. ConfigurationError when it cannot be read or names what does not exist."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from None
    layer: Layer = {}
    for section, table in document.items():
        known_section(section, str(file))
        if not isinstance(table, dict):
            raise ConfigurationError(f"{section} (from {file}) stands outside any [section]")
        if section == CHANNELS:
            layer.update(_read_channels(table, str(file)))
        else:
            layer.update({(section, key): Given(value, str(file)) for key, value in table.items()})
    return layer


def _read_channels(tables: Mapping[str, Any], source: str) -> Layer:
    layer: Layer = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigurationError(
                f"{CHANNELS}.{name} = {table!r} (from {source}) says nothing about which channels: options stand in "
                f'[{CHANNELS}.SCOPE] or [{CHANNELS}."SCOPE/NAMESPACE"]'
            )
        section = channels_section(name, source)
        layer[section, NAMED] = Given(None, source)
        layer.update({(section, key): Given(value, source) for key, value in table.items()})
    return layer
