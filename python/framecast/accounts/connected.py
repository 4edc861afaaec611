"""Who has a connection now, of whatever kind, and the way to end it when what let it in is no good any more."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from framecast.accounts.identity import Identity

Hits = Callable[[Identity], bool]
"""Says whether a connection of this identity has to end."""


class Group(Protocol):
    """All connections of one kind."""

    def identities(self) -> Iterable[Identity]:
        """Of each connection that was let in."""

    def end(self, hits: Hits, *, may_return: bool) -> None:
        """End those that `hits` names. Waits for nothing; the connections say goodbye by themselves.

        `may_return`: their clients are to come back at once, since they may be let in again.
        """


class Connected:
    """All groups of one server. Each is added when it is made."""

    def __init__(self) -> None:
        self._groups: list[Group] = []

    def add(self, group: Group) -> None:
        """From now on its connections are found here."""
        self._groups.append(group)

    def identities(self) -> Iterator[Identity]:
        """Of everybody who was let in; of some more than once."""
        for group in self._groups:
            yield from group.identities()

    def end(self, hits: Hits, *, may_return: bool) -> None:
        """As `Group.end`, whatever kind the connections are of."""
        for group in self._groups:
            group.end(hits, may_return=may_return)
