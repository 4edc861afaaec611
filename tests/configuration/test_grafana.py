"""What a grafana.ini and Grafana's variables say is what ours would say; what has no equal is told, never guessed."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from framecast.configuration import Loaded, load
from framecast.configuration.grafana_table import GAPS, RULES, SWITCHED
from framecast.configuration.layer import Given
from framecast.configuration.values import convert
from framecast.errors import ConfigurationError
from framecast.settings import SECTIONS, Settings

JWT = """\
[auth.jwt]
enabled = on
jwk_set_url = https://a/keys
cache_ttl = 1h30m0.5s
username_claim = u
expect_claims = {"iss": "https://a", "aud": ["b"]}
"""
CERTIFICATE = "cert_file = /c\ncert_key = /k\n"
RSA = RSAKey.generate_key(2048)


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    return tmp_path / "grafana.ini"


def read(file: Path, text: str, environment: Mapping[str, str] | None = None, *overrides: str) -> Loaded:
    file.write_text(text, encoding="utf-8")
    return load(file=file, environment=environment or {}, overrides=overrides)


def changed(loaded: Loaded) -> dict[str, Any]:
    """What is not as without any configuration."""
    return {
        f"{name}.{key}": getattr(getattr(loaded.settings, name), key)
        for name, section in SECTIONS.items()
        for key in section.__struct_fields__
        if getattr(getattr(loaded.settings, name), key) != getattr(getattr(Settings(), name), key)
    }


def complaints(file: Path, text: str, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read(file, text, environment)
    return caught.value.mistakes


def test_an_empty_file_sets_nothing(ini: Path) -> None:
    loaded = read(ini, "; nothing is set\n;max_connections = 3\n[live]\nmax_connections =\n")
    assert (loaded.settings, dict(loaded.origins), loaded.warnings) == (Settings(), {}, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[live]\nmax_connections = -1", {"live.max_connections": -1}),
        ("[live]\nmessage_size_limit = -1", {"live.message_size_limit": -1}),
        ("[live]\nallowed_origins = https://*.a, http://b:1", {"live.allowed_origins": ("https://*.a", "http://b:1")}),
        ("[live]\nha_engine = redis", {"live.ha_engine": "redis"}),
        ("[live]\nha_engine_address = redis:1", {"live.ha_engine_address": "redis:1"}),
        ('[live]\nha_engine_password = """a;#b"""', {"live.ha_engine_password": "a;#b"}),
        ("[live]\nha_prefix = p", {"live.ha_prefix": "p"}),
        ("[server]\nhttp_port = 80", {"server.listen": ("0.0.0.0:80",)}),
        ("[server]\nhttp_addr = 10.0.0.1", {"server.listen": ("10.0.0.1:3000",)}),
        ("[server]\nhttp_addr = ::1\nhttp_port = 1", {"server.listen": ("[::1]:1",)}),
        ("[server]\nhttp_addr = [::1]\nhttp_port = 1", {"server.listen": ("[::1]:1",)}),
        ("[server]\nprotocol = socket\nhttp_port = 1", {}),
        ("[server]\nroot_url = https://a.example.com/sub/", {"server.root_url": "https://a.example.com/sub/"}),
        ("[server]\nroot_url = https://A:443", {"server.root_url": "https://A:443"}),
        ("[server]\nroot_url = http://[::1]:3000/", {"server.root_url": "http://[::1]:3000/"}),
        ("[server]\ndomain = a.example.com", {"server.root_url": "http://a.example.com:3000/"}),
        (
            "[server]\nprotocol = https\ndomain = b\nhttp_port = 443\nroot_url = %(protocol)s://b/\n" + CERTIFICATE,
            {
                "server.root_url": "https://b/",
                "server.listen": ("0.0.0.0:443",),
                "server.tls_cert": "/c",
                "server.tls_key": "/k",
            },
        ),
        ("[server]\ncert_file = /c\ncert_key = /k\ncert_pass = p", {}),
        (
            "[server]\nprotocol = h2\ncert_file = /c\ncert_key = /k\ncert_pass = p\nmin_tls_version = TLS1.3",
            {
                "server.tls_cert": "/c",
                "server.tls_key": "/k",
                "server.tls_key_password": "p",
                "server.tls_min_version": "1.3",
            },
        ),
        ("[security]\nstrict_transport_security_max_age_seconds = 5", {}),
        ("[security]\nstrict_transport_security = true", {"server.hsts_seconds": 86_400}),
        (
            "[security]\nstrict_transport_security = true\nstrict_transport_security_max_age_seconds = 5",
            {"server.hsts_seconds": 5},
        ),
        (
            "[live]\nallowed_origins = https://a\n[server]\nroot_url = https://a/",
            {"live.allowed_origins": ("https://a",), "server.root_url": "https://a/"},
        ),
        ("[live]\nallowed_origins = *", {"live.allowed_origins": ("*",)}),
        ("[auth.jwt]\njwk_set_url = https://a/keys", {}),
        (
            JWT,
            {
                "tokens.jwks_url": "https://a/keys",
                "tokens.jwks_seconds": 5400.5,
                "tokens.user_claim": "u",
                "tokens.issuer": "https://a",
                "tokens.audience": "b",
            },
        ),
        ("[auth.jwt]\nenabled = true\nexpect_claims = {}", {}),
        ("[log]\nlevel = warn", {"log.level": "warning"}),
        ("[log]\nlevel = critical", {"log.level": "error"}),
        (
            "[log]\nlevel = warn\n[log.console]\nlevel = debug\nformat = json",
            {"log.level": "debug", "log.format": "json"},
        ),
        ("[log.console]\nformat = console", {"log.format": "human"}),
    ],
)
def test_what_has_an_equal_is_carried_over(ini: Path, text: str, expected: dict[str, Any]) -> None:
    assert changed(read(ini, text)) == expected


