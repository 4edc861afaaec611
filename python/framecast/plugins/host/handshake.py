"""go-plugin's handshake: the environment that a plugin is started with, and the one line that it begins with. Sans-io.

Source: hashicorp/go-plugin, docs/guide-plugin-write-non-go.md and docs/internals.md; Grafana's cookie and version.
"""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

MAGIC_COOKIE = ("grafana_plugin_type", "datasource")
"""The same for all types of plugins; one that does not find it says that it is not to be started by hand, and exits."""

CORE_VERSION = 1
PROTOCOL_VERSION = 2
_QUOTED = 200
_SHORTEST_CERTIFICATE = 50
"""Characters; what is shorter is some other remark of an older implementation (go-plugin has the same number)."""


class HandshakeError(Exception):
    """A plugin's first line is not one that we can go on with; the message says why."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """Where a plugin listens."""

    path: Path
    """Of its Unix socket."""

    certificate: bytes | None
    """What it will show, in DER, when TLS was asked for."""


def handshake_environment(folder: Path, client_certificate: str | None) -> dict[str, str]:
    """The variables that tell a plugin that it is one, and to make its socket in `folder`."""
    environment = {
        MAGIC_COOKIE[0]: MAGIC_COOKIE[1],
        "PLUGIN_PROTOCOL_VERSIONS": str(PROTOCOL_VERSION),
        "PLUGIN_UNIX_SOCKET_DIR": str(folder),
        "TMPDIR": str(folder),  # where implementations that do not know the variable above make it
    }
    if client_certificate is not None:
        environment["PLUGIN_CLIENT_CERT"] = client_certificate
    return environment


def parse_handshake(line: bytes, *, wants_certificate: bool) -> Handshake:
    """Read ``core|version|network|address|protocol|certificate``, of which the last may be missing.

    HandshakeError says what is wrong with it.
    """
    parts = line.decode("utf-8", "replace").strip().split("|")
    if len(parts) < 4:
        raise HandshakeError(f"it said {_quote(line)} where a go-plugin handshake belongs")
    core, version, network, address, *rest = parts
    if core != str(CORE_VERSION):
        raise HandshakeError(f"it speaks version {_quote(core)} of go-plugin, and we version {CORE_VERSION}")
    if version != str(PROTOCOL_VERSION):
        raise HandshakeError(
            f"it speaks version {_quote(version)} of Grafana's plugin protocol, and we version {PROTOCOL_VERSION}"
        )
    if network != "unix":
        raise HandshakeError(f"it listens on {_quote(f'{network}:{address}')}, and only Unix sockets are dialled")
    if not address.startswith("/"):
        raise HandshakeError(f"the path of its socket is {_quote(address)}, which is not absolute")
    protocol = rest[0] if rest else "netrpc"
    if protocol != "grpc":
        raise HandshakeError(f"it speaks {_quote(protocol)} and not grpc")
    certificate = _read_certificate(rest[1]) if len(rest) > 1 and len(rest[1]) > _SHORTEST_CERTIFICATE else None
    if wants_certificate and certificate is None:
        raise HandshakeError("it knows nothing of TLS: switch plugins.mutual_tls off")
    return Handshake(Path(address), certificate if wants_certificate else None)


def _read_certificate(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise HandshakeError(f"its certificate is no base64: {_quote(text)}") from None


def _quote(text: str | bytes) -> str:
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace").rstrip("\r\n")
    return repr(text[:_QUOTED]) + ("…" if len(text) > _QUOTED else "")
