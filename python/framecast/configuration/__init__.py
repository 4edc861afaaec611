"""Reads the settings: from a file, the environment and the command line into the tree of settings/.

Defaults < TOML file < environment (``FRAMECAST_LIVE_MAX_CONNECTIONS``) < flags (``--set live.max_connections=-1``).
A key nobody knows or a value that does not fit is refused with the key, the value, where it came from and what is
allowed.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from framecast.configuration.environment import read_environment
from framecast.configuration.layer import Given, Layer
from framecast.configuration.overrides import read_overrides
from framecast.configuration.secret_files import join_twins
from framecast.configuration.toml_file import read_toml
from framecast.configuration.values import build_settings
from framecast.errors import Mistakes
from framecast.settings import Settings

__all__ = ["load_settings"]


def load_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Iterable[str] = (),
    flags: Mapping[tuple[str, str], Any] | None = None,
) -> Settings:
    """Build the tree from all layers.

    `overrides` are ``section.key=value`` texts of ``--set``; `flags` the values of flags with a name of their own
    (``--listen``), which win over everything. ConfigurationError tells all mistakes together.
    """
    mistakes = Mistakes()
    layers: list[Layer] = []
    with mistakes.collected():
        if file is not None:
            layers.append(read_toml(file, mistakes))
    layers.append(read_environment(os.environ if environment is None else environment, mistakes))
    layers.append(read_overrides(overrides, mistakes))
    layers.append({place: Given(value, "the command line") for place, value in (flags or {}).items()})
    merged: Layer = {}
    for layer in layers:
        merged |= join_twins(layer, mistakes)
    settings = build_settings(merged, mistakes)
    mistakes.tell()
    return settings