def test_a_key_file_gets_the_name_of_what_it_holds(ini: Path, tmp_path: Path) -> None:
    for key, setting in ((RSA, "rsa_public_key"), (ECKey.generate_key("P-384"), "ecdsa_public_key")):
        (tmp_path / "key").write_text(f"a comment\n{key.as_pem(private=False).decode()}")
        loaded = read(ini, f"[auth.jwt]\nenabled = 1\nkey_file = {tmp_path}/key\n")
        assert changed(loaded) == {f"tokens.{setting}": f"{tmp_path}/key"}


@pytest.mark.parametrize(
    "content",
    [
        OKPKey.generate_key("Ed25519").as_pem(private=False),
        RSA.as_pem(private=True),
        b"-----BEGIN PUBLIC KEY-----\n=A\n-----END PUBLIC KEY-----\n",
        b"",
        b"\xff",
    ],
)
def test_a_key_file_that_holds_no_such_key_is_told(ini: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    [mistake] = complaints(ini, f"[auth.jwt]\nenabled = true\nkey_file = {tmp_path}/key\n")
    assert mistake.startswith(f"'{tmp_path}/key' (from {ini}:3, [auth.jwt] key_file) holds no public key of RSA or EC")


def test_references_are_followed(ini: Path, tmp_path: Path) -> None:
    (tmp_path / "count").write_text("7\n")
    text = f"[live]\nmax_connections = $__file{{{tmp_path}/count}}\n"
    text += "ha_prefix = $__env{A}-${B}-%(x)s\nx = $__env{A}\n"
    assert changed(read(ini, text, {"A": "1", "B": "2"})) == {"live.max_connections": 7, "live.ha_prefix": "1-2-1"}


def test_an_empty_reference_leaves_the_default(ini: Path) -> None:
    assert changed(read(ini, "[live]\nmax_connections = $__env{NOTHING}\n")) == {}


def test_grafanas_variables_win_over_the_file_and_ours_over_them(ini: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("sesame\n")
    (tmp_path / "}{").write_text(" redis:7 \n")
    text = "[live]\nmax_connections = 1\nmessage_size_limit = 2\nha_prefix = file\n"
    environment = {
        "GF_LIVE_MAX_CONNECTIONS": "10",
        "GF_LIVE_MESSAGE_SIZE_LIMIT": "20",
        "GF_LIVE_HA_PREFIX": "",
        "GF_LIVE_HA_ENGINE_PASSWORD__FILE": f"{tmp_path}/secret",
        "GF_LIVE_HA_ENGINE_ADDRESS__FILE": f"{tmp_path}/}}{{",
        "GF_SERVER_HTTP_PORT": "$__env{PORT}",
        "GF_LOG_CONSOLE_LEVEL": "error",
        "GF_SECURITY_ADMIN_PASSWORD": "x",
        "PORT": "99",
        "FRAMECAST_LIVE_MESSAGE_SIZE_LIMIT": "200",
    }
    loaded = read(ini, text, environment, "log.level=debug")
    assert changed(loaded) == {
        "live.max_connections": 10,
        "live.message_size_limit": 200,
        "live.ha_prefix": "file",
        "live.ha_engine_password": "sesame",
        "live.ha_engine_address": "redis:7",
        "server.listen": ("0.0.0.0:99",),
        "log.level": "debug",
    }
    assert loaded.origins == {
        ("live", "max_connections"): "environment GF_LIVE_MAX_CONNECTIONS",
        ("live", "message_size_limit"): "environment FRAMECAST_LIVE_MESSAGE_SIZE_LIMIT",
        ("live", "ha_prefix"): f"{ini}:4, [live] ha_prefix",
        ("live", "ha_engine_address"): "environment GF_LIVE_HA_ENGINE_ADDRESS__FILE",
        ("live", "ha_engine_password"): (
            f"file {tmp_path}/secret, named by environment GF_LIVE_HA_ENGINE_PASSWORD__FILE"
        ),
        ("server", "listen"): "environment GF_SERVER_HTTP_PORT",
        ("log", "level"): "--set log.level",
    }


def test_without_a_grafana_ini_only_the_variables_of_live_count(tmp_path: Path) -> None:
    toml = tmp_path / "framecast.toml"
    toml.write_text("[live]\nmax_connections = 1\nha_prefix = 'toml'\n")
    environment = {
        "GF_LIVE_MAX_CONNECTIONS": "10",
        "GF_LIVE_ALLOWED_ORIGINS": "https://${HOST}",
        "GF_SERVER_HTTP_PORT": "99",
        "GF_SERVER_ROOT_URL": "https://b",
        "HOST": "a",
    }
    assert changed(load(file=toml, environment=environment)) == {
        "live.max_connections": 10,
        "live.allowed_origins": ("https://a",),
        "live.ha_prefix": "toml",
    }


def test_a_variable_that_grafana_does_not_know_is_told() -> None:
    environment = {"GF_LIVE_MAX_CONECTIONS": "10", "GF_LIVE_NEW": "1", "GF_LIVE_HA_PREFIX__FILE": ""}
    loaded = load(environment=environment)
    assert loaded.settings == Settings()
    first, second = loaded.warnings
    assert "environment GF_LIVE_MAX_CONECTIONS is left out" in first
    assert "did you mean GF_LIVE_MAX_CONNECTIONS?" in first
    assert "environment GF_LIVE_NEW is left out" in second


def test_a_secret_in_a_file_is_read_only_when_it_counts(ini: Path, tmp_path: Path) -> None:
    text = "[live]\nha_engine_password = $__env{WHERE}\n"
    environment = {"WHERE": f"$__file{{{tmp_path}/none}}"}
    ours = {"FRAMECAST_LIVE_HA_ENGINE_PASSWORD": "ours"}
    assert changed(read(ini, text, environment | ours)) == {"live.ha_engine_password": "ours"}
    [mistake] = complaints(ini, text, environment)
    assert mistake.startswith(f"live.ha_engine_password_file = '{tmp_path}/none' (from {ini}:2, [live] ha_engine_pass")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[live]\n\nmax_connections = many",
            "live.max_connections = 'many' (from {}:3, [live] max_connections) can",
        ),
        ("[live]\nmessage_size_limit = -2", "live.message_size_limit = '-2' (from {}:2, [live] message_size_limit) ca"),
        ("[live]\nha_engine = nats", "live.ha_engine = 'nats' (from {}:2, [live] ha_engine) cannot be used"),
        (
            "[live]\nha_prefix = $__file{/none}",
            "$__file{{/none}} cannot be read: No such file or directory (from {}:",
        ),
        (
            "[live]\nha_prefix = $__vault{x}",
            "$__vault{{x}} cannot be followed here: only $__env{{}} and $__file{{",
        ),
        ("[live]\nha_prefix = %(ha_prefix)s", "its references to keys go round in a circle (from {}:2, [live] ha_pr"),
        ('[live]\nha_prefix = "a;b"', "the value (from {}:2, [live] ha_prefix) ends within its quotes"),
        ("[live]\nnonsense", "{}:2: neither a comment, a [section] nor a key"),
        ("[server]\nroot_url = ftp://x", "'ftp://x' (from {}:2, [server] root_url) is no address of the form https:"),
        ("[server]\nroot_url = http://x:port", "'http://x:port' (from {}:2, [server] root_url) is no address"),
        ("[log]\nlevel = loud", "log.level = 'loud' (from {}:2, [log] level) cannot be used"),
        ("[auth.jwt]\nenabled = maybe\nkey_file = x", "'maybe' (from {}:2, [auth.jwt] enabled) is neither true nor fa"),
        (
            "[auth.jwt]\nenabled = true\nkey_file = /none",
            "'/none' (from {}:3, [auth.jwt] key_file) cannot be read: No s",
        ),
        ("[auth.jwt]\nenabled = true\ncache_ttl = 1x", "'1x' (from {}:3, [auth.jwt] cache_ttl) is no time"),
        (
            "[auth.jwt]\nenabled = true\nexpect_claims = [",
            "the claims (from {}:3, [auth.jwt] expect_claims) are no JSON",
        ),
        (
            '[auth.jwt]\nenabled = true\nexpect_claims = {"tenant": 7}',
            "claim 'tenant' = 7 (from {}:3, [auth.jwt] expect_claims) cannot be demanded of tokens here",
        ),
        ('[auth.jwt]\nenabled = true\nexpect_claims = {"aud": ["a", "b"]}', 'claim \'aud\' = ["a","b"] (from {}:3, '),
        ('[auth.jwt]\nenabled = true\nexpect_claims = {"iss": ""}', "claim 'iss' = \"\" (from {}:3, "),
    ],
)
def test_a_mistake_is_told_with_file_line_section_and_key(ini: Path, text: str, words: str) -> None:
    [mistake] = complaints(ini, text)
    assert mistake.startswith(words.format(ini))


