"""Finds the plugins in the configured folder that have a backend to host, and says what keeps others from running.

One plugin's mistake is one line in the log, and nothing to the others. Reads files: not for the event loop.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from framecast.errors import ConfigurationError
from framecast.plugins.host.description import PLUGIN_JSON, read_description
from framecast.plugins.host.manifest import Signature, read_signature
from framecast.plugins.host.plugin_files import PluginFileError
from framecast.settings import Plugins

_BUILT = "dist"
"""Where a plugin's build lies beside its sources; then what lies above it is not the plugin (as in Grafana)."""

_PASSED_OVER = {"node_modules"}


@dataclass(frozen=True, slots=True)
class PluginPackage:
    """A plugin that may be run."""

    id: str
    type: str
    name: str
    version: str
    folder: Path
    executable: Path
    signature: Signature


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found."""

    packages: tuple[PluginPackage, ...]
    problems: tuple[str, ...]
    """Why others are not among them, one sentence each, with the file that it is about."""


def discover(settings: Plugins) -> Discovery:
    """Look through `plugins.path`. ConfigurationError when it is no folder that can be read."""
    packages: dict[str, PluginPackage] = {}
    problems: list[str] = []
    for top in (entry.resolve() for entry in list_folders(settings)):
        for path in _find_plugin_files(top, settings.max_folders):
            try:
                package = _read_package(path, top, settings)
            except PluginFileError as error:
                problems.append(str(error))
                continue
            if package is None:
                continue
            first = packages.setdefault(package.id, package)
            if first is not package:
                problems.append(f"{path}: id: {package.id} is the id of the plugin in {first.folder}, too")
            elif len(packages) > settings.max_plugins:
                del packages[package.id]
                problems.append(f"{path}: is one plugin more than plugins.max_plugins = {settings.max_plugins} allows")
    return Discovery(tuple(packages.values()), tuple(problems))


def list_folders(settings: Plugins) -> list[Path]:
    """Those that plugins may lie in. ConfigurationError when `plugins.path` is no folder that can be read."""
    root = Path(settings.path)
    try:
        return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise ConfigurationError(f"plugins.path = {settings.path!r} cannot be used: {error.strerror}") from None


def _find_plugin_files(top: Path, max_folders: int) -> Iterator[Path]:
    """Every plugin.json of a plugin's folder: its own, and those of plugins within it. Links in it are not followed."""
    for count, (folder, subfolders, files) in enumerate(os.walk(top)):
        if count == max_folders:
            return
        subfolders[:] = sorted(name for name in subfolders if name not in _PASSED_OVER and not name.startswith("."))
        path = Path(folder) / PLUGIN_JSON
        if (path.parent / _BUILT / PLUGIN_JSON).is_file():
            subfolders[:] = [_BUILT]
        elif PLUGIN_JSON in files:
            yield path


def _read_package(path: Path, top: Path, settings: Plugins) -> PluginPackage | None:
    """The package that a plugin.json describes; None where there is nothing to host."""
    description = read_description(path, settings.metadata_bytes)
    if description.executable is None:
        return None
    signature = read_signature(description, top, settings.metadata_bytes)
    if signature is Signature.UNSIGNED and description.id not in settings.allow_loading_unsigned_plugins:
        raise PluginFileError(
            f"{path}: {description.id} is unsigned: it has no MANIFEST.txt. To run it all the same, name it in "
            "plugins.allow_loading_unsigned_plugins"
        )
    return PluginPackage(
        id=description.id,
        type=description.type,
        name=description.name,
        version=description.version,
        folder=description.folder,
        executable=description.executable,
        signature=signature,
    )
