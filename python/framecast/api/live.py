"""``/api/live``: the list of channels, and the answer to an upgrade that came too late."""

from collections.abc import Sequence
from typing import Any

import msgspec
import structlog
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from framecast.accounts.identity import Identity
from framecast.accounts.permissions import may_see_channel
from framecast.api.problems import problem
from framecast.streams.table import ListedChannel, StreamTable

log = structlog.get_logger(__name__)

UPGRADE_REQUIRED = (
    "a WebSocket has to be the first request of its connection or follow pushes only; open a new connection for it"
)


class Channel(BaseModel):
    """A managed channel."""

    channel: str
    minute_rate: int
    data: dict[str, Any]


class Channels(BaseModel):
    """What Grafana lists as live measurements."""

    channels: list[Channel]


async def list_channels(request: Request) -> Response:
    """The managed channels with their rate and schema, sorted, and behind them those that are always there.

    Of those that the caller may subscribe to (grafana-live §1.6).
    """
    streams: StreamTable = request.app.state.streams
    listed: Sequence[ListedChannel] = request.app.state.listed
    identity: Identity = request.state.identity
    rows = [
        {
            "channel": row.channel,
            "minute_rate": row.minute_rate,
            "data": {"schema": msgspec.Raw(row.schema)},
        }
        for row in (*await streams.list_channels(identity.org_id), *listed)
        if may_see_channel(identity, row.channel)
    ]
    return Response(msgspec.json.encode({"channels": rows}), media_type="application/json")


async def late_upgrade(websocket: WebSocket) -> None:
    """An upgrade that reached the app came behind another request on a kept-alive connection: 426."""
    try:
        await websocket.send_denial_response(problem(426, UPGRADE_REQUIRED, {"Upgrade": "websocket"}))
    except Exception as error:  # noqa: BLE001 - hypercorn lets its libraries' complaints about the peer's bytes through
        log.debug("late upgrade broke off", error=repr(error))
