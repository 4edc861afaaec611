"""Reads the settings: from a file, the environment and the command line into the tree of settings.py.

Defaults < TOML file < environment (``FRAMECAST_LIVE_MAX_CONNECTIONS``) < flags (``--set live.max_connections=-1``).
A key nobody knows or a value that does not fit is refused with the key, the value, where it came from and what is
allowed.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from framecast.errors import ConfigurationError
from framecast.settings import SECTIONS, Settings

ENVIRONMENT_PREFIX = "FRAMECAST_"
CLIENT_VARIABLES = frozenset({"FRAMECAST_TOKEN"})
"""Read by `framecast push`, `watch` and `streams`; a server on the same machine must not trip over them."""

Layer = dict[tuple[str, str], tuple[Any, str]]
"""(section, key) → (value, where it came from)."""


def load_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Iterable[str] = (),
    flags: Mapping[tuple[str, str], Any] | None = None,
) -> Settings:
    """Build the tree from all layers.

    `overrides` are ``section.key=value`` texts of ``--set``; `flags` the values of flags with a name of their own
    (``--listen``), which win over everything. ConfigurationError for anything that does not fit.
    """
    merged: Layer = {}
    if file is not None:
        merged.update(_from_toml(file))
    merged.update(_from_environment(os.environ if environment is None else environment))
    merged.update(_from_overrides(overrides))
    merged.update({place: (value, "the command line") for place, value in (flags or {}).items()})
    return Settings(**{name: _build_section(name, merged) for name in SECTIONS})


def _build_section(section: str, merged: Layer) -> Any:
    values = {}
    for (where, key), (value, source) in merged.items():
        if where == section:
            values[key] = _convert(section, key, value, source)
    return SECTIONS[section](**values)


def _convert(section: str, key: str, value: Any, source: str) -> Any:
    fields = {field.name: field for field in msgspec.structs.fields(SECTIONS[section])}
    if key not in fields:
        raise ConfigurationError(
            f"unknown key {section}.{key} (from {source}); {_suggest(key, fields)}"
            f"[{section}] knows: {', '.join(sorted(fields))}"
        )
    expected = fields[key].type
    if isinstance(value, str) and _is_list(expected):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return msgspec.convert(value, expected, strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        reason = str(error).replace("`", "").split(" - at ")[0]
        reason = reason[:1].lower() + reason[1:] + _allowed(expected)
        raise ConfigurationError(f"{section}.{key} = {value!r} (from {source}) cannot be used: {reason}") from None


def _allowed(expected: Any) -> str:
    if get_origin(expected) is Literal:
        return "; allowed: " + ", ".join(get_args(expected))
    return "; allowed: true, false" if expected is bool else ""


def _is_list(expected: Any) -> bool:
    return get_origin(expected) in {tuple, list}


def _known_section(section: str, source: str) -> None:
    if section not in SECTIONS:
        raise ConfigurationError(
            f"unknown section [{section}] (from {source}); {_suggest(section, SECTIONS)}"
            f"known: {', '.join(sorted(SECTIONS))}"
        )


def _suggest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}? " if close else ""


def _from_toml(file: Path) -> Layer:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from None
    layer: Layer = {}
    for section, table in document.items():
        _known_section(section, str(file))
        if not isinstance(table, dict):
            raise ConfigurationError(f"{section} = {table!r} (from {file}) stands outside any [section]")
        layer.update({(section, key): (value, str(file)) for key, value in table.items()})
    return layer


def _from_environment(environment: Mapping[str, str]) -> Layer:
    layer: Layer = {}
    for name, value in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name in CLIENT_VARIABLES:
            continue
        section, _, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("_")
        source = f"environment {name}"
        _known_section(section, source)
        layer[section, key] = (value, source)
    return layer


def _from_overrides(overrides: Iterable[str]) -> Layer:
    layer: Layer = {}
    for text in overrides:
        found = re.fullmatch(r"([^.=\s]+)\.([^=\s]+)=(.*)", text, re.DOTALL)
        if found is None:
            raise ConfigurationError(f"--set {text!r} is not of the form section.key=value")
        section, key, value = found.groups()
        source = f"--set {text}"
        _known_section(section, source)
        layer[section, key] = (value, source)
    return layer
