"""TLS for accepted connections: the handshake, bounded like everything before a request, and the stream behind it.

Knows which certificate new connections are shown, and takes a new one on while running connections keep theirs. Says
nothing in the clear, but to who speaks plain HTTP that TLS is spoken here.
"""

import datetime as dt
import ssl
from collections.abc import Awaitable, Callable

import structlog
import trio

from framecast import metrics
from framecast.door.answer import encode_answer, linger, refusal_answer
from framecast.door.certificate import Certificate, load_certificate
from framecast.door.closing import Closing
from framecast.door.exchange import Disconnected, send_in_time
from framecast.door.replay import ReplayedStream
from framecast.errors import ConfigurationError, Refusal
from framecast.settings import Server

log = structlog.get_logger(__name__)

_READ_BYTES = 65_536
_HANDSHAKE = b"\x16"
"""The first byte of a connection that begins TLS (RFC 8446 §5.1)."""

_PLAIN_REFUSAL = refusal_answer(Refusal(400, "this port speaks TLS, and plain HTTP came in: use https:// and wss://"))


class _NothingAwaited(Exception):  # noqa: N818 - no failure: what was to be done is done
    """The peer's answer would be waited for now."""


class _Transport(ReplayedStream):
    """The connection beneath TLS: gives back first what was read to see whether it is TLS at all."""

    answers_awaited = True

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive; _NothingAwaited once no answer is wanted."""
        if not self.answers_awaited:
            raise _NothingAwaited
        return await super().receive_some(max_bytes)


class TlsStream(trio.abc.HalfCloseableStream):
    """A connection behind its handshake; reads and writes are as over plain TCP. Made by `TlsDoor`.

    A peer that ends without TLS's goodbye (close_notify) has ended all the same, as most of them do so: whether a
    message is whole is told by HTTP and WebSocket. Ours is said whenever the peer still takes it.

    Has what hypercorn looks for to see that this is TLS: `do_handshake`, `selected_alpn_protocol`, `transport_stream`.
    """

    def __init__(
        self, tls: trio.SSLStream[_Transport], transport: _Transport, socket_stream: trio.SocketStream, seconds: float
    ) -> None:
        """Within `seconds` its goodbye is said, or not at all."""
        self.transport_stream = socket_stream
        self._tls = tls
        self._transport = transport
        self._goodbye_seconds = seconds
        self._said_goodbye = False

    @property
    def socket(self) -> trio.socket.SocketType:
        """That of the connection."""
        return self.transport_stream.socket

    async def do_handshake(self) -> None:
        """It is done already."""
        await self._tls.do_handshake()

    def selected_alpn_protocol(self) -> str | None:
        """What was agreed on; None when the client did not ask."""
        return self._tls.selected_alpn_protocol()  # type: ignore[no-any-return] # handed on from ssl by name

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive. After our goodbye what comes is not decrypted any more: it can only be counted and dropped."""
        if self._said_goodbye:
            return await self._transport.receive_some(max_bytes)
        try:
            return await self._tls.receive_some(max_bytes)
        except trio.BrokenResourceError as broken:
            if isinstance(broken.__cause__, ssl.SSLEOFError):
                return b""
            raise

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, in as few records as it takes."""
        await self._tls.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the connection takes something."""
        await self._tls.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Say goodbye, and send no more. BusyResourceError while somebody receives.

        trio.SSLStream would wait for the peer's goodbye with that, and read no other answer.
        """
        self._transport.answers_awaited = False
        try:
            await self._tls.unwrap()
        except (_NothingAwaited, trio.BrokenResourceError):
            pass  # said; or something came that nobody had read yet, and then the end of the connection has to do
        finally:
            self._transport.answers_awaited = True
        self._said_goodbye = True
        await self.transport_stream.send_eof()

    async def aclose(self) -> None:
        """Say goodbye to a peer that takes it in time, and close.

        Never raises Cancelled: the exception that is on its way out of the caller's block must not be replaced by it.
        """
        goodbye_until = min(trio.current_time() + self._goodbye_seconds, trio.current_effective_deadline())
        with trio.move_on_at(goodbye_until, shield=True):
            await self._tls.aclose()
        with trio.CancelScope(shield=True):
            await self.transport_stream.aclose()

    def abort(self) -> None:
        """End the connection both ways, under the hands of who reads and who writes."""
        if self.socket.fileno() >= 0:
            try:
                self.socket.shutdown(trio.socket.SHUT_RDWR)
            except OSError:
                log.debug("peer left")


Handle = Callable[[trio.abc.Stream], Awaitable[None]]


class TlsDoor:
    """What stands before every connection of a server that speaks TLS. One for the server."""

    def __init__(self, certificate: Certificate, limits: Server, closing: Closing) -> None:
        self._limits = limits
        self._closing = closing
        self._take(certificate)

    async def serve(self, stream: trio.SocketStream, handle: Handle) -> None:
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
        self._context = certificate.context
        metrics.tls_certificate_expiry.set(certificate.not_after.timestamp())
        log.info(
            "certificate in use",
            names=certificate.names,
            serial=certificate.serial,
            not_after=certificate.not_after.isoformat(),
        )
        if fault := certificate.find_fault(dt.datetime.now(dt.UTC)):
            log.warning("clients will refuse the certificate", reason=fault, cert=self._limits.tls_cert)

    async def _welcome(self, stream: trio.SocketStream) -> TlsStream | None:
        """The stream behind the handshake; None when there was none, for whatever reason."""
        outcome, tls, first = "late", None, b""
        deadline = trio.current_time() + self._limits.tls_handshake_seconds
        with trio.CancelScope(deadline=deadline) as scope, self._closing.idle(scope):
            try:
                first = bytes(await stream.receive_some(_READ_BYTES))
                if first[:1] == _HANDSHAKE:
                    tls = await self._shake_hands(stream, first)
                outcome = "done" if tls is not None else "plain" if first else "left"
            except trio.BrokenResourceError as broken:
                log.debug("TLS handshake failed", reason=_reason(broken))
                outcome = "failed"
        metrics.tls_handshakes.labels(outcome).inc()
        if outcome == "plain" and first[:1].isalpha():
            await self._send_away(stream)
        return tls

    async def _shake_hands(self, stream: trio.SocketStream, first: bytes) -> TlsStream:
        transport = _Transport(stream, first)
        tls = trio.SSLStream(transport, self._context, server_side=True)
        await tls.do_handshake()
        return TlsStream(tls, transport, stream, self._limits.linger_seconds)

    async def _send_away(self, stream: trio.SocketStream) -> None:
        """Answer plain HTTP in its own words."""
        limits = self._limits
        try:
            await send_in_time(stream, encode_answer(_PLAIN_REFUSAL, keep=False), limits.send_seconds)
        except Disconnected:
            return
        await linger(stream, seconds=limits.linger_seconds, max_bytes=limits.linger_bytes)


def _reason(broken: trio.BrokenResourceError) -> str:
    """OpenSSL's word for it, or the system's."""
    cause = broken.__cause__
    return str(getattr(cause, "reason", None) or getattr(cause, "strerror", None) or cause)
