"""What a server refuses of its settings before anything is opened, made or started.

Each value alone was checked when it was read (configuration); here is what values say together, and the keys that they
name. Nothing here changes anything, so that it can be asked without a server. What only a start can tell (a port in
use, a data directory in use, a damaged database) is not looked at.
"""

import os

from framecast.accounts.auth_proxy import AuthProxy
from framecast.accounts.grafana.questions import check_url
from framecast.accounts.tokens.verifier import find_verifier
from framecast.channels.options import OptionsTable
from framecast.datasources.provisioning.plan import read_plan
from framecast.door.certificate import load_certificate
from framecast.door.listen import parse_place
from framecast.door.origin import is_loopback_host
from framecast.door.proxies import TrustedProxies
from framecast.errors import ConfigurationError, Mistakes
from framecast.plugins.host.host import check_plugins
from framecast.plugins.table import parse_named
from framecast.scopes.table import check_publishers
from framecast.settings import Settings
from framecast.store.secret_keys import SETTING, parse_keys


def check_settings(settings: Settings) -> None:
    """ConfigurationError for settings that no server can run with; it tells all of their mistakes."""
    mistakes = Mistakes()
    checks = (
        _check_nodes,
        _check_backend_plugins,
        _check_places,
        _check_certificate,
        _check_proxies,
        _check_grafana,
        _check_queues,
        _check_waiting,
        _check_channels,
        _check_plugins,
        _check_tokens,
        _check_secret_key,
        _check_provisioning,
    )
    for check in checks:
        with mistakes.collected():
            check(settings)
    mistakes.tell()


def _check_nodes(settings: Settings) -> None:
    """Who set up several servers must not find out from missing messages that they are not one."""
    if settings.live.ha_engine:
        raise ConfigurationError(
            f"live.ha_engine = {settings.live.ha_engine!r} cannot be used yet: every server would be one by itself, "
            "and a subscriber of one would miss what is pushed to another; leave it empty and run one server"
        )


def _check_backend_plugins(settings: Settings) -> None:
    """Only their folder and what they may take: a plugin that cannot be run keeps no server from starting."""
    check_plugins(settings.plugins)


def _check_grafana(settings: Settings) -> None:
    """Where Grafana is asked must be somewhere."""
    if settings.grafana.url:
        check_url(settings.grafana.url)


def _check_places(settings: Settings) -> None:
    """With --dev nobody needs a token, so nobody else's machine may reach us."""
    if not settings.server.listen:
        raise ConfigurationError("server.listen names no HOST:PORT to listen on")
    for text in settings.server.listen:
        host, _ = parse_place(text)
        if settings.server.dev and not is_loopback_host(f"[{host}]" if ":" in host else host):
            raise ConfigurationError(
                f"server.listen = {text!r} is reachable from other machines, and --dev asks nobody for a token: "
                "listen on 127.0.0.1, [::1] or localhost, or leave --dev out"
            )


def _check_certificate(settings: Settings) -> None:
    """Reads it, as the start does. Whether its time has come, or gone, the start's log tells."""
    load_certificate(settings.server)


def _check_proxies(settings: Settings) -> None:
    """Who is believed must be named so that it can be found."""
    TrustedProxies(settings.proxy.addresses)
    if settings.proxy.login_header:
        AuthProxy(settings.proxy)


def _check_channels(settings: Settings) -> None:
    options = OptionsTable(settings.channels, settings.history)
    mistakes = Mistakes()
    with mistakes.collected():
        check_publishers(options, settings)
    with mistakes.collected():
        options.check_conflating()
    mistakes.tell()


def _check_plugins(settings: Settings) -> None:
    """Only how they are named: to load them is the start's business."""
    for text in settings.plugins.python:
        parse_named(text)


def _check_tokens(settings: Settings) -> None:
    """Reads the keys, as the start does; nothing is fetched."""
    find_verifier(settings.tokens)


def _check_secret_key(settings: Settings) -> None:
    """Whether they are the right ones is told by the database."""
    if settings.store.secret_key:
        parse_keys(settings.store.secret_key, SETTING)


def _check_provisioning(settings: Settings) -> None:
    """What the files say together with what there is, a start finds out."""
    if settings.provisioning.path:
        read_plan(settings.provisioning, settings.datasources, os.environ)


def _check_queues(settings: Settings) -> None:
    """A subscriber begins with a schema and a packet's worth of rows, or with a channel's whole past.

    Its queue may be a quarter full by then (`live.room_seconds`).
    """
    past_bytes = OptionsTable(settings.channels, settings.history).largest_bytes
    largest_bytes = max(settings.streams.packet_bytes, past_bytes)
    if settings.live.room_bytes < largest_bytes:
        raise ConfigurationError(
            f"live.queue_bytes = {settings.live.queue_bytes} is too small for streams.packet_bytes = "
            f"{settings.streams.packet_bytes} and the largest of history.bytes and all channels' history_bytes = "
            f"{past_bytes}: a subscriber's queue must hold four times the larger, {4 * largest_bytes} bytes"
        )
    if settings.live.total_queue_bytes < settings.live.queue_bytes:
        raise ConfigurationError(
            f"live.total_queue_bytes = {settings.live.total_queue_bytes} is too small for live.queue_bytes = "
            f"{settings.live.queue_bytes}: all queues together must hold at least one of them"
        )


def _check_waiting(settings: Settings) -> None:
    """What is larger than all that may wait would be answered 503, to be sent again, for ever."""
    for waiting, waiting_bytes, largest, largest_bytes in (
        (
            "live.waiting_bytes",
            settings.live.waiting_bytes,
            "live.message_size_limit",
            settings.live.message_bytes,
        ),
        ("push.waiting_bytes", settings.push.waiting_bytes, "push.body_bytes", settings.push.body_bytes),
        ("api.waiting_bytes", settings.api.waiting_bytes, "api.body_bytes", settings.api.body_bytes),
        (
            "api.waiting_bytes",
            settings.api.waiting_bytes,
            "twice dashboards.document_bytes",
            2 * settings.dashboards.document_bytes,
        ),
    ):
        if waiting_bytes < largest_bytes:
            raise ConfigurationError(
                f"{waiting} = {waiting_bytes} is too small for {largest} = {largest_bytes}: what waits together must "
                "hold at least one of them"
            )
