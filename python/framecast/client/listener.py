"""Clients that only listen: what their request has to name, and the command that is said for them.

One line of curl becomes a subscriber so. Whoever makes the request reads HTTP statuses, so what can be refused is
refused before the answer begins; what turns up later is a `disconnect` push (protocol/unidirectional.py).
"""

from collections.abc import Sequence

import msgspec

from framecast.accounts.identity import Identity
from framecast.accounts.permissions import check_subscribe
from framecast.channels.address import org_named_by, parse_channel
from framecast.client.rooms import Rooms
from framecast.client.session import MAX_CHANNEL_BYTES
from framecast.errors import Refusal
from framecast.protocol.codes import ErrorCode

ANY_ORG = 1
"""Of a stranger whose channel names none: its token will tell."""


def check_channels(channels: Sequence[str], visitor: Identity | None, rooms: Rooms) -> None:
    """Refuse, as HTTP does, channels that nobody could listen to: 400, 404 without a scope.

    403 for another org's, and for those that the visitor may not listen to: of a stranger, its token will tell.
    """
    limit = rooms.settings.channels_per_client
    if not channels:
        raise Refusal(400, "the query names no channel: ?channel=stream/STREAM/MEASUREMENT, once for each")
    if len(channels) > limit:
        raise Refusal(400, f"the query names {len(channels)} channels, more than {limit} (live.channels_per_client)")
    for channel in channels:
        if len(channel.encode("utf-8", "surrogatepass")) > MAX_CHANNEL_BYTES:
            raise Refusal(400, f"a channel of the query is longer than {MAX_CHANNEL_BYTES} bytes")
        org_id = (org_named_by(channel) or ANY_ORG) if visitor is None else visitor.org_id
        try:
            address = parse_channel(channel, org_id)
        except Refusal as refusal:
            code = 403 if refusal.code == ErrorCode.PERMISSION_DENIED.code else refusal.code
            raise Refusal(code, f"channel {channel!r}: {refusal.message}") from None
        rooms.scopes.find(address)
        if visitor is not None:
            check_subscribe(visitor, address)


def connect_frame(token: str) -> bytes:
    """The one command of a listener, as JSON."""
    return msgspec.json.encode({"id": 1, "connect": {"token": token} if token else {}})