def test_all_mistakes_are_told_at_once(ini: Path) -> None:
    found = complaints(ini, "[live]\nmax_connections = x\nwords\n[log]\nlevel = loud\n", {"FRAMECAST_LIVE_X": "1"})
    assert len(found) == 4


def test_a_variable_and_its_file_are_one_too_many(ini: Path) -> None:
    [mistake] = complaints(ini, "", {"GF_LIVE_HA_PREFIX": "a", "GF_LIVE_HA_PREFIX__FILE": "/b"})
    assert mistake == "GF_LIVE_HA_PREFIX and GF_LIVE_HA_PREFIX__FILE are both set: leave one out"


@pytest.mark.parametrize(("key", "missing"), [("cert_file", "cert_key"), ("cert_key", "cert_file")])
def test_https_without_a_certificate_is_no_http(ini: Path, key: str, missing: str) -> None:
    [mistake] = complaints(ini, f"[server]\nprotocol = https\n{key} = /x\n")
    assert mistake.startswith(
        f"[server] protocol = https (from {ini}:2, [server] protocol) needs cert_file and cert_key"
    )
    assert f"{missing} is not set" in mistake


def test_what_has_no_equal_is_told_with_the_reason(ini: Path) -> None:
    text = (
        "[server]\nprotocol = socket\ncerts_watch_interval = 1m\nrouter_logging = true\nserve_from_sub_path = no\n"
        "[auth.jwt]\nheader_name = X\n[auth.anonymous]\nenabled = true\norg_name = X\n"
        "[Live]\nmax_connections = 1\n[live]\nmax_conections = 1\n[database]\ntype = mysql\npassword = x\n"
    )
    loaded = read(ini, text)
    assert loaded.settings == Settings()
    *told, others = loaded.warnings
    expected = [
        f"{ini}:2, [server] protocol is left out: HTTP/1.1 over TCP",
        f"{ini}:3, [server] certs_watch_interval is left out: files are not watched here",
        f"{ini}:10, [auth.anonymous] org_name is left out: orgs have names",
        f"{ini}:12, [Live] max_connections is left out: sections are told apart",
        f"{ini}:14, [live] max_conections is left out: no key that is known here; did you",
    ]
    assert [warning[: len(begin)] for warning, begin in zip(told, expected, strict=True)] == expected
    assert others == (f"{ini}: 3 settings of Grafana's own are left out: [server], [database]")
    [one] = read(ini, "[smtp]\nhost = x\n").warnings
    assert "1 setting of Grafana's own is left out" in one


