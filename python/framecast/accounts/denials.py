"""Tells the operator who was refused what, and why: few lines, whoever repeats it and however many there are.

Nothing that anybody showed is told, only whom it let in. Wrong credentials are told where they are counted
(attempts.py), foreign pages by the door; here is who was known and may not, who showed nothing, and who was too fast.
"""

from collections.abc import Callable

import structlog
import trio

from framecast.accounts.attempts import WrongCredentialError
from framecast.accounts.gate import Gate, Visitors
from framecast.accounts.identity import Identity
from framecast.complaints import Complaints
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.settings import Accounts

log = structlog.get_logger(__name__)

DENIED = frozenset({401, 403, 101, 103})
"""As HTTP and as the protocol of subscribers says it."""

TOLD_CHARACTERS = 200
"""Of anything that a sender chose."""


class Denials:
    """One for the server; waits for nothing."""

    def __init__(self, limits: Accounts, clock: Callable[[], float] = trio.current_time) -> None:
        self._complaints = Complaints(limits.complaint_seconds, limits.complaints_kept, limits.complaint_lines)
        self._clock = clock

    def note(self, identity: Identity | None, address: str, wanted: str, resource: str, refusal: Refusal) -> None:
        """Tell it, if it is a denial and due. `wanted` is one of few words: what somebody wanted with the resource."""
        if isinstance(refusal, WrongCredentialError):
            return
        if refusal.reason == "rate_limit":
            event = "rate limit met"
        elif refusal.code in DENIED:
            event = "permission refused"
        else:
            return
        now = self._clock()
        if passed_over := self._complaints.take_passed_over(now):
            log.info("more was refused to others", refused=passed_over)
        who = describe_identity(identity)
        unlogged = self._complaints.due((event, wanted, *who, address if identity is None else ""), now, 1)
        if unlogged is None:
            return
        kind, name, org_id = who
        log.info(
            event,
            kind=kind,
            name=name[:TOLD_CHARACTERS],
            org=org_id,
            credential="" if identity is None else identity.credential,
            address=address,
            wanted=wanted,
            resource=resource[:TOLD_CHARACTERS],
            status=refusal.code,
            reason=refusal.message[: 2 * TOLD_CHARACTERS],
            unlogged=unlogged,
        )

    def watching(self, gate: Gate) -> Gate:
        """The gate, with what it refuses told."""

        async def pass_(head: RequestHead) -> Identity:
            try:
                return await gate(head)
            except Refusal as refusal:
                self.note_request(None, head, refusal)
                raise

        return pass_

    def watching_visitors(self, visitors: Visitors) -> Visitors:
        """The same for a gate that lets strangers pass."""

        async def pass_(head: RequestHead) -> Identity | None:
            try:
                return await visitors(head)
            except Refusal as refusal:
                self.note_request(None, head, refusal)
                raise

        return pass_

    def note_request(self, identity: Identity | None, head: RequestHead, refusal: Refusal) -> None:
        """Of a request; which method it had is what was wanted."""
        wanted = head.method if head.method in _METHODS else "another method"
        self.note(identity, head.peer, wanted, head.path, refusal)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def describe_identity(identity: Identity | None) -> tuple[str, str, int]:
    """Of which kind somebody is, its name, and its org; 0 for none."""
    if identity is None:
        return "stranger", "", 0
    if identity.credential.startswith("token:"):
        return "token", identity.login.removeprefix("token:"), identity.org_id
    return ("user" if identity.login else "anonymous"), identity.login, identity.org_id
