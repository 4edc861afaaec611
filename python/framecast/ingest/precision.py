"""The words by which senders name the unit of their timestamps, and what the core calls it."""

from collections.abc import Mapping
from types import MappingProxyType

from framecast.errors import Refusal, printable

PRECISIONS = MappingProxyType({word: word for word in ("ns", "us", "ms", "s", "auto")})
"""InfluxDB 2's, and `auto`: each timestamp's own, by its size."""

PRECISIONS_V1 = MappingProxyType({"n": "ns", "u": "us", **PRECISIONS, "m": "m", "h": "h"})
"""InfluxDB 1's besides."""


def find_precision(word: str, known: Mapping[str, str] = PRECISIONS) -> str:
    """The core's word for a sender's; none at all is ``ns``. Refusal 400 names what there is."""
    found = known.get(word or "ns")
    if found is None:
        message = f"unknown precision '{printable(word, 20)}'; this server has: {', '.join(known)}"
        raise Refusal(400, message, reason="unknown_precision")
    return found
