"""The one place that decides whether a request gets in at all."""

from collections.abc import Callable

from framecast.accounts.identity import DEVELOPER, Identity
from framecast.errors import Refusal

Gate = Callable[[bytes | None], Identity]
"""Takes the ``Authorization`` header; returns who it is or raises Refusal 401."""


def open_gate(authorization: bytes | None) -> Identity:
    """``--dev``: everybody is the developer, whatever token a client is configured with."""
    del authorization
    return DEVELOPER


def closed_gate(authorization: bytes | None) -> Identity:
    """Without ``--dev`` nobody gets in: there are no accounts yet."""
    del authorization
    raise Refusal(401, "this server knows no accounts yet: start it with --dev to use it on this machine")
