"""Finds the session that a frame is for which came by a request of its own, and hands it over in order.

A client that hears by an HTTP stream speaks so. It is told a secret at `connect` and shows it with every frame; the
secret alone is not enough, the request must be of the identity that opened the stream. Only of a stranger, who showed a
token in `connect`, the door knows no identity, and the secret is all.
"""

import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from framecast.accounts.identity import Identity
from framecast.client.transport import Emulated
from framecast.errors import PeerLeft, Refusal
from framecast.settings import Live

SESSION_BYTES = 32
"""Of chance in a session's secret: nobody guesses one."""

REQUEST_BYTES = 16_384
"""What a waiting request costs besides its frame: a connection's buffers and tasks."""


class EmulatedSessions:
    """The clients that speak by requests. One for the server; used from Trio's thread only."""

    def __init__(self, limits: Live) -> None:
        self.node = str(uuid.uuid4())
        """This process: a session of another one, or of the one before a restart, is not here."""
        self._limits = limits
        self._mailboxes: dict[str, Mailbox] = {}

    @contextmanager
    def open(self, owner: Identity | None) -> Iterator["Mailbox"]:
        """Take frames for a new session of `owner` (None: a stranger), for the length of the block."""
        address = Emulated(secrets.token_urlsafe(SESSION_BYTES), self.node)
        mailbox = Mailbox(address, owner, self._limits)
        self._mailboxes[address.session] = mailbox
        try:
            yield mailbox
        finally:
            del self._mailboxes[address.session]
            mailbox.close()

    async def deliver(self, sender: Identity | None, address: Emulated, frame: bytes) -> None:
        """Hand a frame to the session it is for, in the order of the calls, and wait until it is there.

        Refusal 404 when there is no such session, none any more, or one of somebody else's; 429 when it does not keep
        up, and then the frame is not handed over.
        """
        mailbox = self._mailboxes.get(address.session) if address.node == self.node else None
        if mailbox is None or mailbox.owner != sender:
            raise _unknown_session()
        await mailbox.put(frame)


def _unknown_session() -> Refusal:
    return Refusal(404, "no such session on this server: it has ended, or was never here; open the stream again")


class Mailbox:
    """Frames on their way to one session. It keeps none: who brings one waits until it is taken, first come first."""

    def __init__(self, address: Emulated, owner: Identity | None, limits: Live) -> None:
        self.address = address
        self.owner = owner
        self._limits = limits
        self._waiting_bytes = 0
        self._arriving, self._taking = trio.open_memory_channel[bytes](0)

    async def put(self, frame: bytes) -> None:
        """Wait until the session takes `frame`, for `live.command_seconds` at most. Refusal 404 or 429."""
        size = len(frame) + REQUEST_BYTES
        if self._waiting_bytes and self._waiting_bytes + size > self._limits.message_bytes:
            raise _too_many("frames are waiting for this session already")
        self._waiting_bytes += size
        try:
            with trio.fail_after(self._limits.command_seconds):
                await self._arriving.send(frame)
        except trio.TooSlowError:
            seconds = self._limits.command_seconds
            raise _too_many(f"the session did not come to this frame within {seconds:g} s") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise _unknown_session() from None
        finally:
            self._waiting_bytes -= size

    async def get(self) -> bytes:
        """The next frame, waiting for it; PeerLeft when there will be none."""
        try:
            return await self._taking.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise PeerLeft from None

    def close(self) -> None:
        """No more frames: who waits with one, or comes with one, is refused."""
        self._arriving.close()
        self._taking.close()


def _too_many(what: str) -> Refusal:
    return Refusal(429, f"too many requests: {what}; send it again later", temporary=True)
