"""Reads one HTTP/1 request head, bounded in bytes and time, and refuses every doubtful one before a room sees it.

Two parsers that read one request differently are how requests are smuggled, and several rooms read what comes
through this door. So the rules are those of RFC 9112 without its leniencies: CRLF only, no folded lines, one Host,
one length. One pattern describes a whole head, and what it matches is cut at its line ends and first colons: there is
nothing left to understand. The tests hold it to what h11 reads.
"""

import re
from functools import cached_property

import msgspec
import trio

from framecast.door.body import ChunkedBody, CountedBody, IncomingBody
from framecast.door.closing import Closing
from framecast.errors import Refusal
from framecast.settings import Server

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_HEAD = re.compile(
    rb"(?P<method>" + _TOKEN + rb"++) (?P<target>[\x21-\x7e]++) HTTP/(?P<version>[0-9]\.[0-9])\r\n"
    rb"(?:" + _TOKEN + rb"++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+\r\n"
)
_REQUEST_LINE = re.compile(_TOKEN + rb"+ [\x21-\x7e]+ HTTP/[0-9]\.[0-9]")
_HEADER_LINE = re.compile(_TOKEN + rb"+:[\t\x20-\x7e\x80-\xff]*")
_FIELD = re.compile(rb"([^:\r]++):([^\r]*+)\r\n")
_BARE_LINE_END = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%\-]+)(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE)
_LENGTH_DIGITS = 18
_LENGTH = re.compile(rb"[0-9]{1,%d}" % _LENGTH_DIGITS)
_LENGTH_LINE = re.compile(rb"\r\ncontent-length:[\t ]*+([0-9]++)", re.IGNORECASE)
_END = b"\r\n\r\n"
_READ_BYTES = 65_536

REMEMBERED_BYTES = 2_048
"""Of the last head of a connection: what programs send again and again is shorter, and idle connections are many."""

Headers = tuple[tuple[bytes, bytes], ...]


class RequestHead(msgspec.Struct, frozen=True, dict=True):
    """What a request asks for, and of whom: all of its head but how long its body is.

    `path` and `query` are as the peer wrote them, still percent-encoded.
    """

    method: str
    target: str
    path: str
    query: str
    version: str
    headers: Headers
    """Names in lower case, in the order they came; from the door without Content-Length."""
    peer: str = ""
    """The IP address of the client; "" where that is not known."""
    neighbour: str = ""
    """The IP address at the other end of the connection: the client's, or that of a proxy between. "" as above."""

    def find(self, name: bytes) -> bytes | None:
        """The value of a header (`name` in lower case), several joined as HTTP joins lists; None without one."""
        values = [value for key, value in self.headers if key == name]
        return b", ".join(values) if values else None

    def find_text(self, name: bytes) -> str | None:
        """`find` as text: each byte a character, whatever the peer meant by it."""
        value = self.find(name)
        return None if value is None else value.decode("latin-1")

    def has_token(self, name: bytes, token: bytes) -> bool:
        """Whether the list of a header holds `token` (lower case)."""
        return token in [part.strip().lower() for part in (self.find(name) or b"").split(b",")]

    @cached_property
    def keeps_alive(self) -> bool:
        """Whether a further request may follow on the connection, as far as the peer is concerned."""
        return self.version != "1.0" and not self.has_token(b"connection", b"close")

    @cached_property
    def waits_to_go_on(self) -> bool:
        """Whether the peer sends no body before it is told that it is wanted."""
        return self.version != "1.0" and self.has_token(b"expect", b"100-continue")

    @property
    def wants_websocket(self) -> bool:
        """Whether it asks for a WebSocket, rightly or not."""
        return self.has_token(b"upgrade", b"websocket")


class Received(msgspec.Struct, frozen=True):
    """A request head, and what takes in the body behind it."""

    head: RequestHead
    """The very same as of the request before, where that was the same."""
    raw: bytes
    """The head's bytes, with the empty line."""
    body: IncomingBody


class _Understood(msgspec.Struct, frozen=True):
    """What the bytes of a head mean: good for every head with the same bytes around the number of Content-Length."""

    head: RequestHead
    before: bytes
    """Up to that number; all of it where there is none."""
    after: bytes
    """Behind that number."""
    chunked: bool

    def recognise(self, raw: bytes) -> int | None:
        """The length of the body, if this is the same head, whatever number it says; else None."""
        if not self.after:
            return 0 if raw == self.before else None
        if not (raw.startswith(self.before) and raw.endswith(self.after)):
            return None
        number = raw[len(self.before) : -len(self.after)]
        return int(number) if number.isdigit() and len(number) <= _LENGTH_DIGITS else None

    def received(self, raw: bytes, length: int, *, max_bytes: int) -> Received:
        """A request that begins with the head `raw`. Refusal 400 when h11 does not take that for one with chunks."""
        body = ChunkedBody(raw, max_head_bytes=max_bytes) if self.chunked else CountedBody(length)
        return Received(self.head, raw, body)


