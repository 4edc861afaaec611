"""One mapping of a provisioning file: its members read as what they have to be, each mistake noted with its place.

A mistake ends nothing: what could not be read is what it is without, and `sound` is False. No message shows a value.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from framecast.configuration.layer import suggest
from framecast.datasources.provisioning.variables import follow_references
from framecast.datasources.provisioning.yaml_text import Path
from framecast.errors import ConfigurationError, Mistakes

_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Source:
    """The file that values are of."""

    file: str
    lines: Mapping[Path, int]
    environment: Mapping[str, str]
    mistakes: Mistakes


class Entry:
    """One mapping."""

    def __init__(self, source: Source, value: Any, path: Path = ()) -> None:
        self._source = source
        self._path = path
        self.sound = True
        self._members: dict[str, Any] = {}
        if isinstance(value, dict):
            self._members = value
        else:
            self.note("", "has to be a mapping of keys to values")

    def place(self, key: str = "") -> str:
        """How a message names a member, or the whole: ``datasources[0].url (from FILE:7)``."""
        path = (*self._path, key) if key else self._path
        name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
        while path not in self._source.lines and path:
            path = path[:-1]  # a member that is not there, or merged: where it would be
        where = f"{self._source.file}:{self._source.lines.get(path, 1)}"
        return f"{name} (from {where})" if name else where

    def note(self, key: str, what: str) -> None:
        """A mistake of a member, or of the whole."""
        self._source.mistakes.note(f"{self.place(key)} {what}")
        self.sound = False

    def names(self) -> list[str]:
        """Those of all members."""
        return list(self._members)

    def check_known(self, known: frozenset[str]) -> None:
        """Whatever else there is is a mistake."""
        for key in self._members:
            if key not in known:
                self.note(key, f"is unknown; {suggest(key, set(known))}known are: {', '.join(sorted(known))}")

    def has(self, key: str) -> bool:
        """Whether there is something, as an empty text or nothing at all is not."""
        return self._members.get(key) not in (None, "")

    def text(self, key: str) -> str:
        """A text; a number counts as one."""
        value = self._member(key)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.note(key, "has to be text")
            return ""
        return str(value)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """True or false, as such or as text."""
        value = self._member(key)
        if value is None or value == "":
            return default
        known = _FLAGS.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(known, bool):
            self.note(key, "has to be true or false")
            return default
        return known

    def number(self, key: str, *, default: int) -> int:
        """A whole number of 1 or more, as such or as text."""
        value = self._member(key)
        if value is None or value == "":
            return default
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
            self.note(key, "has to be a whole number of 1 or more")
            return default
        return value

    def document(self, key: str) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        value = self._member(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.note(key, "has to be a mapping of keys to values")
            return {}
        return value

    def secrets(self, key: str) -> dict[str, str]:
        """Texts by their keys; one that is nothing is left out."""
        inner = Entry(self._source, self._members.get(key) or {}, (*self._path, key))
        found = {name: inner.text(name) for name in inner.names()}
        self.sound = self.sound and inner.sound
        return {name: text for name, text in found.items() if text}

    def entries(self, key: str) -> Iterator["Entry"]:
        """The mappings of a list."""
        value = self._members.get(key)
        if value is None:
            return
        if not isinstance(value, list):
            self.note(key, "has to be a list")
            return
        for number, item in enumerate(value):
            yield Entry(self._source, item, (*self._path, key, number))

    def _member(self, key: str) -> Any:
        return self._follow(key, self._members.get(key))

    def _follow(self, key: str, value: Any) -> Any:
        """The value with its references followed."""
        match value:
            case str():
                try:
                    return follow_references(value, self._source.environment)
                except ConfigurationError as error:
                    self.note(key, f"cannot be used: {error}")
                    return ""
            case dict():
                return {name: self._follow(key, inner) for name, inner in value.items()}
            case list():
                return [self._follow(key, inner) for inner in value]
            case float() if not math.isfinite(value):
                self.note(key, "holds a number that is not finite")
                return None
            case _:
                return value
