"""The one place that decides whether a request gets in at all."""

from collections.abc import Callable

from framecast.accounts.identity import DEVELOPER, Identity
from framecast.errors import Refusal

Gate = Callable[[bytes | None], Identity]
"""Takes the ``Authorization`` header; returns who it is or raises Refusal 401."""


Visitors = Callable[[bytes | None], Identity | None]
"""A gate for those who may show a token later: None is a stranger, who must do so with `connect`."""


def open_gate(authorization: bytes | None) -> Identity:
    """``--dev``: everybody is the developer, whatever token a client is configured with."""
    del authorization
    return DEVELOPER


def closed_gate(authorization: bytes | None) -> Identity:
    """Without ``--dev`` nobody gets in: there are no accounts yet."""
    del authorization
    raise Refusal(401, "this server knows no accounts yet: start it with --dev to use it on this machine")


def let_strangers_pass(gate: Gate) -> Visitors:
    """For servers that take subscribers' tokens: whom the gate does not know is not sent away yet."""

    def visit(authorization: bytes | None) -> Identity | None:
        try:
            return gate(authorization)
        except Refusal:
            return None

    return visit