class HeadReader:
    """Takes the request heads of one connection off its stream, one at a time. Owned by the connection's task.

    `scope` is to be entered around all of that, and the requests' answers: it is cancelled when one does not come in
    time, which it is then for `check_late` to judge. Plays `Waiter`.
    """

    def __init__(
        self, stream: trio.abc.ReceiveStream, limits: Server, closing: Closing | None = None, *, peer: str = ""
    ) -> None:
        self.scope = trio.CancelScope()
        self._stream = stream
        self._peer = peer
        self._closing = closing or Closing()
        self._limits = limits
        self._rest = b""
        """What came behind the last head."""
        self._partial = bytearray()
        """What came of the next one, while it is not whole."""
        self._wait_seconds = limits.head_seconds
        """The first one may take as long from the beginning as others from their first byte."""
        self._hurried = True
        """Whether the wait under way is timed as a head is, and not as the wait for one."""
        self._ended = False
        self._last: _Understood | None = None

    async def next_request(self) -> Received | None:
        """Read the next head. None when the peer left; Refusal when it is no good."""
        seconds = self._wait_seconds
        if self._rest:  # a peer that sends request behind request brings no wait in which others get their turn
            await trio.lowlevel.checkpoint()
        self._closing.wait(self, seconds)
        try:
            data = self._rest or await self._receive()
            end = data.find(_END, 0, self._limits.head_bytes)
            if data and (end < 0 or data.startswith(b"\r\n")):
                data = await self._read_on(data)
                end = data.find(_END)
        finally:
            self._closing.wait_no_more(self, self._wait_seconds)
            self._wait_seconds = self._limits.keep_alive_seconds
            self._hurried = False
        if not data:
            return None
        end += len(_END)
        self._rest = data[end:]
        return self._begin(data[:end])

    def check_late(self) -> None:
        """To be asked when `scope` was cancelled: Refusal 408 for who had begun a head, and not ended it in time."""
        if self._partial:
            raise Refusal(408, f"the request head did not arrive within {self._limits.head_seconds:g} s")

    @property
    def idle(self) -> bool:
        """See the role."""
        return not (self._rest or self._partial)

    def end(self) -> None:
        """See the role."""
        self._ended = True
        self.scope.cancel()

    def take_rest(self) -> bytes:
        """Hand over what was read beyond the head."""
        rest, self._rest = self._rest, b""
        return rest

    def give_back(self, data: bytes) -> None:
        """Put back what a room read beyond its request: it is the beginning of the next one."""
        self._rest = data

    def _begin(self, raw: bytes) -> Received:
        """Parse a head, unless it is the one before it once more: programs send the same again and again."""
        last = self._last
        length = None if last is None else last.recognise(raw)
        if last is None or length is None:
            last, length = _understand(raw, self._peer)
            self._last = last if len(raw) <= REMEMBERED_BYTES else None
        return last.received(raw, length, max_bytes=self._limits.head_bytes)

    async def _read_on(self, data: bytes) -> bytes:
        """The rest of a head that did not come in one piece, with what came behind it; b"" when the peer left."""
        buffer, limit = self._partial, self._limits.head_bytes
        self._rest = b""
        buffer += data
        searched, forgiven = 0, False
        while True:
            if not forgiven and buffer.startswith(b"\r\n"):
                del buffer[:2]  # RFC 9112 §2.2: one empty line before a request is forgiven
                forgiven, searched = True, 0
            if buffer.find(_END, max(0, searched - 3), limit) >= 0:
                whole = bytes(buffer)
                buffer.clear()
                return whole
            if buffer:
                _refuse_early(buffer, limit, searched)
                self._hurry()
            searched = len(buffer)
            received = await self._receive()
            if not received:
                return b""
            buffer += received

    def _hurry(self) -> None:
        """The head has begun: from now on it has the time of one, once."""
        if not self._hurried:
            self._hurried = True
            self._closing.wait_no_more(self, self._wait_seconds)
            self._wait_seconds = self._limits.head_seconds
            self._closing.wait(self, self._wait_seconds)

    async def _receive(self) -> bytes:
        """What has come; b"" when the peer left, however."""
        try:
            data = await self._stream.receive_some(_READ_BYTES)
        except trio.BrokenResourceError:
            return b""
        if self._ended:
            # At the very moment at which something came. It is cancelled here, and not in the middle of a room.
            await trio.lowlevel.checkpoint()
        return bytes(data)


def parse_head(raw: bytes, *, max_bytes: int, peer: str = "") -> Received:
    """Read the bytes of one whole head, which came from `peer`. Refusal 400, 501 or 505 says what is wrong with it."""
    understood, length = _understand(raw, peer)
    return understood.received(raw, length, max_bytes=max_bytes)


