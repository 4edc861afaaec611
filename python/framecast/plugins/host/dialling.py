"""From a started process to a stream that gRPC can be spoken on: the handshake line, the socket, TLS."""

import ssl
from pathlib import Path

import trio

from framecast.plugins.host.certificates import SERVER_NAME, ClientCertificate, trust_only
from framecast.plugins.host.grpc.channel import Dial
from framecast.plugins.host.handshake import Handshake, HandshakeError

_PIECE_BYTES = 4096


async def read_first_line(stdout: trio.abc.ReceiveStream, max_bytes: int) -> tuple[bytes, bytes] | None:
    """The first line of a plugin's output, and what came after it already; None when it ends without one.

    HandshakeError where the line has more than `max_bytes`.
    """
    begun = b""
    while b"\n" not in begun:
        if len(begun) > max_bytes:
            raise HandshakeError(f"it said {begun[:100]!r}… without end where a go-plugin handshake belongs")
        piece = await stdout.receive_some(_PIECE_BYTES)
        if not piece:
            return None
        begun += piece
    line, _, rest = begun.partition(b"\n")
    return line, rest


def prepare_dial(handshake: Handshake, ours: ClientCertificate | None, *, folder: Path) -> Dial:
    """How the plugin is dialled. HandshakeError for a certificate that is none, or a socket outside of its folder."""
    if not handshake.path.resolve().is_relative_to(folder.resolve()):
        raise HandshakeError(f"its socket is {str(handshake.path)!r}, outside of the folder in PLUGIN_UNIX_SOCKET_DIR")

    async def dial() -> trio.abc.Stream:
        return await trio.open_unix_socket(str(handshake.path))

    if handshake.certificate is None or ours is None:
        return dial
    try:
        context = trust_only(handshake.certificate, ours)
    except (ssl.SSLError, ValueError) as error:
        raise HandshakeError(f"its certificate cannot be used: {error}") from None

    async def dial_tls() -> trio.abc.Stream:
        stream = trio.SSLStream(await dial(), context, server_hostname=SERVER_NAME, https_compatible=True)
        try:
            await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return stream

    return dial_tls
