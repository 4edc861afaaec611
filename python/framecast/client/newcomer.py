"""A client at the door of its session: how it comes, how it speaks, what is known of it."""

from collections.abc import Sequence

import msgspec

from framecast.accounts.identity import Identity
from framecast.client.rooms import Outbox
from framecast.client.roster import Place
from framecast.client.transport import Emulated, Transport
from framecast.protocol.codec import Codec


class Newcomer(msgspec.Struct, frozen=True, kw_only=True):
    """What a transport's room hands over. It owns the stream beneath, and closes it afterwards."""

    transport: Transport
    outbox: Outbox
    codec: Codec
    place: Place
    """Where it is counted."""

    visitor: Identity | None
    """Whom the door let in; None for somebody who must bring a token."""

    with_cookies: bool = False
    """Whether its request came with cookies. A stranger of whom that is so may be somebody whose session has ended."""

    emulated: Emulated | None = None
    """What a client of a one-way transport names itself by when it speaks."""

    listens_to: Sequence[str] | None = None
    """The channels of one who cannot speak, and so is subscribed without asking; None for who can. Its transport says
    `connect` for it, its codec is unidirectional, and no pong is expected of it."""
