"""What Grafana would find in a grafana.ini and its own variables, each value with where it stands.

``GF_SECTION_KEY`` wins over the file, as in Grafana, and ``GF_SECTION_KEY__FILE`` names a file with the value, as in
its container image. An empty value is none. Which settings of ours become of them is others' (grafana_table.py).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from framecast.configuration.expansion import expand, expand_variables, find_file, follow_keys, read_value
from framecast.configuration.ini import DEFAULT_SECTION, Entry
from framecast.configuration.layer import Given
from framecast.configuration.secret_files import SecretFile
from framecast.errors import ConfigurationError

DEFAULTS: Mapping[tuple[str, str], str] = {
    ("server", "protocol"): "http",
    ("server", "http_port"): "3000",
    ("server", "domain"): "localhost",
    ("server", "root_url"): "%(protocol)s://%(domain)s:%(http_port)s/",
}
"""Those of Grafana's own that others are made of (conf/defaults.ini)."""

TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True", "YES", "yes", "Yes", "y", "ON", "on", "On"})
FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False", "NO", "no", "No", "n", "OFF", "off", "Off"})
_SURROGATE = re.compile("[\ud800-\udfff]")
_DURATION = re.compile(r"(?:(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))", re.ASCII)
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class _Found:
    """A value as it stands there; `file` is the file that ``__FILE`` named instead."""

    text: str
    source: str
    file: str = ""


class GrafanaValues:
    """One look at a file and an environment; either may be empty. Variables count that begin with `prefix`."""

    def __init__(
        self, file: Path | None, entries: Iterable[Entry], environment: Mapping[str, str], *, prefix: str = "GF_"
    ) -> None:
        self._file = file
        self._entries = {(entry.section, entry.key): entry for entry in entries}  # the last one counts
        self._environment = environment
        self._variables = {name: value for name, value in environment.items() if name.startswith(prefix)}

    def find(self, section: str, key: str) -> Given | None:
        """The value, its references followed. ConfigurationError names the place where that cannot be done."""
        found = self._find(section, key)
        if found is None:
            return None
        text = self._text(section, found)
        return Given(text, found.source) if text else None

    def find_secret(self, section: str, key: str) -> Given | None:
        """The same; but where it is all of a file's, that file, unread."""
        found = self._find(section, key)
        if found is None:
            return None
        path = found.file or find_file(expand_variables(found.text, self._environment))
        return Given(SecretFile(path), found.source) if path else self.find(section, key)

    def find_or_default(self, section: str, key: str) -> str:
        """The value, or Grafana's own default of it; empty when it has none."""
        given = self.find(section, key)
        if given is not None:
            return str(given.value)
        return follow_keys(DEFAULTS.get((section, key), ""), lambda name: self.find_or_default(section, name))

    def is_on(self, section: str, key: str = "enabled") -> bool:
        """Whether a switch is on. ConfigurationError for a word that Grafana does not know either."""
        given = self.find(section, key)
        if given is None or given.value in FALSE:
            return False
        if given.value in TRUE:
            return True
        raise ConfigurationError(f"{given.value!r} (from {given.source}) is neither true nor false")

    def _find(self, section: str, key: str) -> _Found | None:
        name = variable_of(section, key)
        value, file = self._variables.get(name), self._variables.get(f"{name}__FILE")
        if value and file:
            raise ConfigurationError(f"{name} and {name}__FILE are both set: leave one out")
        if file:
            return _Found("", f"environment {name}__FILE", file)
        if value:
            return _Found(value, f"environment {name}")
        entry = self._entries.get((section, key))
        return None if entry is None or not entry.value else _Found(entry.value, self._check(entry))

    def _check(self, entry: Entry) -> str:
        """Where a value stands, once it is known to be what was meant."""
        source = self.source_of(entry)
        if entry.cut_in_quotes:
            raise ConfigurationError(
                f"the value (from {source}) ends within its quotes, at a # or ;: write it in three double quotes"
            )
        return source

    def source_of(self, entry: Entry) -> str:
        """Where an entry stands, for people."""
        return f"{self._file}:{entry.line}, [{entry.section}] {entry.key}"

    def _text(self, section: str, found: _Found) -> str:
        try:
            if found.file:
                return read_value(found.file)
            text = expand(found.text, self._environment)
            text = follow_keys(text, lambda name: self._value_of(section, name))
        except ConfigurationError as error:
            raise ConfigurationError(*(f"{mistake} (from {found.source})" for mistake in error.mistakes)) from None
        if _SURROGATE.search(text):
            raise ConfigurationError(f"the value (from {found.source}) is no text in UTF-8")
        return text

    def _value_of(self, section: str, name: str) -> str | None:
        """What ``%(name)s`` stands for in `section`: its own key, or one that stands before all sections."""
        for where in (section, DEFAULT_SECTION):
            found = self._find(where, name)
            if found is not None:
                return read_value(found.file) if found.file else expand(found.text, self._environment)
        return DEFAULTS.get((section, name))


def variable_of(section: str, key: str) -> str:
    """The variable that Grafana looks at for this key."""
    return f"GF_{section.replace('.', '_').replace('-', '_')}_{key.replace('.', '_')}".upper()


def parse_duration(given: Given) -> Given:
    """Seconds of a text like ``1h30m``. ConfigurationError for another one."""
    parts = _DURATION.findall(given.value)
    if not parts or "".join(number + unit for number, unit in parts) != given.value:
        raise ConfigurationError(f"{given.value!r} (from {given.source}) is no time of the form 60m or 1h30m")
    return Given(sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts), given.source)
