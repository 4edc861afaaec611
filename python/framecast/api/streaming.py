"""Live for whom no WebSocket comes through: server-sent events, HTTP streams, and the commands beside them.

The forms are those of centrifuge (handler_sse.go, handler_http_stream.go, handler_emulation.go), as centrifuge-js
speaks them. What is heard and said is the business of others: here are requests, their answers and their limits.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from framecast.accounts.gate import Visitors
from framecast.accounts.identity import Identity
from framecast.api.bodies import read_whole
from framecast.api.cross_origin import CrossOrigin
from framecast.api.late import head_of
from framecast.api.routing import NOTHING, PROBLEM, Answer, ApiRoute, Media
from framecast.client.http_stream import HttpStreams, Opening
from framecast.client.listener import connect_frame
from framecast.door.outbound import Reading
from framecast.errors import Refusal
from framecast.ingest.held import ByteBudget, Held
from framecast.protocol import json_codec
from framecast.protocol.emulation import parse_json, parse_protobuf
from framecast.protocol.messages import Command
from framecast.settings import Live

SSE_PATH = "/api/live/sse"
HTTP_STREAM_PATH = "/api/live/http_stream"
EMULATION_PATH = "/api/live/emulation"
UNI_SSE_PATH = "/api/live/uni_sse"
PATHS = frozenset({SSE_PATH, HTTP_STREAM_PATH, EMULATION_PATH, UNI_SSE_PATH})
"""Where pages of allowed origins may come from elsewhere. Asked of all of them, and whatever the method
(`routes.build_check`): who opens a stream takes a place, and hears."""

CHANGING = frozenset({"publish", "rpc", "send"})
"""Commands that a link on any page must not be able to give in its reader's name."""

SSE_PREFIX = b"\r\n"
"""An empty line, so that what waits for the body's first bytes goes on (centrifuge's handler_sse.go)."""

EVENTS = Media("text/event-stream")
COMMANDS = Media("application/json", "commands of the Centrifuge protocol; Protobuf as application/octet-stream")
PROBLEMS: dict[int, Answer] = dict.fromkeys((403, 408, 413, 429, 503), PROBLEM)

HEADERS = {
    "Cache-Control": "no-store, no-transform",  # a proxy that compressed the stream would hold it back
    "X-Accel-Buffering": "no",
}


