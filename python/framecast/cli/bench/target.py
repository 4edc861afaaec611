"""The server that is measured: what its URL says, and whether anybody is there."""

import base64
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

import trio

from framecast.cli.bench.plan import Headers, Server, Tls
from framecast.cli.failure import CommandError, name_cause
from framecast.cli.trust import find_distrust, trusted_certificates, trusting_context

LIVE_PATH = "/api/live/ws"
PUSH_PATH = "/api/live/push/"
CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Target:
    """Where a server takes WebSockets and pushes."""

    host: str
    """Name or IP, for the connection."""
    port: int
    netloc: str
    """For the Host header."""
    path: str
    """Of the WebSocket."""
    root: str
    """Before ``/api/live/``, where a server stands below a path of its own."""
    authorization: str | None
    secured: bool = False
    """Whether it speaks TLS."""

    def push_path(self, stream: str) -> str:
        """Where line protocol of a stream goes."""
        return f"{self.root}{PUSH_PATH}{stream}"

    @property
    def headers(self) -> Headers:
        """Of every request."""
        return [("Authorization", self.authorization)] if self.authorization else []


def find_target(url: str, token: str | None) -> Target:
    """Read ``HOST:PORT``, ``http(s)://HOST:PORT``, or the WebSocket's URL. CommandError when it cannot be used."""
    parts = urlsplit(f"http://{url}" if ":" in url and "://" not in url else url)
    secured = parts.scheme in {"https", "wss"}
    try:
        usable = (secured or parts.scheme in {"http", "ws"}) and parts.hostname and not parts.fragment
        port = parts.port or (443 if secured else 80)
    except ValueError:
        usable = False
    if not usable or not (parts.path + parts.query).isprintable() or " " in url:
        raise CommandError(
            f"{url!r} is not of the form HOST:PORT or http://HOST:PORT, with the WebSocket's path or without", status=2
        )
    path = parts.path.rstrip("/")
    root = path.removesuffix(LIVE_PATH) if path.endswith(LIVE_PATH) else ""
    return Target(
        host=parts.hostname or "",
        port=port,
        netloc=parts.netloc.rpartition("@")[2],
        path=(path or LIVE_PATH) + (f"?{parts.query}" if parts.query else ""),
        root=root,
        authorization=_authorization(parts, token),
        secured=secured,
    )


def _authorization(parts: SplitResult, token: str | None) -> str | None:
    """A token, or the user and password of the URL, as Grafana takes them."""
    if token:
        return f"Bearer {token}"
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def reach(target: Target, pid: int | None) -> Server:
    """See that somebody is there, and at which address. CommandError when not."""
    context = trusting_context() if target.secured else None
    address = trio.run(_find_address, target, context)
    tls = None if context is None else Tls(target.host, trusted_certificates())
    return Server(address, target.netloc, target.headers, pid, tls)


async def _find_address(target: Target, context: ssl.SSLContext | None) -> str:
    """The first of the host's addresses that takes a connection, with `context` one of TLS."""
    try:
        with trio.fail_after(CONNECT_SECONDS):
            stream = await trio.open_tcp_stream(target.host, target.port)
            if context is not None:
                await trio.SSLStream(stream, context, server_hostname=target.host).do_handshake()
    except trio.TooSlowError:
        raise CommandError(f"cannot connect to {target.netloc}: no answer in {CONNECT_SECONDS:g} s") from None
    except (OSError, trio.BrokenResourceError) as error:
        raise CommandError(
            f"cannot connect to {target.netloc}: {find_distrust(error) or name_cause(error)}; "
            "the URL of the server to measure comes first, and `framecast serve --dev` starts one"
        ) from None
    address, port = stream.socket.getpeername()[:2]
    await trio.aclose_forcefully(stream)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
