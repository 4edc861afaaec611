"""Every limit, size and deadline of the server: one frozen tree, built once at start and passed down.

Sections and keys are named as in Grafana's ini where they mean the same. What fills the tree is configuration/.
Structs of msgspec: the command line starts without the 190 ms that pydantic takes, and messages are ours.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from framecast.settings.accounts import Accounts
from framecast.settings.api import Api
from framecast.settings.channels import (
    BUILT_IN_SCOPES,
    CHANNEL_DEFAULTS,
    ChannelOptions,
    ChannelOverrides,
    History,
)
from framecast.settings.dashboards import Dashboards
from framecast.settings.datasources import DataSources
from framecast.settings.grafana import Grafana
from framecast.settings.ingest import FRAME_FORMATS, FrameFormat, Push, Streams
from framecast.settings.live import Live
from framecast.settings.plugins import Plugins
from framecast.settings.provisioning import Provisioning
from framecast.settings.proxy import Proxy
from framecast.settings.queries import Queries
from framecast.settings.rates import Rates
from framecast.settings.sources import Sources
from framecast.settings.tokens import Tokens
from framecast.settings.units import (
    CONCEALED,
    KIB,
    MIB,
    Guarded,
    Positive,
    Seconds,
    Secret,
    UnlimitedOrCount,
    is_secret,
)

__all__ = [
    "BUILT_IN_SCOPES",
    "CHANNEL_DEFAULTS",
    "CONCEALED",
    "FRAME_FORMATS",
    "KIB",
    "MIB",
    "SECTIONS",
    "Accounts",
    "Api",
    "ChannelOptions",
    "ChannelOverrides",
    "Dashboards",
    "DataSources",
    "FrameFormat",
    "Grafana",
    "History",
    "Live",
    "Log",
    "Plugins",
    "Positive",
    "Provisioning",
    "Proxy",
    "Push",
    "Queries",
    "Rates",
    "Seconds",
    "Secret",
    "Server",
    "Settings",
    "Sources",
    "Store",
    "Streams",
    "Tokens",
    "UnlimitedOrCount",
    "is_secret",
]


class Server(Guarded, frozen=True, forbid_unknown_fields=True):
    """Where the server listens, what it keeps, how it ends."""

    listen: tuple[str, ...] = ("127.0.0.1:8300",)
    """HOST:PORT pairs; port 0 takes a free one."""

    root_url: str = ""
    """How browsers address the server, where a proxy stands between (`https://grafana.example.com/`, with a sub path or
    without): pages from there are its own. As Grafana's."""

    tls_cert: str = ""
    """The file with the server's certificate, as PEM, and behind it those that lead to a known issuer (certbot's
    `fullchain.pem`). With it the server speaks https and wss, and nothing else (tls.md). Empty: without TLS."""

    tls_key: str = ""
    """The file with that certificate's private key, as PEM."""

    tls_key_password: Secret = ""
    """What that key is encrypted with, if it is."""

    tls_min_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest TLS that is spoken."""

    tls_handshake_seconds: Seconds = 10.0
    """From the accept until a client and the server have agreed on their keys; then it is cut off."""

    max_tls_handshakes: Positive = 7_500
    """Connections that have not agreed on keys yet, at once, and never more than half of `max_open_connections`. One
    more takes the place of the one that has taken longest: who opens them and says nothing keeps nobody out. With fewer
    than come back at once after a restart, some of those would have to come twice."""

    tls_reload_seconds: Seconds = 10.0
    """For certificate and key to be read again after SIGHUP; then the ones from before stay."""

    hsts_seconds: Annotated[int, Meta(ge=0)] = 0
    """For how long browsers are to ask for nothing but https of this server's host, on all of its ports
    (Strict-Transport-Security). 0: they are not told. Without `tls_cert` it means nothing."""

    data: str = "data"
    """The directory of what must last. A lock in it keeps a second server off."""

    dev: bool = False
    """No token needed, loopback only. For trying out and for development."""

    shutdown_grace_seconds: Seconds = 10.0
    """How long running requests and closing handshakes may take after SIGTERM."""

    head_bytes: Positive = 16 * KIB
    """Request line and headers of one request, together (hypercorn and nginx: 8 KiB to 64 KiB)."""

    head_seconds: Seconds = 10.0
    """Time for a request head to arrive whole, from its first byte (the first head: from the accept)."""

    keep_alive_seconds: Seconds = 75.0
    """How long a connection may wait for its next request (Telegraf's flush interval is 10 s by default)."""

    max_open_connections: Positive = 15_000
    """TCP connections of all kinds together; further ones wait in the kernel's queue."""

    send_seconds: Seconds = 30.0
    """For a peer to take one answer; a slower one is cut off."""

    linger_seconds: Seconds = 2.0
    """How long a refused connection is read on, so that its peer can read the answer."""

    linger_bytes: Positive = 16 * MIB
    """How much of a refused request is read and thrown away meanwhile."""

    accept_retry_seconds: Seconds = 0.5
    """Between tries to accept while the system has no descriptor or memory left."""

    @property
    def scheme(self) -> Literal["http", "https"]:
        """What is spoken where it listens."""
        return "https" if self.tls_cert else "http"

    @property
    def seen_as_https(self) -> bool:
        """Whether browsers come by https: to a proxy, where `root_url` says so, or else to the server itself."""
        return (self.root_url.strip().lower() or self.scheme).startswith("https")


class Store(Guarded, frozen=True, forbid_unknown_fields=True):
    """What outlives the server: the database in `server.data`."""

    secret_key: Secret = ""
    """What the secrets of data sources are sealed with in the database: 64 hexadecimal digits (`openssl rand -hex 32`).
    Empty: the file `secret.key` in `server.data`, which the first start makes. Further keys behind it, with a space
    between, open what they have sealed before (datasources.md)."""

    save_seconds: Seconds = 1.0
    """What is new waits for this long before it is written, so that much is one write; what a kill may cost."""

    last_messages: Positive = 10_000
    """Broadcast channels whose last message is kept; beyond, the org that has most of them loses its oldest."""

    last_messages_bytes: Positive = 16 * MIB
    """Of all those messages, which are in memory too; beyond, the org that holds most loses its oldest."""

    retry_seconds: Seconds = 5.0
    """Between tries to write what could not be written."""

    lock_seconds: Seconds = 2.0
    """For another program, a backup for example, to let go of the database; then the write has failed."""

    flush_seconds: Seconds = 5.0
    """At the end, for writing what is left, and again for closing the database."""


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """Structured logs on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less important than this is left out."""

    format: Literal["auto", "human", "json"] = "auto"
    """`auto` is human on a terminal and JSON otherwise."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole tree."""

    server: Server = Server()
    proxy: Proxy = Proxy()
    live: Live = Live()
    push: Push = Push()
    streams: Streams = Streams()
    history: History = History()
    channels: Mapping[str, ChannelOverrides] = {}
    """What is set of `ChannelOptions`, by ``scope`` or ``scope/namespace``."""
    sources: Sources = Sources()
    queries: Queries = Queries()
    api: Api = Api()
    dashboards: Dashboards = Dashboards()
    datasources: DataSources = DataSources()
    provisioning: Provisioning = Provisioning()
    store: Store = Store()
    accounts: Accounts = Accounts()
    rates: Rates = Rates()
    tokens: Tokens = Tokens()
    grafana: Grafana = Grafana()
    plugins: Plugins = Plugins()
    log: Log = Log()


SECTIONS: dict[str, type[Struct]] = {
    field.name: field.type for field in msgspec.structs.fields(Settings) if field.name != "channels"
}
"""All but `channels`, which is a table of sections."""