PROXY = "[auth.proxy]\nenabled = true\nwhitelist = 127.0.0.1, 10.0.0.0/8\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PROXY, {"proxy.login_header": "X-WEBAUTH-USER"}),
        (
            PROXY + "header_name = X-Remote\nheaders = Name:X-Name, Role:X-Role Groups:X-Groups\nauto_sign_up = true\n",
            {"proxy.login_header": "X-Remote", "proxy.role_header": "X-Role"},
        ),
        (PROXY + "headers = Email:X-Email\nheader_property = username\n", {"proxy.login_header": "X-WEBAUTH-USER"}),
    ],
)
def test_a_proxy_that_names_users_does_so_here(ini: Path, text: str, expected: dict[str, Any]) -> None:
    loaded = read(ini, text)
    assert changed(loaded) == {"proxy.login_addresses": ("127.0.0.1", "10.0.0.0/8"), **expected}
    assert loaded.warnings == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[auth.proxy]\nenabled = true\n", "without whitelist (from {}:2, [auth.proxy] enabled) believes everybody"),
        (PROXY + "auto_sign_up = false\n", "auto_sign_up = false (from {}:4, [auth.proxy] auto_sign_up) refuses users"),
    ],
)
def test_a_proxy_by_whom_more_would_get_in_than_there_is_refused(ini: Path, text: str, words: str) -> None:
    [mistake] = complaints(ini, text)
    assert words.format(ini) in mistake
    assert read(ini, text.replace("enabled = true", "enabled = false")).settings == Settings()


