"""Reads the settings: from a file, the environment and the command line into the tree of settings/.

Defaults < file < ``GF_LIVE_*`` < ``FRAMECAST_*`` < flags (``--set live.max_connections=-1``). The file is TOML, or a
grafana.ini. A key nobody knows or a value that does not fit is refused with the key, the value, where it came from and
what is allowed.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framecast.configuration.environment import read_environment
from framecast.configuration.grafana import Carried, is_grafana_ini, read_grafana_ini, read_grafana_variables
from framecast.configuration.layer import NAMED, Given, Layer
from framecast.configuration.overrides import read_overrides
from framecast.configuration.secret_files import describe_source, join_twins
from framecast.configuration.toml_file import read_toml
from framecast.configuration.values import build_settings
from framecast.errors import Mistakes
from framecast.settings import Settings

__all__ = ["Loaded", "load", "load_settings"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The tree, and how it came about."""

    settings: Settings
    origins: Mapping[tuple[str, str], str]
    """Of every value that somebody set, by section and key: where."""
    warnings: tuple[str, ...]
    """What was not taken over although it was meant, a sentence each."""


def load(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Iterable[str] = (),
    flags: Mapping[tuple[str, str], Any] | None = None,
) -> Loaded:
    """Build the tree from all layers.

    `overrides` are ``section.key=value`` texts of ``--set``; `flags` the values of flags with a name of their own
    (``--listen``), which win over everything. ConfigurationError tells all mistakes together.
    """
    environment = os.environ if environment is None else environment
    mistakes = Mistakes()
    layers: list[Layer] = []
    carried = Carried({})
    with mistakes.collected():
        if file is not None and is_grafana_ini(file):
            carried = read_grafana_ini(file, environment, mistakes)
        else:
            carried = read_grafana_variables(environment, mistakes)
            if file is not None:
                layers.append(read_toml(file, mistakes))
    layers.append(carried.layer)
    layers.append(read_environment(environment, mistakes))
    layers.append(read_overrides(overrides, mistakes))
    layers.append({(section, key): Given(value, f"--{key}") for (section, key), value in (flags or {}).items()})
    merged: Layer = {}
    for layer in layers:
        merged |= join_twins(layer, mistakes)
    settings = build_settings(merged, mistakes)
    mistakes.tell()
    origins = {place: describe_source(given) for place, given in merged.items() if place[1] != NAMED}
    return Loaded(settings, origins, tuple(_warnings(carried, file)))


def load_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Iterable[str] = (),
    flags: Mapping[tuple[str, str], Any] | None = None,
) -> Settings:
    """The tree alone; see `load`."""
    return load(file=file, environment=environment, overrides=overrides, flags=flags).settings


def _warnings(carried: Carried, file: Path | None) -> Iterator[str]:
    yield from map(str, carried.left_out)
    if carried.others:
        sections = ", ".join(f"[{section}]" for section in carried.others)
        count = sum(carried.others.values())
        noun, verb = ("setting", "is") if count == 1 else ("settings", "are")
        yield f"{file}: {count} {noun} of Grafana's own {verb} left out: {sections}"
