"""What a plugin says about itself in its plugin.json, as far as it concerns a host of backends.

Source: Grafana's plugin.json reference.
"""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from framecast.plugins.host.plugin_files import JsonObject, parse_object, read_text

PLUGIN_JSON = "plugin.json"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}")
"""As in a channel's name, where it is the namespace."""

_HOSTED_TYPES = ("datasource", "app")
"""The others have no backend, or one that speaks another protocol (renderers, secrets managers)."""

_GO_MACHINES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "i686": "386",
    "i386": "386",
}
"""Go's names of machines, where they are not the kernel's."""


@dataclass(frozen=True, slots=True)
class Description:
    """One plugin.json."""

    path: Path
    id: str
    type: str
    name: str
    version: str
    executable: Path | None
    """The file to run on this machine, within the plugin's folder; None where there is no backend to host."""

    @property
    def folder(self) -> Path:
        """The plugin's own."""
        return self.path.parent


def read_description(path: Path, max_bytes: int) -> Description:
    """Read a plugin.json. PluginFileError tells file, line and key of what is wrong with it."""
    fields = parse_object(read_text(path, max_bytes), path)
    plugin_id = fields.text("id")
    if not _ID.fullmatch(plugin_id):
        fields.refuse(
            "id", f"must be letters, digits and _ . - beginning with none of these, and is {plugin_id[:100]!r}"
        )
    kind = fields.text("type")
    version = fields.object("info").get("version", "")
    if not isinstance(version, str):
        fields.refuse("info", "its version must be text")
    hosted = fields.switch("backend") and kind in _HOSTED_TYPES
    return Description(
        path=path,
        id=plugin_id,
        type=kind,
        name=fields.find_text("name") or plugin_id,
        version=version,
        executable=_find_executable(fields, path.parent) if hosted else None,
    )


def executable_suffix() -> str:
    """What the names of executables for this machine end with, as Go's tools and Grafana have it."""
    machine = platform.machine()
    return f"_linux_{_GO_MACHINES.get(machine, machine)}"


def _find_executable(fields: JsonObject, folder: Path) -> Path:
    name = fields.text("executable")
    if "\0" in name:
        fields.refuse("executable", "has a NUL in it")
    executable = (folder / f"{name}{executable_suffix()}").resolve()
    if not executable.is_relative_to(folder.resolve()):
        fields.refuse("executable", f"{name!r} leads out of the plugin's folder, to {executable}")
    if not executable.is_file():
        fields.refuse("executable", f"there is no {executable}, which would be the one for this machine")
    if not os.access(executable, os.X_OK):
        fields.refuse("executable", f"{executable} is not executable by this user: chmod +x, or another mount option")
    return executable
