"""The layers of a grafana.ini and of Grafana's own variables, and what was left out of them, with the reason."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from framecast.configuration.grafana_table import GAPS, LIVE_RULES, RULES, SWITCHED, Rule
from framecast.configuration.grafana_values import GrafanaValues, variable_of
from framecast.configuration.ini import Entry, read_ini
from framecast.configuration.layer import Layer, suggest
from framecast.errors import ConfigurationError, Mistakes

SUFFIX = ".ini"
MAX_BYTES = 4 * 1024 * 1024
"""Of a grafana.ini; the one with all comments has 100 KiB."""

MAX_FAULTS = 20
"""Lines that cannot be read and are told; of another kind of file it may be every line."""

LIVE_PREFIX = "GF_LIVE_"
_OF_FILES = "__FILE"
_KNOWN = frozenset(GAPS) | {key for rule in RULES for key in rule.keys} | {(name, "enabled") for name in SWITCHED}
_LIVE_KEYS = frozenset(key for section, key in _KNOWN if section == "live")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A setting that was not taken over, although it means something here, and why."""

    section: str
    key: str
    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source} is left out: {self.reason}"


@dataclass(frozen=True, slots=True)
class Carried:
    """What Grafana's settings are here."""

    layer: Layer
    left_out: tuple[LeftOut, ...] = ()
    others: Mapping[str, int] = field(default_factory=dict)
    """How many settings of each section are Grafana's own business."""


def is_grafana_ini(file: Path) -> bool:
    """Whether a file is one of Grafana's, going by its name."""
    return file.suffix.lower() == SUFFIX


def read_grafana_ini(file: Path, environment: Mapping[str, str], mistakes: Mistakes) -> Carried:
    """What `file`, and the variables that win over it, are here.

    ConfigurationError when it cannot be read at all; what it says wrongly goes to `mistakes`.
    """
    ini = read_ini(_read(file))
    for fault in ini.faults[:MAX_FAULTS]:
        mistakes.note(f"{file}:{fault.line}: {fault.reason}")
    values = GrafanaValues(file, ini.entries, environment)
    layer = _carry(RULES, values, mistakes)
    left_out = [*_find_gaps(values, mistakes), *_find_unknown_variables(environment)]
    others: Counter[str] = Counter()
    for entry in {(entry.section, entry.key): entry for entry in ini.entries}.values():
        if entry.value and (entry.section, entry.key) not in _KNOWN:
            reason = _doubt(entry)
            if reason:
                left_out.append(LeftOut(entry.section, entry.key, values.source_of(entry), reason))
            else:
                others[entry.section] += 1
    return Carried(layer, tuple(left_out), others)


def read_grafana_variables(environment: Mapping[str, str], mistakes: Mistakes) -> Carried:
    """What Grafana's variables for ``[live]`` are here: those that a server without a grafana.ini reads too."""
    values = GrafanaValues(None, (), environment, prefix=LIVE_PREFIX)
    return Carried(_carry(LIVE_RULES, values, mistakes), tuple(_find_unknown_variables(environment)))


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"{file} is larger than any grafana.ini: {MAX_BYTES} bytes at most")
    if b"\0" in content:
        raise ConfigurationError(f"{file} is no text in UTF-8")
    return content.decode("utf-8", "surrogateescape")  # comments may be in any encoding


def _carry(rules: Iterable[Rule], values: GrafanaValues, mistakes: Mistakes) -> Layer:
    layer: Layer = {}
    for rule in rules:
        with mistakes.collected():
            layer |= dict(rule.read(values))
    return layer


def _find_gaps(values: GrafanaValues, mistakes: Mistakes) -> Iterator[LeftOut]:
    for (section, key), gap in GAPS.items():
        with mistakes.collected():
            given = values.find(section, key)
            if given is None or given.value in gap.harmless:
                continue
            if section not in SWITCHED or values.is_on(section):
                yield LeftOut(section, key, given.source, gap.reason)


def _find_unknown_variables(environment: Mapping[str, str]) -> Iterator[LeftOut]:
    known = {variable_of(*place) for place in _KNOWN}
    for name in environment:
        bare = name.removesuffix(_OF_FILES)
        if name.startswith(LIVE_PREFIX) and bare not in known:
            reason = f"no variable that is known here; {suggest(bare, known)}".rstrip("; ")
            yield LeftOut("live", bare.removeprefix(LIVE_PREFIX).lower(), f"environment {name}", reason)


def _doubt(entry: Entry) -> str:
    """Why an unknown key looks like a mistake; empty when it looks like Grafana's own business."""
    if entry.section == "live":
        return f"no key that is known here; {suggest(entry.key, _LIVE_KEYS)}".rstrip("; ")
    meant = entry.section.strip().lower()
    if meant != entry.section and any(section == meant for section, _ in _KNOWN):
        return f"sections are told apart by every letter and space: Grafana reads [{meant}]"
    return ""