@pytest.mark.parametrize("key", ["header_property = email", "headers_encoded = true", "enable_login_token = true"])
def test_what_of_a_proxy_has_no_equal_is_told(ini: Path, key: str) -> None:
    [warning] = read(ini, PROXY + key).warnings
    assert f"[auth.proxy] {key.partition(' ')[0]} is left out" in warning


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("enabled = true", {"accounts.anonymous": True}),
        (
            "enabled = true\norg_name = Main Org.\norg_role = Editor",
            {"accounts.anonymous": True, "accounts.anonymous_role": "Editor"},
        ),
        ("enabled = false\norg_role = Editor", {}),
        ("enabled = true\norg_name = Public\norg_role = Editor", {}),
    ],
)
def test_visitors_who_show_nothing_get_in_as_there(ini: Path, text: str, expected: dict[str, Any]) -> None:
    loaded = read(ini, f"[auth.anonymous]\n{text}\n")
    assert changed(loaded) == expected
    assert len(loaded.warnings) == ("Public" in text)


def test_a_role_that_is_none_here_is_refused(ini: Path) -> None:
    [mistake] = complaints(ini, "[auth.anonymous]\nenabled = true\norg_role = None\n")
    assert "anonymous_role" in mistake


def test_a_switched_off_section_is_not_told_of(ini: Path) -> None:
    loaded = read(ini, "[auth.jwt]\nenabled = false\nheader_name = X\nurl_login = true\nkey_file = /none\n")
    assert (loaded.settings, loaded.warnings) == (Settings(), ())


def test_comments_may_be_in_any_encoding_and_values_may_not(ini: Path) -> None:
    ini.write_bytes(b"; gr\xfcn\n[smtp]\nuser = gr\xfcn\n[live]\nmax_connections = 3\n")
    assert load(file=ini, environment={}).settings.live.max_connections == 3
    ini.write_bytes(b"[live]\nha_prefix = gr\xfcn\n")
    with pytest.raises(ConfigurationError, match=r"grafana\.ini:2, \[live\] ha_prefix\) is no text in UTF-8"):
        load(file=ini, environment={})
    with pytest.raises(ConfigurationError, match=r"environment GF_LIVE_HA_PREFIX\) is no text in UTF-8"):
        load(environment={"GF_LIVE_HA_PREFIX": "gr\udcfcn"})


@pytest.mark.parametrize(
    ("content", "words"),
    [("x\n".encode("utf-16"), "is no text in UTF-8"), (b"#" * 4_194_305, "is larger than any grafana.ini")],
)
def test_another_kind_of_file_is_told(ini: Path, content: bytes, words: str) -> None:
    ini.write_bytes(content)
    with pytest.raises(ConfigurationError, match=words):
        load(file=ini, environment={})


def test_of_many_lines_that_cannot_be_read_some_are_told(ini: Path) -> None:
    assert len(complaints(ini, "words\n" * 1000)) == 20


def test_a_missing_file_is_told(ini: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*grafana\.ini: No such file"):
        load(file=ini, environment={})


def test_the_table_names_only_settings_that_there_are() -> None:
    for rule in RULES:
        for section, key in rule.settings:
            assert key in SECTIONS[section].__struct_fields__
        assert not set(rule.keys) & {place for place in GAPS if place != ("server", "protocol")}
    assert {section for section, _ in GAPS} >= SWITCHED
    assert all(not re.search(r"[.!?]\Z", gap.reason) for gap in GAPS.values())


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
lines = st.tuples(st.sampled_from(sorted({*GAPS, *(key for rule in RULES for key in rule.keys)})), words)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(lines, max_size=6), st.dictionaries(st.sampled_from(["A", "GF_LIVE_HA_PREFIX", "GF_SERVER_DOMAIN"]), words)
)
def test_nothing_but_settings_or_mistakes_comes_of_any_file(
    ini: Path, made: list[tuple[tuple[str, str], str]], environment: dict[str, str]
) -> None:
    text = "".join(f"[{section}]\n{key} = {value}\n" for (section, key), value in made)
    try:
        loaded = read(ini, text, environment)
    except ConfigurationError as error:
        assert error.mistakes
    else:
        for (section, key), source in loaded.origins.items():
            value = getattr(getattr(loaded.settings, section), key)
            assert convert(section, key, Given(value, source)) == value
