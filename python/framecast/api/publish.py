"""``POST /api/live/publish``: one message into a channel, by who has no connection to say it on.

What becomes of it is what becomes of a WebSocket's publish: the same scopes decide, and subscribers get the message as
it was sent (in Grafana Live the two differ: grafana-live §1.5). Nothing is decided here.
"""

from typing import Any

import msgspec
import trio
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from framecast.accounts.identity import Identity
from framecast.api.bodies import check_content_type, read_whole
from framecast.api.routing import PROBLEM, ApiRoute, Caller, Media, check_stands
from framecast.channels.address import parse_channel
from framecast.channels.client_info import ClientInfo
from framecast.errors import Refusal
from framecast.ingest.held import ByteBudget
from framecast.protocol.codes import ErrorCode
from framecast.protocol.payload import without_line_breaks
from framecast.scopes.table import ScopeTable
from framecast.settings import Live

PATH = "/api/live/publish"

MESSAGE = Media(
    "application/json",
    "The channel with an org prefix or without, and any JSON.",
    schema={
        "type": "object",
        "required": ["channel", "data"],
        "properties": {"channel": {"type": "string"}, "data": {}},
    },
)

STATUSES = {
    ErrorCode.PERMISSION_DENIED.code: 403,
    ErrorCode.LIMIT_EXCEEDED.code: 429,
    ErrorCode.BAD_REQUEST.code: 400,
    ErrorCode.TOO_MANY_REQUESTS.code: 503,
}
"""What the protocol's own codes are over HTTP; the others that scopes refuse with are statuses already."""


class _Message(msgspec.Struct, frozen=True):
    channel: str
    data: Raw


_decoder = msgspec.json.Decoder(_Message)


class Publishing:
    """The route. The bodies that it holds count as what clients have `waiting`."""

    def __init__(self, scopes: ScopeTable, limits: Live, waiting: ByteBudget) -> None:
        self._scopes = scopes
        self._limits = limits
        self._waiting = waiting

    def routes(self) -> list[BaseRoute]:
        """The one route there is."""
        problems: dict[int, Any] = dict.fromkeys((403, 404, 408, 413, 415, 429, 503), PROBLEM)
        return [ApiRoute(PATH, self.publish, methods=("POST",), takes=MESSAGE, answers={200: dict, **problems})]

    async def publish(self, request: Request, caller: Caller) -> Response:
        """Publish one message on a channel.

        Its subscribers get it as it was sent, but on a dashboard's channel.
        """
        with self._waiting.hold() as held:
            body = await read_whole(request, held, self._limits.message_bytes, "live.message_size_limit")
            check_content_type(request)
            check_stands(request)
            try:
                with trio.fail_after(self._limits.command_seconds):
                    await self._publish(caller, _read_message(body))
            except trio.TooSlowError:
                raise Refusal(503, "publishing took longer than live.command_seconds: try again later") from None
            except Refusal as refusal:
                status = refusal.code if refusal.code >= 400 else STATUSES[refusal.code]
                raise Refusal(status, refusal.message) from None
        return JSONResponse({})

    async def _publish(self, caller: Identity, message: _Message) -> None:
        address = parse_channel(message.channel, caller.org_id)
        data = without_line_breaks(bytes(message.data))
        info = ClientInfo(caller.login, client="")
        await self._scopes.find(address).publish(caller, address, data, info)


def _read_message(body: bytes) -> _Message:
    """Refusal 400 for a body that is none."""
    try:
        # msgspec checks the encoding only of the strings it keeps; the message goes on to clients as it is.
        str(body, "utf-8")
        return _decoder.decode(body)
    except UnicodeDecodeError as error:
        why = f"no UTF-8 at byte {error.start}"
    except RecursionError:
        why = "nested too deep"
    except msgspec.DecodeError as error:
        why = str(error)
    raise Refusal(
        400, f'bad request data: {why}; the body has to be {{"channel": "scope/namespace/path", "data": JSON}}'
    )
