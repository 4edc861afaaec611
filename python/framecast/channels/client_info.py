"""Who a client is, as others on a channel see it: the sender of a publication, somebody who joins, leaves, is there."""

import msgspec


class ClientInfo(msgspec.Struct, frozen=True):
    """One client of one user. Two connections of a user are two clients."""

    user: str
    """The user's id; "" is nobody in particular."""

    client: str
    """The connection's id, new with every connection."""

    conn_info: bytes = b""
    """JSON that came with the connection's token; b"" where there is none."""

    chan_info: bytes = b""
    """JSON that came with the subscription's token; b"" where there is none."""

    @property
    def parts(self) -> tuple[str, str, bytes, bytes]:
        """As the core takes it."""
        return self.user, self.client, self.conn_info, self.chan_info

    @property
    def size_bytes(self) -> int:
        """What its parts hold, and about what it takes on the wire beside its field names."""
        return len(self.user.encode()) + len(self.client) + len(self.conn_info) + len(self.chan_info)
