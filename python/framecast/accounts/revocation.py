"""What has ended, and whose connections end with it."""

from collections.abc import Callable
from dataclasses import dataclass

from framecast.accounts.identity import Identity


@dataclass(frozen=True, slots=True)
class Revocation:
    """Credentials that let nobody in any more, or that let in somebody with other rights than before."""

    credentials: frozenset[str] = frozenset()
    """As `Identity.credential` names them."""

    org_id: int | None = None
    """Only those who are in this org; None wherever they are."""

    whole_org: bool = False
    """Everybody who is in that org, whatever let them in."""

    may_return: bool = False
    """Whether the same credential still lets in, with other rights."""

    def hits(self, identity: Identity) -> bool:
        """Whether a connection of `identity` has to end."""
        if self.whole_org:
            return identity.org_id == self.org_id
        return identity.credential in self.credentials and self.org_id in {None, identity.org_id}


Announce = Callable[[Revocation], None]
"""Ends the connections that a revocation hits. Waits for nothing."""
