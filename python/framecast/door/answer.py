"""One HTTP answer, independent of who sends it, and the closing that lets a refused peer read it.

No header of an answer may hold anything of a peer's: nothing is escaped here.
"""

import math
import time
from functools import lru_cache
from http import HTTPStatus

import msgspec
import trio

from framecast.errors import Refusal

Headers = tuple[tuple[str, str], ...]

RETRY_SECONDS = "5"
"""What 429 and 503 suggest where nothing better is known; Telegraf's influxdb_v2 output reads whole seconds only."""

_OF_STATUS: dict[int, Headers] = {
    401: (("WWW-Authenticate", "Bearer"),),
    415: (("Accept-Encoding", "gzip, identity"),),
    426: (("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")),
}
_COME_AGAIN = frozenset({429, 503})


class Answer(msgspec.Struct, frozen=True):
    """Status, headers and body; Content-Length, Date and Connection are added when it is sent."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def json_answer(status: int, document: object, headers: Headers = ()) -> Answer:
    """Answer with `document` as JSON."""
    return Answer(status, (("Content-Type", "application/json"), *headers), msgspec.json.encode(document))


def refusal_answer(refusal: Refusal, headers: Headers = ()) -> Answer:
    """Answer ``{"message": ...}`` with the refusal's status and the headers HTTP asks for with it."""
    status, asked_for = describe_refusal(refusal)
    return json_answer(status, {"message": refusal.message, **refusal.details}, (*asked_for, *headers))


def describe_refusal(refusal: Refusal) -> tuple[int, Headers]:
    """The refusal's status, and the headers HTTP asks for with it."""
    status = refusal.code if 400 <= refusal.code <= 599 else 400
    headers = _OF_STATUS.get(status, ())
    if status in _COME_AGAIN:
        known = refusal.retry_seconds
        headers = (*headers, ("Retry-After", RETRY_SECONDS if known is None else str(max(1, math.ceil(known)))))
    return status, headers


def encode_answer(answer: Answer, *, keep: bool) -> bytes:
    """The bytes of an answer; without `keep` it says that the connection closes after it.

    Written here and not by h11: an answer was a third of a small push's cost there.
    """
    return _encode_head(answer.status, answer.headers, len(answer.body), int(time.time()), keep=keep) + answer.body


@lru_cache
def _encode_head(status: int, headers: Headers, body_bytes: int, unix_seconds: int, *, keep: bool) -> bytes:
    """One that was made is good for a second: small pushes are answered alike."""
    lines = [_status_line(status)]
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append(time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime(unix_seconds)))
    if status != 204:
        lines.append(f"Content-Length: {body_bytes}")
    lines.append("\r\n" if keep else "Connection: close\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1")


def _status_line(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return f"HTTP/1.1 {status} {phrase}"


async def linger(stream: trio.abc.Stream, *, seconds: float, max_bytes: int) -> None:
    """Say that we send no more, then read and drop what still comes until the peer closes or a limit is met.

    Closing with unread bytes would make the kernel send a reset, and the peer could lose our answer.
    """
    with trio.move_on_after(seconds):
        try:
            if isinstance(stream, trio.abc.HalfCloseableStream):
                await stream.send_eof()
            while max_bytes > 0 and (data := await stream.receive_some(65_536)):
                max_bytes -= len(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
