"""TLS for accepted connections: the handshake, bounded like everything before a request, and the stream behind it.

What is said and when is the core's (`TlsSession`); here it meets a socket. Knows which certificate new connections are
shown, and takes a new one on while running connections keep theirs. Says nothing in the clear, but to who speaks plain
HTTP that TLS is spoken here.
"""

import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import structlog
import trio

from framecast import metrics
from framecast._core import TlsSession
from framecast.door.answer import encode_answer, linger, refusal_answer
from framecast.door.certificate import Certificate, load_certificate
from framecast.door.closing import Closing
from framecast.door.direct import DirectStream
from framecast.door.exchange import Disconnected, send_in_time
from framecast.door.unfinished import Unfinished
from framecast.errors import ConfigurationError, Refusal
from framecast.settings import Server

log = structlog.get_logger(__name__)

_READ_BYTES = 65_536
_TRAIN_BYTES = 65_536
"""Of what is encrypted and sent as one: four records, so that a long answer is never held twice."""

_HANDSHAKE = b"\x16"
"""The first byte of a connection that begins TLS (RFC 8446 §5.1)."""

_PLAIN_REFUSAL = refusal_answer(Refusal(400, "this port speaks TLS, and plain HTTP came in: use https:// and wss://"))


class TlsStream(trio.abc.HalfCloseableStream):
    """A connection over TLS; reads and writes are as over plain TCP.

    A peer that ends without TLS's goodbye (close_notify) has ended all the same, as most of them do so: whether a
    message is whole is told by HTTP and WebSocket. Ours is said whenever the peer still takes it.

    Has what hypercorn looks for to see that this is TLS: `do_handshake`, `selected_alpn_protocol`, `transport_stream`.
    """

    def __init__(
        self, session: TlsSession, socket_stream: DirectStream, first: bytes = b"", *, word_seconds: float
    ) -> None:
        """`first` was received already. TLS's own words, its goodbye too, are said in `word_seconds` or not at all."""
        self.session: Final = session
        self.transport_stream: Final = socket_stream
        self._first = first
        self._plaintext = b""
        self._word_seconds = word_seconds
        self._sending = False
        self._turn = trio.Lock()
        """Of who sends: what the session gives out must not be mixed."""
        self._speak: Callable[[], None] | None = None

    @property
    def socket(self) -> trio.socket.SocketType:
        """That of the connection."""
        return self.transport_stream.socket

    async def do_handshake(self) -> None:
        """Agree on keys, unless that is done. BrokenResourceError, in words for a log, where there is no agreement."""
        await trio.lowlevel.checkpoint()
        while self.session.handshaking:
            data = self._first or await self.transport_stream.receive_some(_READ_BYTES)
            self._first = b""
            if not data or self.session.ended:
                raise trio.BrokenResourceError("the peer left")
            await self._take_in(data)

    def selected_alpn_protocol(self) -> str | None:
        """What was agreed on; None when the client did not ask."""
        return self.session.protocol

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive. BrokenResourceError, in words for a log, when the peer breaks the protocol.

        Cancelled, it has taken nothing.
        """
        if self._plaintext or self.session.ended:
            await trio.lowlevel.checkpoint()
        while not (self._plaintext or self.session.ended):
            data = await self.transport_stream.receive_some(_READ_BYTES)
            if not data:
                break
            await self._take_in(data)
        plaintext = self._plaintext
        self._plaintext = plaintext[max_bytes:] if max_bytes is not None else b""
        return plaintext[:max_bytes]

    def hand_over(self, speak: Callable[[], None]) -> None:
        """From now on nothing is sent here: `speak` tells who does that when the session has something to say."""
        self._speak = speak

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, in as few records as it takes."""
        with self._alone():
            async with self._turn:
                for begin in range(0, len(data), _TRAIN_BYTES):
                    await self._send(bytes(data[begin : begin + _TRAIN_BYTES]))
                await self._send_output()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the connection takes something."""
        await self.transport_stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Say goodbye, and send no more."""
        with self._alone():
            await self._part()
            await self.transport_stream.send_eof()

    async def aclose(self) -> None:
        """Say goodbye to a peer that takes it in time, and close.

        Never raises Cancelled: the exception that is on its way out of the caller's block must not be replaced by it.
        """
        if self._speak is None:
            await self._say_goodbye()
        with trio.CancelScope(shield=True):
            await self.transport_stream.aclose()

    async def _say_goodbye(self) -> None:
        goodbye_until = min(trio.current_time() + self._word_seconds, trio.current_effective_deadline())
        with (
            trio.move_on_at(goodbye_until, shield=True),
            contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            await self._part()

    async def _take_in(self, data: bytes) -> None:
        """Keep what `data` says, and answer where the session has to: who is cancelled meanwhile has lost nothing."""
        try:
            self._plaintext += self.session.receive(data)
        except ValueError as error:
            await self._say()
            raise trio.BrokenResourceError(str(error)) from None
        if self.session.speaks:
            await self._say()

    async def _say(self) -> None:
        """Send what the session has to say itself: a part of the handshake, or why it gives up."""
        if self._speak is not None:
            self._speak()
            return
        if self._turn.locked():
            return  # whoever sends does so before letting go
        with trio.move_on_after(self._word_seconds) as scope:
            async with self._turn:
                await self._send_output()
        if scope.cancelled_caught:
            raise trio.BrokenResourceError("the peer does not read")

    async def _part(self) -> None:
        self.session.part()
        async with self._turn:
            await self._send_output()

    async def _send(self, data: bytes) -> None:
        try:
            sealed = self.session.seal(data)
        except ValueError as error:
            raise trio.BrokenResourceError(str(error)) from None
        await self.transport_stream.send_all(sealed)

    async def _send_output(self) -> None:
        while output := self.session.take_output():
            await self.transport_stream.send_all(output)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Inside, one task sends; BusyResourceError for another, as with any stream of trio's."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this connection")
        self._sending = True
        try:
            yield
        finally:
            self._sending = False


Handle = Callable[[trio.abc.Stream], Awaitable[None]]


class TlsDoor:
    """What stands before every connection of a server that speaks TLS. One for the server."""

    def __init__(self, certificate: Certificate, limits: Server, closing: Closing) -> None:
        self._limits = limits
        self._closing = closing
        # Half of the places stay for those whose handshake is over.
        self._unfinished = Unfinished(min(limits.max_tls_handshakes, max(limits.max_open_connections // 2, 1)))
        self._take(certificate)

    async def serve(self, stream: DirectStream, handle: Handle) -> None:
        """Have `handle` serve what comes by TLS over `stream`; whoever fails to begin that is let go."""
        tls = await self._welcome(stream)
        if tls is not None:
            async with tls:
                await handle(tls)

    async def reload(self) -> None:
        """Read the certificate again, for the connections to come. One that cannot be used changes nothing."""
        reason = f"its files could not be read within {self._limits.tls_reload_seconds:g} s (server.tls_reload_seconds)"
        certificate: Certificate | None = None
        with trio.move_on_after(self._limits.tls_reload_seconds):
            try:
                certificate = await trio.to_thread.run_sync(load_certificate, self._limits, abandon_on_cancel=True)
            except ConfigurationError as error:
                reason = str(error)
        if certificate is None:
            metrics.tls_reloads.labels("refused").inc()
            log.error("the certificate was not reloaded, the one from before stays", reason=reason)
            return
        metrics.tls_reloads.labels("taken").inc()
        self._take(certificate)

    def _take(self, certificate: Certificate) -> None:
        self._server = certificate.server
        metrics.tls_certificate_expiry.set(certificate.not_after.timestamp())
        log.info(
            "certificate in use",
            names=certificate.names,
            serial=certificate.serial,
            not_after=certificate.not_after.isoformat(),
        )
        if fault := certificate.find_fault(dt.datetime.now(dt.UTC)):
            log.warning("clients will refuse the certificate", reason=fault, cert=self._limits.tls_cert)

    async def _welcome(self, stream: DirectStream) -> TlsStream | None:
        """The stream behind the handshake; None when there was none, for whatever reason."""
        outcome, tls, first = "late", None, b""
        deadline = trio.current_time() + self._limits.tls_handshake_seconds
        with trio.CancelScope(deadline=deadline) as scope, self._closing.idle(scope), self._unfinished.one(scope):
            try:
                first = bytes(await stream.receive_some(_READ_BYTES))
                if first[:1] == _HANDSHAKE:
                    tls = await self._shake_hands(stream, first)
                outcome = "done" if tls is not None else "plain" if first else "left"
            except trio.BrokenResourceError as broken:
                log.debug("TLS handshake failed", reason=str(broken.__cause__ or broken))
                outcome = "failed"
        if self._unfinished.was_displaced(scope):
            tls, outcome = None, "displaced"
        metrics.tls_handshakes.labels(outcome).inc()
        if outcome == "plain" and first[:1].isalpha():
            await self._send_away(stream)
        return tls

    async def _shake_hands(self, stream: DirectStream, first: bytes) -> TlsStream:
        tls = TlsStream(self._server.begin(), stream, first, word_seconds=self._limits.linger_seconds)
        await tls.do_handshake()
        return tls

    async def _send_away(self, stream: DirectStream) -> None:
        """Answer plain HTTP in its own words."""
        limits = self._limits
        try:
            await send_in_time(stream, encode_answer(_PLAIN_REFUSAL, keep=False), limits.send_seconds)
        except Disconnected:
            return
        await linger(stream, seconds=limits.linger_seconds, max_bytes=limits.linger_bytes)
