"""The flags that settings come from, for every command that needs the settings of a server."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from framecast.configuration import Loaded, load


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFlags:
    """Every flag that is a setting, and `--config`."""

    config: Annotated[Path | None, Parameter(help="A TOML file with [section] tables, or a grafana.ini.")] = None
    listen: Annotated[list[str] | None, Parameter(help="HOST:PORT to listen on; may be repeated.")] = None
    data: Annotated[Path | None, Parameter(help="The directory of what must last.")] = None
    set_: Annotated[
        list[str] | None,
        Parameter(name="--set", help="SECTION.KEY=VALUE, any setting; may be repeated.", negative=()),
    ] = None
    dev: Annotated[bool, Parameter(help="No token needed; loopback only.", negative=())] = False

    def load(self) -> Loaded:
        """The settings of all sources. ConfigurationError tells all mistakes."""
        flags: dict[tuple[str, str], Any] = {}
        if self.listen:
            flags["server", "listen"] = self.listen
        if self.data is not None:
            flags["server", "data"] = str(self.data)
        if self.dev:
            flags["server", "dev"] = True
        return load(file=self.config, overrides=self.set_ or (), flags=flags)


NO_FLAGS = SettingsFlags()
