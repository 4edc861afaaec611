"""What clients are told about what was done: results as messages. Sans-io; the codec comes later."""

import msgspec
from msgspec import Raw

from framecast.channels.beginning import Beginning
from framecast.channels.broker import Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import Kept
from framecast.protocol import messages
from framecast.protocol.codes import TEMPORARY
from framecast.protocol.messages import NO_DATA, Error, HistoryResult, Publication, Reply, SubscribeResult

SOON_SECONDS = 1
"""The shortest time a client can be told; 0 would mean that nothing expires."""

LATE_SECONDS = 2**31 - 1
"""The longest: the Protobuf form has 32 bits for it, and who comes back sooner is told anew."""


def subscribe_result(
    beginning: Beginning,
    returning: Position | None,
    *,
    data: Raw,
    publications: tuple[Publication, ...] | Raw,
    delta: bool,
    ttl_seconds: float | None,
) -> SubscribeResult:
    """What a subscription begins with.

    To a client that gets all it missed, the offset is the one it asked from: it walks up by the publications
    (centrifuge's client.go; the SDKs take the reply's offset first and the publications after it). `publications` are
    `beginning.missed`.
    """
    position = beginning.position
    stands_at = returning if returning is not None and beginning.recovered else position
    return SubscribeResult(
        data=data,
        expires=ttl_seconds is not None,
        ttl=time_to_live(ttl_seconds),
        recoverable=beginning.recoverable,
        positioned=beginning.recoverable,
        epoch=position.epoch if beginning.recoverable else "",
        offset=stands_at.offset if beginning.recoverable else 0,
        publications=publications,
        recovered=beginning.recovered,
        was_recovering=returning is not None,
        delta=delta,
    )


def history_result(page: list[Kept], position: Position, *, detailed: bool = False) -> HistoryResult:
    """A page of a channel's past, and where its stream stands. `detailed` as in `publication`."""
    publications = tuple(publication(kept, detailed=detailed) for kept in page)
    return HistoryResult(publications, position.epoch, position.offset)


def publication(kept: Kept, *, quoted: bool = False, detailed: bool = False) -> Publication:
    """A publication of the past as clients see it.

    `quoted`: `data` is a string, as JSON clients with deltas expect; `detailed`: it is the fuller form, if there is
    one.
    """
    data = kept.payload(detailed=detailed)
    if quoted:
        data = msgspec.json.encode(data.decode())
    info = None if kept.info is None else client_info(kept.info)
    return Publication(data=Raw(data), info=info, offset=kept.offset)


def client_info(info: ClientInfo) -> messages.ClientInfo:
    """Who published, joined or is present, as clients see it."""
    return messages.ClientInfo(info.user, info.client, payload(info.conn_info), payload(info.chan_info))


def payload(data: bytes) -> Raw:
    """JSON as part of a message; b"" leaves it out."""
    return Raw(data) if data else NO_DATA


def error_reply(number: int, code: int, message: str, *, temporary: bool) -> Reply:
    """A command was refused."""
    return Reply(number, error=Error(code, message or "refused", temporary or code in TEMPORARY))


def time_to_live(seconds: float | None) -> int:
    """Whole seconds, as the protocol wants them; 0 for what never expires."""
    return 0 if seconds is None else int(min(max(SOON_SECONDS, seconds), LATE_SECONDS))
