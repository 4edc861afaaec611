"""Who a request or connection belongs to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """One known caller. `login` is what other users may see; it is "" for nobody in particular."""

    org_id: int
    login: str
    role: str


DEVELOPER = Identity(org_id=1, login="", role="Admin")
"""Everybody, on a server started with ``--dev``."""
