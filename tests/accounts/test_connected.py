"""Connections of all kinds, found and ended by what let them in."""

from collections.abc import Iterable

from framecast.accounts.connected import Connected, Hits
from framecast.accounts.identity import Identity, Role

ANN = Identity(1, "ann", Role.EDITOR, credential="a")
BOB = Identity(1, "bob", Role.EDITOR, credential="b")


class Some:
    def __init__(self, *identities: Identity) -> None:
        self._identities = list(identities)
        self.ended: list[tuple[str, bool]] = []

    def identities(self) -> Iterable[Identity]:
        return self._identities

    def end(self, hits: Hits, *, may_return: bool) -> None:
        self.ended += [(identity.login, may_return) for identity in self._identities if hits(identity)]


def test_every_kind_of_connection_is_looked_through() -> None:
    connected = Connected()
    assert list(connected.identities()) == []
    one, other = Some(ANN, BOB), Some(BOB)
    connected.add(one)
    connected.add(other)
    assert list(connected.identities()) == [ANN, BOB, BOB]
    connected.end(lambda identity: identity.credential == "b", may_return=True)
    assert (one.ended, other.ended) == ([("bob", True)], [("bob", True)])
