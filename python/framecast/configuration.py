"""Reads the settings: from a file, the environment and the command line into the tree of settings/.

Defaults < TOML file < environment (``FRAMECAST_LIVE_MAX_CONNECTIONS``) < flags (``--set live.max_connections=-1``).
A key nobody knows or a value that does not fit is refused with the key, the value, where it came from and what is
allowed.

Channels have a section for each scope, or scope and namespace, that is named: ``[channels."stream/telegraf"]``,
``--set channels.stream/telegraf.delta=true``. A variable can name a scope alone, ``FRAMECAST_CHANNELS_STREAM_DELTA``.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from framecast.errors import ConfigurationError
from framecast.settings import SECTIONS, ChannelOptions, ChannelOverrides, Settings

ENVIRONMENT_PREFIX = "FRAMECAST_"
CLIENT_VARIABLES = frozenset({"FRAMECAST_TOKEN"})
"""Read by `framecast push`, `watch` and `streams`; a server on the same machine must not trip over them."""

CHANNELS = "channels"
_CHANNELS_SECTION = re.compile(r"(?!(?:\d+|default|org-\d+)(?:/|$))[A-Za-z0-9_.\-]+(?:/[A-Za-z0-9_.\-]+)?")
"""A scope or scope/namespace as in channels/address.py, where what reads like an org's prefix is no scope."""

NAMED = "\0"
"""No option: stands in a layer for a section of channel options, which means something even when it is empty."""

Layer = dict[tuple[str, str], tuple[Any, str]]
"""(section, key) → (value, where it came from). Sections of channel options are named ``channels.stream``."""


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
    sections: dict[str, Any] = {name: section(**_section_values(name, merged)) for name, section in SECTIONS.items()}
    return Settings(**sections, channels=_build_channels(merged))


def _section_values(section: str, merged: Layer) -> dict[str, Any]:
    return {
        key: _convert(section, key, value, source)
        for (where, key), (value, source) in merged.items()
        if where == section
    }


def _build_channels(merged: Layer) -> dict[str, ChannelOverrides]:
    sections = dict.fromkeys(section for section, _ in merged if section.startswith(f"{CHANNELS}."))
    options = {place: given for place, given in merged.items() if place[1] != NAMED}
    return {section.removeprefix(f"{CHANNELS}."): _section_values(section, options) for section in sections}


def _struct_of(section: str) -> type[Struct]:
    return ChannelOptions if section.startswith(f"{CHANNELS}.") else SECTIONS[section]


def _convert(section: str, key: str, value: Any, source: str) -> Any:
    fields = {field.name: field for field in msgspec.structs.fields(_struct_of(section))}
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
        told = "…" if _is_secret(expected) else repr(value)
        raise ConfigurationError(f"{section}.{key} = {told} (from {source}) cannot be used: {reason}") from None


def _allowed(expected: Any) -> str:
    if get_origin(expected) is Literal:
        return "; allowed: " + ", ".join(get_args(expected))
    return "; allowed: true, false" if expected is bool else ""


def _is_secret(expected: Any) -> bool:
    return get_origin(expected) is Annotated and any("secret" in (meta.extra or {}) for meta in get_args(expected)[1:])


def _is_list(expected: Any) -> bool:
    return get_origin(expected) in {tuple, list}


def _known_section(section: str, source: str) -> None:
    known = {*SECTIONS, CHANNELS}
    if section not in known:
        raise ConfigurationError(
            f"unknown section [{section}] (from {source}); {_suggest(section, known)}known: {', '.join(sorted(known))}"
        )


def _channels_section(name: str, source: str) -> str:
    """The layer's section for the channels of `name`."""
    if _CHANNELS_SECTION.fullmatch(name) is None:
        raise ConfigurationError(
            f"[{CHANNELS}.{name}] (from {source}) names no channels: it must be a scope (stream) or, in quotes, "
            'a scope and namespace ("grafana/broadcast"), of letters, digits and _ - . and unlike an org prefix '
            "(1, default, org-7)"
        )
    return f"{CHANNELS}.{name}"


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
            raise ConfigurationError(f"{section} (from {file}) stands outside any [section]")
        if section == CHANNELS:
            layer.update(_channels_from_toml(table, str(file)))
        else:
            layer.update({(section, key): (value, str(file)) for key, value in table.items()})
    return layer


def _channels_from_toml(tables: Mapping[str, Any], source: str) -> Layer:
    layer: Layer = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigurationError(
                f"{CHANNELS}.{name} = {table!r} (from {source}) says nothing about which channels: options stand in "
                f'[{CHANNELS}.SCOPE] or [{CHANNELS}."SCOPE/NAMESPACE"]'
            )
        section = _channels_section(name, source)
        layer[section, NAMED] = (None, source)
        layer.update({(section, key): (value, source) for key, value in table.items()})
    return layer


def _from_environment(environment: Mapping[str, str]) -> Layer:
    layer: Layer = {}
    for name, value in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name in CLIENT_VARIABLES:
            continue
        section, _, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("_")
        source = f"environment {name}"
        _known_section(section, source)
        if section == CHANNELS:
            section, key = _read_channels_variable(key, source)
        layer[section, key] = (value, source)
    return layer


def _read_channels_variable(text: str, source: str) -> tuple[str, str]:
    """Take ``stream_ask_presence`` apart: the longest option that it ends with counts."""
    options = [option for option in ChannelOptions.__struct_fields__ if text.endswith(f"_{option}")]
    if not options:
        raise ConfigurationError(
            f"unknown key {CHANNELS}.{text} ({source}); it must be {ENVIRONMENT_PREFIX}CHANNELS_SCOPE_OPTION, "
            f"with one of the options {', '.join(sorted(ChannelOptions.__struct_fields__))}"
        )
    option = max(options, key=len)
    return _channels_section(text.removesuffix(f"_{option}"), source), option


def _from_overrides(overrides: Iterable[str]) -> Layer:
    layer: Layer = {}
    for text in overrides:
        found = re.fullmatch(r"([^.=\s]+)\.([^=\s]+)=(.*)", text, re.DOTALL)
        if found is None:
            told = re.sub("=.*", "=…", text, count=1, flags=re.DOTALL)
            raise ConfigurationError(f"--set {told!r} is not of the form section.key=value")
        section, key, value = found.groups()
        source = f"--set {section}.{key}"  # without the value, which may be a secret at a mistaken key
        _known_section(section, source)
        if section == CHANNELS:
            name, dot, key = key.rpartition(".")
            if not dot:
                raise ConfigurationError(f"{source} is not of the form {CHANNELS}.SCOPE.key=value")
            section = _channels_section(name, source)
        layer[section, key] = (value, source)
    return layer
