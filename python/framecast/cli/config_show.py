"""``framecast config show``: every setting with its value and where it comes from. A secret is shown as ``…``."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from framecast.cli.settings_flags import NO_FLAGS, SettingsFlags
from framecast.cli.toml_text import toml_comment, toml_head, toml_value
from framecast.configuration import Loaded
from framecast.logs import escape_controls, escape_json
from framecast.settings import CHANNEL_DEFAULTS, CONCEALED, SECTIONS, ChannelOptions, Settings, is_secret

DEFAULT = "default"
WIDEST_SETTING = 60
"""Behind longer ones the source does not stand in line with the others."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting as it is shown."""

    section: str
    key: str
    value: Any
    default: Any
    source: str


def show_(
    flags: SettingsFlags = NO_FLAGS,
    *,
    changed: Annotated[bool, Parameter(help="Only what somebody set.", negative=())] = False,
    json: Annotated[bool, Parameter(help="As one JSON array.", negative=())] = False,
) -> None:
    """Show every setting of these flags, the file and the environment, as TOML with the source behind each."""
    loaded = flags.load()
    for warning in loaded.warnings:
        print(f"framecast: warning: {escape_controls(warning)}", file=sys.stderr)
    shown = [one for one in settings_of(loaded) if not changed or one.source != DEFAULT]
    if json:
        print(escape_json(msgspec.json.encode([_document(one) for one in shown]).decode()))
        return
    for number, (section, group) in enumerate(groupby(shown, key=lambda one: one.section)):
        print(("\n" if number else "") + toml_head(section))
        lines = [(f"{one.key} = {toml_value(one.value)}", one.source) for one in group]
        width = max((len(text) for text, _ in lines if len(text) <= WIDEST_SETTING), default=0)
        for text, source in lines:
            print(f"{text:<{width}}  {toml_comment(source)}")


def settings_of(loaded: Loaded) -> Iterator[Shown]:
    """All settings, in the order of the page; of channels those options that are set or differ by default."""
    for name in Settings.__struct_fields__:
        section = SECTIONS.get(name)
        if section is None:
            yield from _channels_of(loaded)
            continue
        values = getattr(loaded.settings, name)
        for field in msgspec.structs.fields(section):
            value = getattr(values, field.name)
            if is_secret(field.type) and value:
                value = CONCEALED
            yield Shown(name, field.name, value, field.default, loaded.origins.get((name, field.name), DEFAULT))


def _channels_of(loaded: Loaded) -> Iterator[Shown]:
    given = loaded.settings.channels
    for name in {**CHANNEL_DEFAULTS, **given}:
        ours, theirs = CHANNEL_DEFAULTS.get(name, {}), given.get(name, {})
        section = f"channels.{name}"
        for field in msgspec.structs.fields(ChannelOptions):
            if field.name in {**ours, **theirs}:
                default = ours.get(field.name, field.default)
                value = theirs.get(field.name, default)
                yield Shown(section, field.name, value, default, loaded.origins.get((section, field.name), DEFAULT))


def _document(one: Shown) -> dict[str, Any]:
    return {
        "setting": f"{one.section}.{one.key}",
        "value": one.value,
        "default": one.default,
        "source": one.source,
    }
