"""The one place that decides whether a request gets in at all.

Sources are asked one after another, and the first that finds something of its kind has the last word: what is no good
is refused, and nothing else that the request carries is tried instead.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from framecast.accounts.identity import DEVELOPER, Identity
from framecast.door.head import RequestHead
from framecast.errors import Refusal

Gate = Callable[[RequestHead], Awaitable[Identity]]
"""Takes a request's head; returns who sends it or raises Refusal 401. What it waits for has a deadline."""


Visitors = Callable[[RequestHead], Awaitable[Identity | None]]
"""A gate for those who may show a token later: None is a stranger, who must do so with `connect`."""


class Source(Protocol):
    """One way for a request to say who sends it."""

    async def find(self, head: RequestHead) -> Identity | None:
        """Who sends this request; None when it carries nothing of this kind, and then the next source is asked.

        Refusal 401 for something of this kind that is no good, 429 or 503 for what cannot be said just now. What it
        waits for has a deadline. Between the last wait and the answer nothing may be left to look up: whoever is let
        in is among the connections by the next checkpoint, where it is found when its credential is revoked.
        """


Stands = Callable[[Identity], bool]
"""Whether what let this identity in would do so still, and as the very same."""


Unchanged = Callable[[Identity], bool]
"""Whether nothing has been changed about this very object since a gate let it in by a service token: whoever shows the
same token again, on the same connection and with the same request, is let in as the same without looking again."""


def nobody_stays(identity: Identity) -> bool:
    """Where everybody is looked at again."""
    del identity
    return False


def whoever_got_in(identity: Identity) -> bool:
    """Where there is nothing to be revoked."""
    del identity
    return True


class EndedMeanwhileError(Refusal):
    """A request whose credential was revoked, or gives other rights, since the gate: 401."""

    def __init__(self) -> None:
        super().__init__(401, "Unauthorized: what let this request in has ended or changed while its body was arriving")


class StrangerError(Refusal):
    """A request that carries nothing by which anybody could know who sends it: 401."""

    def __init__(self, message: str) -> None:
        super().__init__(401, message)


def build_gate(sources: Sequence[Source]) -> Gate:
    """A gate that asks `sources` in their order; whom none of them finds is a stranger."""

    async def find_identity(head: RequestHead) -> Identity:
        for source in sources:
            identity = await source.find(head)
            if identity is not None:
                return identity
        raise StrangerError("Unauthorized: bring a token (Authorization: Bearer TOKEN), or log in")

    return find_identity


async def open_gate(head: RequestHead) -> Identity:
    """``--dev``: everybody is the developer, whatever token a client is configured with."""
    del head
    return DEVELOPER


def let_strangers_pass(gate: Gate) -> Visitors:
    """For servers that take subscribers' tokens: who carries nothing is not sent away yet."""

    async def visit(head: RequestHead) -> Identity | None:
        try:
            return await gate(head)
        except StrangerError:
            return None

    return visit
