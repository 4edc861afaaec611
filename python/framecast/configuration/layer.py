"""What one source says: values as they were found, by section and key, each with where it was found.

Channels have a section for each scope, or scope and namespace, that is named: ``channels.stream``,
``channels.stream/telegraf``. Nothing here knows what a value must be (values.py does).
"""

import difflib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from framecast.errors import ConfigurationError
from framecast.settings import SECTIONS

CHANNELS = "channels"
_CHANNELS_SECTION = re.compile(r"(?!(?:\d+|default|org-\d+)(?:/|$))[A-Za-z0-9_.\-]+(?:/[A-Za-z0-9_.\-]+)?")
"""A scope or scope/namespace as in channels/address.py, where what reads like an org's prefix is no scope."""

NAMED = "\0"
"""No option: stands in a layer for a section of channel options, which means something even when it is empty."""


class Given(NamedTuple):
    """A value that somebody set, and where."""

    value: Any
    source: str


Layer = dict[tuple[str, str], Given]
"""By section and key."""


def known_section(section: str, source: str) -> None:
    """ConfigurationError when there is no such section."""
    known = {*SECTIONS, CHANNELS}
    if section not in known:
        raise ConfigurationError(
            f"unknown section [{section}] (from {source}); {suggest(section, known)}known: {', '.join(sorted(known))}"
        )


def channels_section(name: str, source: str) -> str:
    """The layer's section for the channels of `name`. ConfigurationError when it names none."""
    if _CHANNELS_SECTION.fullmatch(name) is None:
        raise ConfigurationError(
            f"[{CHANNELS}.{name}] (from {source}) names no channels: it must be a scope (stream) or, in quotes, "
            'a scope and namespace ("grafana/broadcast"), of letters, digits and _ - . and unlike an org prefix '
            "(1, default, org-7)"
        )
    return f"{CHANNELS}.{name}"


def suggest(word: str, known: Iterable[str]) -> str:
    """A question that begins the rest of a complaint, or nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}? " if close else ""