class OpenAnswer:
    """An answer whose end is not sent yet: a client hears by it."""

    def __init__(self, receive: Receive, send: Send, head: Message, prefix: bytes) -> None:
        self._receive = receive
        self._send = send
        self._head = head
        self._prefix = prefix

    async def begin(self) -> None:
        """Send the head, and what goes before all that the client hears."""
        await self._send(self._head)
        if self._prefix:
            await self.write(self._prefix)

    async def write(self, data: bytes) -> None:
        """Send the next bytes, waiting for the peer."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def wait_left(self) -> None:
        """Return when the peer has left. The request's body must have been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class StreamedAnswer(Response):
    """An answer that goes on until the client or its session ends; chunked, since it has no length."""

    def __init__(self, subscribers: HttpStreams, opening: Opening, *, media_type: str, prefix: bytes = b"") -> None:
        super().__init__(headers=HEADERS, media_type=media_type)
        del self.headers["content-length"]
        self._subscribers = subscribers
        self._opening = opening
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then what the client hears, then the end. Refusal 503 before that."""
        head = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await self._subscribers.serve(self._opening, OpenAnswer(receive, send, head, self._prefix))
        await send({"type": "http.response.body", "body": b""})


class CrossOriginRoute(ApiRoute):
    """A route whose answers pages of allowed origins may read."""

    def __init__(self, *args: Any, methods: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, methods=[*methods, "OPTIONS"], **kwargs)
        self.app = CrossOrigin(self.app)


class Streaming:
    """The routes of the streams. The bodies that they hold count as what clients have `waiting`.

    They ask the gate themselves: strangers may come with a token in their first command, and what a browser asks before
    a request (OPTIONS) never has one. `openers` is that gate with those counted who open a stream. What comes beside
    one is counted command by command: an SDK hears of a refusal by its reply, and of a status not at all.
    """

    def __init__(
        self,
        subscribers: HttpStreams,
        visitors: Visitors,
        limits: Live,
        waiting: ByteBudget,
        *,
        openers: Visitors | None = None,
    ) -> None:
        self._subscribers = subscribers
        self._visitors = visitors
        self._openers = visitors if openers is None else openers
        self._limits = limits
        self._waiting = waiting

    def routes(self) -> list[BaseRoute]:
        """Which path leads to which of the methods below."""
        get, post = ("GET",), ("POST",)
        lines = Media("application/x-ndjson", "lines of JSON; Protobuf messages as application/octet-stream")
        answers = {200: EVENTS, **PROBLEMS}
        return [
            CrossOriginRoute(SSE_PATH, self.sse, methods=(*get, *post), takes=COMMANDS, answers=answers),
            CrossOriginRoute(
                HTTP_STREAM_PATH, self.http_stream, methods=post, takes=COMMANDS, answers={200: lines, **PROBLEMS}
            ),
            CrossOriginRoute(
                EMULATION_PATH,
                self.emulation,
                methods=post,
                takes=COMMANDS,
                answers={204: NOTHING, 404: PROBLEM, **PROBLEMS},
            ),
            CrossOriginRoute(UNI_SSE_PATH, self.uni_sse, methods=get, answers={**answers, 404: PROBLEM}),
        ]

    async def sse(
        self,
        request: Request,
        first_frame: Annotated[str | None, Query(alias="cf_connect", description="The first frame, of a GET.")] = None,
    ) -> Response:
        """Subscribe by server-sent events, JSON only.

        The first frame of commands is in the query, or a POST's body.
        """
        _refuse_head(request, "GET, POST, OPTIONS")
        visitor = await self._admit(request)
        body = await self._read_first(request)
        first = body if request.method == "POST" else _check_connect(first_frame)
        opening = Opening(visitor, _address(request), first, Reading("json", "sse"), with_cookies=_has_cookies(request))
        return StreamedAnswer(self._subscribers, opening, media_type="text/event-stream", prefix=SSE_PREFIX)

    async def uni_sse(
        self,
        request: Request,
        channels: Annotated[list[str], Query(alias="channel", description="May be repeated.")] = [],  # noqa: B006 - FastAPI copies it
        token: Annotated[str, Query(description="Says who it is, as a JWT.")] = "",
    ) -> Response:
        """Listen to channels by server-sent events, without saying anything.

        401 for a stranger without a token; 400, 403 or 404 for a channel that nobody could listen to.
        """
        _refuse_head(request, "GET, OPTIONS")
        visitor = await self._admit(request)
        if visitor is None and not token:
            raise Refusal(401, "bring a token, ?token=…: this server lets nobody else in")
        await self._read_first(request)
        wanted = tuple(dict.fromkeys(channels))
        self._subscribers.check_channels(wanted, visitor)
        reading = Reading("json", "sse", unidirectional=True)
        opening = Opening(visitor, _address(request), connect_frame(token), reading, wanted)
        return StreamedAnswer(self._subscribers, opening, media_type="text/event-stream", prefix=SSE_PREFIX)

    async def http_stream(self, request: Request) -> Response:
        """Subscribe by a stream of lines of JSON, or of Protobuf messages behind their lengths.

        Which it is the request's body says by its type.
        """
        visitor = await self._admit(request)
        first = await self._read_first(request)
        binary = _is_binary(request)
        reading = Reading("protobuf" if binary else "json", "stream")
        opening = Opening(visitor, _address(request), first, reading, with_cookies=_has_cookies(request))
        media_type = "application/octet-stream" if binary else "application/x-ndjson"
        return StreamedAnswer(self._subscribers, opening, media_type=media_type)

    async def emulation(self, request: Request) -> Response:
        """A frame of commands for a session whose client hears by a stream."""
        visitor = await self._visitors(head_of(request.scope))
        parse = parse_protobuf if _is_binary(request) else parse_json
        with self._waiting.hold() as held:
            body = await self._read(request, held)
            try:
                emulated = parse(body)
            except ValueError as malformed:
                raise Refusal(400, f"the request's body is {malformed}") from None
            await self._subscribers.deliver(visitor, emulated)
        return Response(status_code=204)

    async def _admit(self, request: Request) -> Identity | None:
        """Who wants to listen. Refusal 401 or 429, or 503 while nobody is served."""
        visitor = await self._openers(head_of(request.scope))
        self._subscribers.check_open()
        return visitor

    async def _read_first(self, request: Request) -> bytes:
        with self._waiting.hold() as held:
            return await self._read(request, held)

    async def _read(self, request: Request, held: Held) -> bytes:
        return await read_whole(request, held, self._limits.message_bytes, "live.message_size_limit")


def _refuse_head(request: Request, allowed: str) -> None:
    """Starlette lets HEAD come wherever GET may. Nobody is served by it, and it must not take a place."""
    if request.method == "HEAD":
        raise HTTPException(405, headers={"Allow": allowed})


def _has_cookies(request: Request) -> bool:
    return "cookie" in request.headers


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _is_binary(request: Request) -> bool:
    """Whether client and server speak Protobuf."""
    kind: str = request.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower() == "application/octet-stream"


def _check_connect(frame: str | None) -> bytes:
    """The frame in the query of a GET; Refusal 400 when there is none, or one that changes something."""
    if frame is None:
        raise Refusal(400, 'the query has no cf_connect: the first frame of commands, {"id":1,"connect":{}} for one')
    for item in json_codec.decode(frame):
        if isinstance(item, Command) and item.method in CHANGING:
            raise Refusal(400, f"cf_connect holds {item.method}: what changes something has to come by POST")
    return frame.encode("utf-8", "surrogatepass")
