"""Presence against a plain dictionary of who is where."""

from hypothesis import settings as run_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from framecast.channels.address import Address
from framecast.channels.client_info import ClientInfo
from framecast.channels.presence import ENTRY_BYTES, Presence

CHANNELS = [
    Address(1, "grafana", "broadcast", "a"),
    Address(2, "grafana", "broadcast", "a"),
    Address(1, "chat", "a", "b"),
]
CONNECTIONS = st.integers(1, 5)
USERS = st.sampled_from(["", "1", "jürgen"])


class Attending(RuleBasedStateMachine):
    """Connections join and leave, some of them twice, some with another info than before."""

    def __init__(self) -> None:
        super().__init__()
        self.presence = Presence()
        self.there: dict[tuple[Address, int], ClientInfo] = {}

    @rule(address=st.sampled_from(CHANNELS), connection=CONNECTIONS, user=USERS, size=st.integers(0, 9))
    def join(self, address: Address, connection: int, user: str, size: int) -> None:
        info = ClientInfo(user, f"client{connection}", b"1" * size, b"2" * (size // 2))
        self.presence.join(address, connection, info)
        self.there[address, connection] = info

    @rule(address=st.sampled_from(CHANNELS), connection=CONNECTIONS)
    def leave(self, address: Address, connection: int) -> None:
        self.presence.leave(address, connection)
        self.there.pop((address, connection), None)

    @rule(connection=CONNECTIONS)
    def leave_everywhere(self, connection: int) -> None:
        for address in CHANNELS:
            self.leave(address, connection)

    @invariant()
    def everybody_is_counted_once(self) -> None:
        for address in CHANNELS:
            here = [info for (where, _), info in self.there.items() if where == address]
            assert self.presence.on(address) == {info.client: info for info in here}
            assert self.presence.counts(address) == (len(here), len({info.user for info in here}))
            assert self.presence.size_bytes(address) == sum(info.size_bytes + ENTRY_BYTES for info in here)
        assert set(self.presence._by_channel) == {address for address, _ in self.there}


TestAttending = Attending.TestCase
TestAttending.settings = run_settings(deadline=None)


def test_what_was_handed_out_is_a_copy() -> None:
    presence, address = Presence(), CHANNELS[0]
    presence.join(address, 1, ClientInfo("u", "c"))
    seen = presence.on(address)
    presence.leave(address, 1)
    assert (list(seen), list(presence.on(address))) == (["c"], [])
