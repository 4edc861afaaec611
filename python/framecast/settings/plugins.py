"""Which plugins there are, in Python and Grafana's, and what backend plugins may take of our time and memory."""

from typing import Annotated

from msgspec import Meta, Struct

from framecast.settings.units import KIB, MIB, Positive, Seconds

PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


class Plugins(Struct, frozen=True, forbid_unknown_fields=True):
    """Plugins: in Python (python-plugins.md), and Grafana backend plugins, each a process of its own (plugins.md).

    All but the first three are of the latter. What the streams of any may take is `[sources]`.
    """

    python: tuple[str, ...] = ()
    """Python plugins, each as `ID=MODULE:CLASS`; one of the same id wins over an installed one."""

    installed: bool = True
    """Python plugins that installed packages bring (entry points of the group `framecast.plugins`) are there."""

    testdata: bool = True
    """The channels `plugin/testdata/…` are there, and listed, as in Grafana."""

    path: str = ""
    """The folder that they lie in, each in one of its own, as Grafana's `[paths] plugins`. Empty: none run."""

    allow_loading_unsigned_plugins: tuple[str, ...] = ()
    """Ids of plugins that run without a MANIFEST.txt, as Grafana's key of this name."""

    environment: tuple[str, ...] = PASSED_ON
    """Variables of the server's environment that plugins get; all others, and secrets in them, stay with the server."""

    mutual_tls: bool = False
    """TLS on the socket between server and plugin (go-plugin's AutoMTLS), with keys of their own for each start. The
    socket lies in a folder that no other user can enter, so it keeps off no one but processes of the same user, and
    plugins that are not written in Go know nothing of it."""

    max_plugins: Positive = 100
    """That run at once; further ones in the folder are told in the log."""

    max_folders: Positive = 10_000
    """Of one plugin that are looked into for plugins within it."""

    metadata_bytes: Positive = 4 * MIB
    """Of a plugin.json, and of a MANIFEST.txt, which names every file of its plugin."""

    start_seconds: Seconds = 30.0
    """From the start of a plugin until it is healthy; it is killed then (go-plugin: 60 s for the handshake alone)."""

    handshake_bytes: Positive = 16 * KIB
    """Of the one line that a plugin begins with: an address and a certificate, less than 2 KiB."""

    call_seconds: Seconds = 10.0
    """For a plugin to answer whether somebody may subscribe or publish, and how it is."""

    query_seconds: Seconds = 60.0
    """For a plugin to answer a query (Grafana's `dataproxy` timeout is 30 s)."""

    send_seconds: Seconds = 10.0
    """For a plugin to take what is sent to it; one that does not read is restarted."""

    health_seconds: Seconds = 10.0
    """Between questions whether a plugin is alive."""

    health_failures: Positive = 3
    """Such questions in a row without a good answer; then the plugin is killed and started again."""

    restart_seconds: Seconds = 0.5
    """Before a plugin that ended is started again; doubled each time that it ends soon."""

    restart_max_seconds: Seconds = 60.0
    """The longest of these waits."""

    stable_seconds: Seconds = 60.0
    """A plugin that ran for this long did not end soon."""

    shutdown_seconds: Seconds = 5.0
    """At the end, for a plugin to exit by itself once it was told to."""

    terminate_seconds: Seconds = 2.0
    """After that, for it to exit on SIGTERM."""

    kill_seconds: Seconds = 2.0
    """After that, for it and all it started to be gone on SIGKILL."""

    window_bytes: Annotated[int, Meta(ge=KIB, le=2**31 - 1)] = 256 * KIB
    """Packets of one stream that a plugin may send before they are taken; then it waits."""

    message_bytes: Positive = 16 * MIB
    """Of one packet or answer; a larger one ends its call."""

    held_bytes: Positive = 128 * MIB
    """Packets and answers of one plugin that wait together; past it the call that holds most ends. Not less than
    `message_bytes`."""

    max_calls: Positive = 10_000
    """Of one plugin at once, running streams included; more wait."""

    log_lines_per_second: Annotated[float, Meta(gt=0)] = 20.0
    """Of a plugin's output that are logged, on the average; how many were left out is told."""

    log_burst: Positive = 200
    """Lines that are logged as fast as they come."""

    log_line_bytes: Annotated[int, Meta(ge=80)] = 8 * KIB
    """Of one such line; the rest of it is left out."""

    log_bytes_per_second: Positive = 4 * MIB
    """That are read of a plugin's output; one that writes faster is slowed down."""
