"""The layer of a TOML file: a table for each section, and one for each scope or scope and namespace of channels."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framecast.configuration.layer import CHANNELS, NAMED, Given, Layer, channels_section, known_section
from framecast.configuration.toml_lines import find_lines
from framecast.errors import ConfigurationError, Mistakes


def read_toml(file: Path, mistakes: Mistakes) -> Layer:
    """What `file` sets. ConfigurationError when it cannot be read at all; what it names wrongly goes to `mistakes`."""
    try:
        text = file.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from None
    places = _Places(file, find_lines(text))
    layer: Layer = {}
    for section, table in document.items():
        with mistakes.collected():
            known_section(section, places.of(section))
            if not isinstance(table, dict):
                raise ConfigurationError(f"{section} (from {places.of(section)}) stands outside any [section]")
            if section == CHANNELS:
                layer |= _read_channels(table, places, mistakes)
            else:
                layer |= {(section, key): Given(value, places.of(section, key)) for key, value in table.items()}
    return layer


class _Places:
    """Says where in the file something stands."""

    def __init__(self, file: Path, lines: Mapping[tuple[str, ...], int]) -> None:
        self._file = file
        self._lines = lines

    def of(self, *path: str) -> str:
        line = self._lines.get(path)
        return str(self._file) if line is None else f"{self._file}:{line}"


def _read_channels(tables: Mapping[str, Any], places: _Places, mistakes: Mistakes) -> Layer:
    layer: Layer = {}
    for name, table in tables.items():
        source = places.of(CHANNELS, name)
        with mistakes.collected():
            if not isinstance(table, dict):
                raise ConfigurationError(
                    f"{CHANNELS}.{name} = {table!r} (from {source}) says nothing about which channels: options stand "
                    f'in [{CHANNELS}.SCOPE] or [{CHANNELS}."SCOPE/NAMESPACE"]'
                )
            section = channels_section(name, source)
            layer[section, NAMED] = Given(None, source)
            layer |= {(section, key): Given(value, places.of(CHANNELS, name, key)) for key, value in table.items()}
    return layer
