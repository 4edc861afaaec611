"""Who is on which channel: the subscribers of this node, as others may see them.

An entry is written when its subscriber joins and removed when it leaves, never refreshed: it is the node that would
answer for entries of a node that is gone. Belongs to the Trio thread; nothing in it waits. Bounded by what it is told:
as many entries as there are subscriptions.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from framecast.channels.address import Address
from framecast.channels.client_info import ClientInfo

ENTRY_BYTES = 100
"""What an entry takes in a reply beside its info: the client id once more, the names of the fields."""


@dataclass(slots=True)
class _Attendance:
    """One channel's subscribers, by connection."""

    present: dict[int, ClientInfo] = field(default_factory=dict)
    clients_of: Counter[str] = field(default_factory=Counter)
    """How many clients each user has there: asking for the counts must cost nothing on a large channel."""
    size_bytes: int = 0


class Presence:
    """The present subscribers of all channels."""

    def __init__(self) -> None:
        self._by_channel: dict[Address, _Attendance] = {}

    def join(self, address: Address, connection: int, info: ClientInfo) -> None:
        """The connection is on the channel as `info` from now on, whatever it was there before."""
        self.leave(address, connection)
        attendance = self._by_channel.get(address)
        if attendance is None:
            attendance = self._by_channel[address] = _Attendance()
        attendance.present[connection] = info
        attendance.clients_of[info.user] += 1
        attendance.size_bytes += info.size_bytes + ENTRY_BYTES

    def leave(self, address: Address, connection: int) -> None:
        """The connection is not on the channel any more. Idempotent."""
        attendance = self._by_channel.get(address)
        info = attendance.present.pop(connection, None) if attendance is not None else None
        if attendance is None or info is None:
            return
        attendance.size_bytes -= info.size_bytes + ENTRY_BYTES
        attendance.clients_of[info.user] -= 1
        if not attendance.clients_of[info.user]:
            del attendance.clients_of[info.user]
        if not attendance.present:
            del self._by_channel[address]

    def on(self, address: Address) -> Mapping[str, ClientInfo]:
        """Who is on the channel now, by client id: a copy."""
        attendance = self._by_channel.get(address)
        return {} if attendance is None else {info.client: info for info in attendance.present.values()}

    def counts(self, address: Address) -> tuple[int, int]:
        """How many clients, and how many users; all clients of the user "" are one user."""
        attendance = self._by_channel.get(address)
        return (0, 0) if attendance is None else (len(attendance.present), len(attendance.clients_of))

    def size_bytes(self, address: Address) -> int:
        """About what `on` takes as a reply."""
        attendance = self._by_channel.get(address)
        return 0 if attendance is None else attendance.size_bytes
