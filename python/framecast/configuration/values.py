"""Makes the tree of what was given: every value is made what its setting must be, or refused.

A complaint names the key, the value, where it came from and what is allowed. It never shows a secret.
"""

from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from framecast.configuration.layer import CHANNELS, NAMED, Given, Layer, suggest
from framecast.configuration.secret_files import SUFFIX, SecretFile, secrets_of
from framecast.errors import ConfigurationError, Mistakes
from framecast.settings import CONCEALED, SECTIONS, ChannelOptions, ChannelOverrides, Settings, is_secret


def build_settings(merged: Layer, mistakes: Mistakes) -> Settings:
    """The whole tree, with the default of whatever `merged` says nothing of.

    What does not fit goes to `mistakes`, and the tree is not to be used then.
    """
    sections: dict[str, Any] = {
        name: section(**_section_values(name, merged, mistakes)) for name, section in SECTIONS.items()
    }
    return Settings(**sections, channels=_build_channels(merged, mistakes))


def _section_values(section: str, merged: Layer, mistakes: Mistakes) -> dict[str, Any]:
    values = {}
    for (where, key), given in merged.items():
        if where == section:
            with mistakes.collected():
                values[key] = convert(section, key, given)
    return values


def _build_channels(merged: Layer, mistakes: Mistakes) -> dict[str, ChannelOverrides]:
    sections = dict.fromkeys(section for section, _ in merged if section.startswith(f"{CHANNELS}."))
    options = {place: given for place, given in merged.items() if place[1] != NAMED}
    return {section.removeprefix(f"{CHANNELS}."): _section_values(section, options, mistakes) for section in sections}


def _struct_of(section: str) -> type[Struct]:
    return ChannelOptions if section.startswith(f"{CHANNELS}.") else SECTIONS[section]


def convert(section: str, key: str, given: Given) -> Any:
    """What `given` is as a setting. ConfigurationError when there is no such key, or it does not fit."""
    fields = {field.name: field for field in msgspec.structs.fields(_struct_of(section))}
    value, source = given
    if key not in fields:
        known = {*fields, *(f"{secret}{SUFFIX}" for secret in secrets_of(section))}
        raise ConfigurationError(
            f"unknown key {section}.{key} (from {source}); {suggest(key, known)}"
            f"[{section}] knows: {', '.join(sorted(known))}"
        )
    expected = fields[key].type
    if isinstance(value, SecretFile):
        value = value.read(f"{section}.{key}", source)
    if isinstance(value, str) and _is_list(expected):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return msgspec.convert(value, expected, strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        reason = str(error).replace("`", "").split(" - at ")[0]
        reason = reason[:1].lower() + reason[1:] + _allowed(expected)
        told = CONCEALED if is_secret(expected) else repr(value)
        raise ConfigurationError(f"{section}.{key} = {told} (from {source}) cannot be used: {reason}") from None


def _allowed(expected: Any) -> str:
    if get_origin(expected) is Literal:
        return "; allowed: " + ", ".join(value or '""' for value in get_args(expected))
    return "; allowed: true, false" if expected is bool else ""


def _is_list(expected: Any) -> bool:
    return get_origin(expected) in {tuple, list}
