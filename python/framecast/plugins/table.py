"""Which plugins there are, and where those in Python come from: ourselves, installed packages, the settings.

A plugin that the settings name and that cannot be had keeps the server from starting. An installed one that is broken
is told in the log and left out: whoever installed it may not know that it brings one.
"""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

from framecast.channels.address import is_namespace
from framecast.errors import ConfigurationError
from framecast.plugins.plugin import Plugin
from framecast.plugins.testdata import ALIASES, PLUGIN_ID, Testdata
from framecast.settings import Plugins

log = structlog.get_logger(__name__)

GROUP = "framecast.plugins"


@dataclass(frozen=True, slots=True)
class Known:
    """A plugin, and where it comes from."""

    plugin_id: str
    plugin: Plugin
    origin: str
    aliases: tuple[str, ...] = ()
    """Other ids that it is found by, where no plugin has them for its own."""
    instead_of: str = ""
    """Where the plugin comes from that has this id too, and stands back for it."""


class PluginTable:
    """The plugins by their ids. Those that are found elsewhere may be added until the server runs."""

    def __init__(self, known: Iterable[Known]) -> None:
        """Of several with one id the last counts."""
        self._known: dict[str, Known] = {}
        for one in known:
            before = self._known.get(one.plugin_id)
            self._known[one.plugin_id] = one if before is None else replace(one, instead_of=before.origin)
        self._by_alias = {alias: one for one in self._known.values() for alias in one.aliases}

    @property
    def known(self) -> Mapping[str, Known]:
        """All of them, by id."""
        return self._known

    def add(self, known: Known) -> bool:
        """There is one more, unless there is one of that id; whether it is."""
        return self._known.setdefault(known.plugin_id, known) is known

    def find(self, plugin_id: str) -> Known | None:
        """The plugin of this id."""
        return self._known.get(plugin_id) or self._by_alias.get(plugin_id)


def find_plugins(settings: Plugins) -> PluginTable:
    """All in Python that `settings` let be there. ConfigurationError for one they name that cannot be had."""
    known = [Known(PLUGIN_ID, Testdata(), "built in", ALIASES)] if settings.testdata else []
    if settings.installed:
        known += _installed()
    return PluginTable([*known, *map(_named, settings.python)])


def _installed() -> Iterable[Known]:
    for entry in sorted(entry_points(group=GROUP)):
        try:
            plugin = _make(entry.name, entry.load())
        except Exception:  # the boundary of code that is not ours
            log.exception("an installed plugin cannot be used", plugin=entry.name, origin=_origin(entry))
        else:
            yield Known(entry.name, plugin, _origin(entry))


def _origin(entry: EntryPoint) -> str:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an installed package"
    return f"{package}: {entry.value}"


def _named(text: str) -> Known:
    plugin_id, module, name = parse_named(text)
    try:
        made = getattr(importlib.import_module(module), name)
        return Known(plugin_id, _make(plugin_id, made), f"plugins.python: {module}:{name}")
    except Exception as error:
        raise ConfigurationError(f"plugins.python: {text!r} cannot be used: {type(error).__name__}: {error}") from error


def parse_named(text: str) -> tuple[str, str, str]:
    """Id, module and class of ``ID=MODULE:CLASS``. ConfigurationError for anything else."""
    plugin_id, _, place = text.partition("=")
    module, _, name = place.partition(":")
    if not (is_namespace(plugin_id) and module and name.isidentifier()):
        raise ConfigurationError(
            f"plugins.python: {text!r} is not of the form ID=MODULE:CLASS, the id of letters, digits and _ - . only"
        )
    return plugin_id, module, name


def _make(plugin_id: str, made: Any) -> Plugin:
    if not is_namespace(plugin_id):
        raise TypeError(f"{plugin_id!r} cannot be a plugin's id: letters, digits and _ - . only")
    if not (isinstance(made, type) and issubclass(made, Plugin)):
        raise TypeError(f"{made!r} is no subclass of framecast.plugins.Plugin")
    return made()
