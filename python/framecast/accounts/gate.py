"""The one place that decides whether a request gets in at all."""

from collections.abc import Awaitable, Callable

from framecast.accounts.identity import DEVELOPER, Identity
from framecast.door.head import RequestHead
from framecast.errors import Refusal

Gate = Callable[[RequestHead], Awaitable[Identity]]
"""Takes a request's head; returns who sends it or raises Refusal 401. What it waits for has a deadline."""


Visitors = Callable[[RequestHead], Awaitable[Identity | None]]
"""A gate for those who may show a token later: None is a stranger, who must do so with `connect`."""


async def open_gate(head: RequestHead) -> Identity:
    """``--dev``: everybody is the developer, whatever token a client is configured with."""
    del head
    return DEVELOPER


async def closed_gate(head: RequestHead) -> Identity:
    """Without ``--dev`` nobody gets in: there are no accounts yet."""
    del head
    raise Refusal(401, "this server knows no accounts yet: start it with --dev to use it on this machine")


def let_strangers_pass(gate: Gate) -> Visitors:
    """For servers that take subscribers' tokens: whom the gate does not know is not sent away yet."""

    async def visit(head: RequestHead) -> Identity | None:
        try:
            return await gate(head)
        except Refusal:
            return None

    return visit
