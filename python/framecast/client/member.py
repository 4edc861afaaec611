"""One client as its commands see it: its session, its queue, who it turned out to be."""

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from framecast.accounts.admission import Admission
from framecast.accounts.identity import Identity
from framecast.channels.client_info import ClientInfo
from framecast.client.newcomer import Newcomer
from framecast.client.pace import Pace
from framecast.client.rooms import Rooms
from framecast.client.session import Session
from framecast.protocol.codes import CloseCode
from framecast.protocol.messages import Ping, Push, Reply


def _nowhere(what: object) -> None:
    raise RuntimeError(f"no connection to say {what!r} on")


@dataclass(slots=True, kw_only=True)
class Member:
    """What the parts of one connection share."""

    session: Session
    rooms: Rooms
    newcomer: Newcomer

    send: Callable[[Reply | Push | Ping], None] = _nowhere
    """Queue one message. The connection's, once there is one."""

    end: Callable[[CloseCode], None] = _nowhere
    """End the connection, as above."""

    admission: Admission | None = None
    """Who it is, once it was let in."""

    pace: Pace = field(init=False)
    """How fast its commands are carried out."""

    def __post_init__(self) -> None:
        limits = self.rooms.settings
        self.pace = Pace(limits.commands_per_second, limits.commands_burst, now=0.0)

    @property
    def connection(self) -> int:
        """The core's handle of the connection."""
        return self.newcomer.outbox.connection

    @property
    def identity(self) -> Identity:
        """Who it is. Only of one who was let in."""
        return self.admitted.identity

    @property
    def admitted(self) -> Admission:
        """How it was let in. RuntimeError before that."""
        if self.admission is None:
            raise RuntimeError("the session let a command pass before connect")
        return self.admission

    def info(self, chan_info: bytes = b"") -> ClientInfo:
        """What others are shown of it."""
        return ClientInfo(self.identity.login, self.session.client, self.admitted.conn_info, chan_info)

    def seconds_until(self, unix_seconds: float | None) -> float | None:
        """How long it is until a token's time; None for never."""
        return None if unix_seconds is None else unix_seconds - self.rooms.unix_seconds()

    def deadline(self, seconds: float | None) -> float:
        """That time on Trio's clock."""
        return float("inf") if seconds is None else trio.current_time() + seconds