def _understand(raw: bytes, peer: str) -> tuple[_Understood, int]:
    """What a head means, and the length of the body behind it: 0 where that has none, or chunks."""
    found = _HEAD.fullmatch(raw)
    if found is None:
        raise Refusal(400, _what_is_wrong(raw))
    if found["version"] not in {b"1.1", b"1.0"}:
        raise Refusal(505, "this server speaks HTTP/1.1 and HTTP/1.0 here")
    fields = _FIELD.findall(raw, found.end("version") + len(b"\r\n"))
    headers = tuple([(name.lower(), value.strip(b" \t")) for name, value in fields])
    framing = _check_framing(headers, found["version"])
    method = found["method"].decode("ascii")
    if method == "CONNECT":
        raise Refusal(501, "this server is no proxy: CONNECT is not served")
    path, query = _split_target(found["target"], framing.host)
    head = RequestHead(
        method=method,
        target=found["target"].decode("ascii"),
        path=path,
        query=query,
        version=found["version"].decode("ascii"),
        headers=tuple([field for field in headers if field[0] != b"content-length"]),
        peer=peer,
        neighbour=peer,
    )
    number = _LENGTH_LINE.search(raw)
    before, after = (raw, b"") if number is None else (raw[: number.start(1)], raw[number.end(1) :])
    return _Understood(head, before, after, framing.chunked), framing.length


class _Framing(msgspec.Struct, frozen=True):
    """Whom a request is for, and where it ends."""

    host: bytes | None
    length: int
    chunked: bool


def _check_framing(headers: Headers, version: bytes) -> _Framing:
    """Refuse a request whose Host or body length could be read in two ways."""
    hosts = [value for name, value in headers if name == b"host"]
    lengths = [value for name, value in headers if name == b"content-length"]
    encodings = [value for name, value in headers if name == b"transfer-encoding"]
    if len(hosts) > 1:
        raise Refusal(400, "more than one Host header")
    if not hosts and version == b"1.1":
        raise Refusal(400, "no Host header")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise Refusal(400, "the Host header is no host name with an optional port")
    if encodings and lengths:
        raise Refusal(400, "both Content-Length and Transfer-Encoding")
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        raise Refusal(400, "Content-Length is not one number")
    if encodings and (len(encodings) > 1 or encodings[0].lower() != b"chunked" or version == b"1.0"):
        raise Refusal(400, "Transfer-Encoding may only be chunked, once, in HTTP/1.1")
    return _Framing(hosts[0] if hosts else None, int(lengths[0]) if lengths else 0, bool(encodings))


def _split_target(target: bytes, host: bytes | None) -> tuple[str, str]:
    if target[:1] != b"/" and target != b"*":
        found = _ABSOLUTE.fullmatch(target)
        if found is None:
            raise Refusal(400, "the request target is neither a path nor an http URL")
        if found[1].lower() != (host or b"").lower():
            raise Refusal(400, "the request target names another host than the Host header")
        target = found[2] if found[2][:1] == b"/" else b"/" + found[2]
    if b"#" in target:
        raise Refusal(400, "a request target holds no fragment (#)")
    path, _, query = target.decode("ascii").partition("?")
    return path, query


def _refuse_early(buffer: bytearray, limit: int, searched: int) -> None:
    """Refuse what can no longer become a head, instead of waiting for the rest of it."""
    if buffer[0] == 0x16:
        raise Refusal(400, "this port speaks plain HTTP, and TLS came in: use http:// and ws://")
    if not re.match(_TOKEN, buffer):
        if buffer == b"\r":
            return
        raise Refusal(400, "this is no HTTP request")
    if _BARE_LINE_END.search(buffer, max(0, searched - 1)):
        raise Refusal(400, _what_is_wrong(bytes(buffer)))
    if len(buffer) >= limit:
        if b"\r\n" not in buffer:
            raise Refusal(414, f"the request line is longer than {limit} bytes")
        raise Refusal(431, f"the request head is longer than {limit} bytes")


def _what_is_wrong(raw: bytes) -> str:
    """Why a head is refused, for the person at the other end; nothing of it is repeated."""
    if _BARE_LINE_END.search(raw):
        return "lines must end with CR LF, and neither may stand alone"
    request_line, *lines = raw.split(b"\r\n")
    if not _REQUEST_LINE.fullmatch(request_line):
        return "the request line is not of the form: METHOD /path HTTP/1.1"
    for number, line in enumerate(lines, 1):
        if line[:1] in {b" ", b"\t"}:
            return f"header line {number} is folded or begins with a blank"
        if line and not _HEADER_LINE.fullmatch(line):
            return f"header line {number} is not of the form: Name: value (or holds control characters)"
    return "bad request head"
