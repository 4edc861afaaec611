"""What settings say together is judged without a server, and all of it at once."""

import re

import pytest

from framecast.configuration import load_settings
from framecast.errors import ConfigurationError
from framecast.preflight import check_settings


def mistakes(*overrides: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        check_settings(load_settings(environment={}, overrides=overrides))
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["live.ha_engine=redis"], "live.ha_engine = 'redis' cannot be used yet"),
        (["live.ha_engine=redis"], "leave it empty and run one server"),
        (["plugins.path=/nowhere"], "plugins.path = '/nowhere' cannot be used: No such file"),
        (["plugins.held_bytes=1"], "plugins.held_bytes = 1 is less than plugins.message_bytes"),
        (["server.listen=nowhere"], "server.listen = 'nowhere' is not HOST:PORT"),
        (["server.listen="], "server.listen names no HOST:PORT"),
        (["server.dev=true", "server.listen=0.0.0.0:1"], "is reachable from other machines"),
        (["proxy.addresses=localhost"], "proxy.addresses holds what is no address or network"),
        (["proxy.login_header=X-User"], "proxy.login_addresses names no proxy"),
        (
            ["proxy.login_header=X-User", "proxy.login_addresses=::/129"],
            "proxy.login_addresses holds what is no address",
        ),
        (["grafana.url=grafana:3000"], "grafana.url = 'grafana:3000' is no URL"),
        (["live.queue_bytes=1000000"], "live.queue_bytes = 1000000 is too small"),
        (["live.total_queue_bytes=1"], "live.total_queue_bytes = 1 is too small"),
        (["live.message_size_limit=67108865"], "live.waiting_bytes = 67108864 is too small for live.message_size_"),
        (["live.message_size_limit=0", "live.waiting_bytes=1"], "is too small for live.message_size_limit = 1048576"),
        (["channels.stream/a.publish=everybody"], "channels.stream/a.publish = 'everybody' cannot be used"),
        (
            ["channels.chat.conflate=true"],
            'channels.chat.conflate = true cannot be used with recovery = "stream", which needs every publication',
        ),
        (
            ["channels.stream.delta=true", "channels.stream/a.conflate=true", "channels.stream/a.recovery=off"],
            "channels.stream/a.conflate = true cannot be used with delta = true, which needs every publication",
        ),
        (
            ["channels.grafana.conflate=true", "channels.grafana.recovery=off"],
            "channels.grafana/dashboard.conflate = true cannot be used: each of their publications is an event",
        ),
        (["tokens.hmac_secret=short"], "tokens.hmac_secret has 5 bytes and must have at least 32"),
        (["tokens.rsa_public_key=/nowhere"], "tokens.rsa_public_key = '/nowhere' cannot be read: No such file"),
        (["tokens.jwks_url=ftp://x"], "tokens.jwks_url = 'ftp://x' is no URL of the form https://host/path"),
        (["store.secret_key=00"], "store.secret_key cannot be used: its key 1 is not 64 hexadecimal digits"),
        (["provisioning.path=/nowhere"], "provisioning.path = '/nowhere' is no directory"),
        (["push.body_bytes=268435457"], "push.waiting_bytes = 268435456 is too small"),
        (
            ["api.waiting_bytes=70000", "api.body_bytes=70001"],
            "api.waiting_bytes = 70000 is too small for api.body_bytes",
        ),
        (["dashboards.document_bytes=33554433"], "is too small for twice dashboards.document_bytes = 67108866"),
    ],
)
def test_what_no_server_can_run_with_is_told(overrides: list[str], words: str) -> None:
    [mistake] = mistakes(*overrides)
    assert re.search(re.escape(words), mistake)


def test_all_of_it_is_told_at_once() -> None:
    overrides = ("live.ha_engine=redis", "push.body_bytes=268435457", "server.listen=nowhere", "tokens.jwks_url=x")
    assert len(mistakes(*overrides)) == 4
    channels = ("stream/a.publish=everybody", "chat.conflate=true", "chat.delta=true", "chat/b.recovery=off")
    assert len(mistakes(*(f"channels.{option}" for option in channels))) == 4


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["live.message_size_limit=-1", "live.waiting_bytes=10000"],
        ["live.ha_engine_address=redis:6379", "live.ha_engine_password=sesame", "live.ha_prefix=one"],
        ["server.dev=true", "server.listen=127.0.0.1:0,[::1]:0,localhost:0"],
        ["proxy.addresses=127.0.0.1,10.0.0.0/8", "proxy.login_header=X-User", "proxy.login_addresses=::1"],
        ["grafana.url=http://127.0.0.1:3000/grafana/"],
        ["channels.grafana/broadcast.conflate=true", "channels.grafana/broadcast.recovery=off"],
    ],
)
def test_what_a_server_can_run_with_is_not(overrides: list[str]) -> None:
    settings = load_settings(environment={}, overrides=overrides)
    check_settings(settings)
    assert 0 < settings.live.message_bytes <= settings.live.waiting_bytes
