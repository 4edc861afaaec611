"""Which of Grafana's settings are ours, and what becomes of the others: the one table of it, to be added to.

A rule reads some keys of a grafana.ini and says what they are here. A gap is a key that means something for a server
like this one, and has no setting yet: it is told, with the reason. Every other key is Grafana's own business. Nothing
here invents a setting: where there is no equal, there is a gap.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from framecast.configuration.grafana_jwt import find_key_setting, read_expected_claims
from framecast.configuration.grafana_values import FALSE, GrafanaValues, parse_duration
from framecast.configuration.layer import Given
from framecast.errors import ConfigurationError

Place = tuple[str, str]
"""Section and key, Grafana's or ours."""

Carried = Iterator[tuple[Place, Given]]


@dataclass(frozen=True, slots=True)
class Rule:
    """What `keys` of Grafana's are here: some of `settings`. Later rules win over earlier ones."""

    keys: tuple[Place, ...]
    settings: tuple[Place, ...]
    read: Callable[[GrafanaValues], Carried]
    note: str = ""
    """For the page, where it is more than another name."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Why a key has no counterpart yet, and with which values nothing is lost by that."""

    reason: str
    harmless: frozenset[str] = frozenset()


def _one(
    key: Place,
    setting: Place,
    convert: Callable[[Given], Given] = lambda given: given,
    *,
    switch: str = "",
    note: str = "",
) -> Rule:
    """One key that is one setting, where the section `switch` is switched on."""

    def read(values: GrafanaValues) -> Carried:
        given = values.find(*key) if not switch or values.is_on(switch) else None
        if given is not None:
            yield setting, convert(given)

    return Rule((key,), (setting,), read, note)


def _secret(key: Place, setting: Place) -> Rule:
    def read(values: GrafanaValues) -> Carried:
        given = values.find_secret(*key)
        if given is not None:
            yield setting, given

    return Rule((key,), (setting,), read)


def _word(words: Mapping[str, str]) -> Callable[[Given], Given]:
    """Another word for the same; one that Grafana does not know stays, and is refused where it is used."""
    return lambda given: Given(words.get(given.value, given.value), given.source)


def _list(given: Given) -> Given:
    """The parts of a text with commas."""
    return Given([part.strip() for part in given.value.split(",") if part.strip()], given.source)


def _read_root_url(values: GrafanaValues) -> Carried:
    """The address under which people see the server, put together of other keys where it is not given."""
    seen = values.find("server", "root_url") or values.find("server", "domain")
    if seen is not None:
        url = values.find_or_default("server", "root_url").strip()
        _check_url(url, seen.source)
        yield ("server", "root_url"), Given(url, seen.source)


def _check_url(url: str, source: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"}:
        raise ConfigurationError(f"{url!r} (from {source}) is no address of the form https://host/")


def _read_places(values: GrafanaValues) -> Carried:
    """HOST:PORT of an address, a port or both; without an address all of this machine's, as in Grafana."""
    given = [one for key in ("http_addr", "http_port") if (one := values.find("server", key))]
    if given and values.find_or_default("server", "protocol") not in _SOCKETS:
        host = values.find_or_default("server", "http_addr") or "0.0.0.0"  # noqa: S104 - Grafana's default, when set up so
        port = values.find_or_default("server", "http_port")
        place = f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
        yield ("server", "listen"), Given([place], " and ".join(one.source for one in given))


_TLS = frozenset({"https", "h2"})
_SOCKETS = frozenset({"socket", "socket_h2"})
_VERSIONS = {"TLS1.2": "1.2", "TLS1.3": "1.3"}


def _speaks_tls(values: GrafanaValues) -> bool:
    return values.find_or_default("server", "protocol") in _TLS


def _read_certificate(values: GrafanaValues) -> Carried:
    """Both files, where the protocol asks for them: who asked for TLS must not find a server without it."""
    if not _speaks_tls(values):
        return
    for key, setting in (("cert_file", "tls_cert"), ("cert_key", "tls_key")):
        given = values.find("server", key)
        if given is None:
            protocol = values.find("server", "protocol")
            source = "" if protocol is None else f" (from {protocol.source})"
            raise ConfigurationError(
                f"[server] protocol = {values.find_or_default('server', 'protocol')}{source} needs cert_file and "
                f"cert_key, and {key} is not set: no certificate is made here"
            )
        yield ("server", setting), given


def _read_key_password(values: GrafanaValues) -> Carried:
    given = values.find_secret("server", "cert_pass") if _speaks_tls(values) else None
    if given is not None:
        yield ("server", "tls_key_password"), given


def _read_hsts(values: GrafanaValues) -> Carried:
    if not values.is_on("security", "strict_transport_security"):
        return
    switch = values.find("security", "strict_transport_security")
    age = values.find("security", "strict_transport_security_max_age_seconds")
    if age is not None:
        yield ("server", "hsts_seconds"), age
    elif switch is not None:
        yield ("server", "hsts_seconds"), Given(_HSTS_SECONDS, switch.source)


_HSTS_SECONDS = "86400"
"""Grafana's own default."""


def _read_key_file(values: GrafanaValues) -> Carried:
    given = values.find("auth.jwt", "key_file") if values.is_on("auth.jwt") else None
    if given is not None:
        yield ("tokens", find_key_setting(given)), given


def _read_expected_claims(values: GrafanaValues) -> Carried:
    given = values.find("auth.jwt", "expect_claims") if values.is_on("auth.jwt") else None
    if given is not None:
        for key, value in read_expected_claims(given):
            yield ("tokens", key), Given(value, given.source)


def _read_url_login(values: GrafanaValues) -> Carried:
    """Tokens in the query's `auth_token`; where it is off, they may still come in a header."""
    switch = values.find("auth.jwt", "url_login") if values.is_on("auth.jwt") else None
    if switch is not None and values.is_on("auth.jwt", "url_login"):
        yield ("tokens", "requests"), Given(value=True, source=switch.source)


def _read_proxy(values: GrafanaValues) -> Carried:
    """Who names users, as long as nobody gets in by that who does not there."""
    switch = values.find("auth.proxy", "enabled")
    if switch is None or not values.is_on("auth.proxy"):
        return
    whitelist, sign_up = values.find("auth.proxy", "whitelist"), values.find("auth.proxy", "auto_sign_up")
    if whitelist is None:
        raise ConfigurationError(
            f"[auth.proxy] without whitelist (from {switch.source}) believes everybody who sends the header: name the "
            "addresses of the proxy in it, or switch the section off"
        )
    if sign_up is not None and not values.is_on("auth.proxy", "auto_sign_up"):
        raise ConfigurationError(
            f"[auth.proxy] auto_sign_up = {sign_up.value} (from {sign_up.source}) refuses users that Grafana does not "
            "know, and here everybody gets in whom the proxy names: switch it on, or the section off"
        )
    yield ("proxy", "login_addresses"), _list(whitelist)
    header = values.find("auth.proxy", "header_name") or Given("X-WEBAUTH-USER", switch.source)
    yield ("proxy", "login_header"), header
    headers = values.find("auth.proxy", "headers")
    if headers is not None:
        pairs = (part.partition(":") for part in re.split(r"[,\s]+", headers.value))
        roles = [name for field, _, name in pairs if field == "Role" and name]
        if roles:
            yield ("proxy", "role_header"), Given(roles[-1], headers.source)


MAIN_ORG = "Main Org."
"""Of this name is org 1, there and here. Others have names in a database only."""


def _read_anonymous(values: GrafanaValues) -> Carried:
    """Visitors who show nothing, where their org is one that both have."""
    switch, org = values.find("auth.anonymous", "enabled"), values.find("auth.anonymous", "org_name")
    if switch is None or not values.is_on("auth.anonymous") or (org is not None and org.value != MAIN_ORG):
        return
    yield ("accounts", "anonymous"), Given(value=True, source=switch.source)
    role = values.find("auth.anonymous", "org_role")
    if role is not None:
        yield ("accounts", "anonymous_role"), role


_LEVELS = {"trace": "debug", "warn": "warning", "critical": "error"}
_FORMATS = {"console": "human", "text": "human"}

LIVE_RULES: tuple[Rule, ...] = (
    _one(("live", "max_connections"), ("live", "max_connections")),
    _one(("live", "message_size_limit"), ("live", "message_size_limit")),
    _one(("live", "allowed_origins"), ("live", "allowed_origins"), _list),
    _one(("live", "ha_engine"), ("live", "ha_engine")),
    _one(("live", "ha_engine_address"), ("live", "ha_engine_address")),
    _secret(("live", "ha_engine_password"), ("live", "ha_engine_password")),
    _one(("live", "ha_prefix"), ("live", "ha_prefix")),
)
"""Those that are read of the environment without a grafana.ini as well."""

RULES: tuple[Rule, ...] = (
    *LIVE_RULES,
    Rule(
        (("server", "http_addr"), ("server", "http_port")),
        (("server", "listen"),),
        _read_places,
        "one HOST:PORT where one of them is set, of `0.0.0.0` and 3000 where the other is not",
    ),
    Rule(
        (("server", "root_url"), ("server", "domain"), ("server", "protocol")),
        (("server", "root_url"),),
        _read_root_url,
        "put together as there where only `domain` is set",
    ),
    Rule(
        (("server", "cert_file"), ("server", "cert_key"), ("server", "protocol")),
        (("server", "tls_cert"), ("server", "tls_key")),
        _read_certificate,
        "where `protocol` is `https` or `h2`, which need both",
    ),
    Rule((("server", "cert_pass"),), (("server", "tls_key_password"),), _read_key_password, "as those"),
    _one(("server", "min_tls_version"), ("server", "tls_min_version"), _word(_VERSIONS), note="without `TLS`"),
    Rule(
        (("security", "strict_transport_security"), ("security", "strict_transport_security_max_age_seconds")),
        (("server", "hsts_seconds"),),
        _read_hsts,
        "where it is switched on; a day where it says no time",
    ),
    _one(("auth.jwt", "jwk_set_url"), ("tokens", "jwks_url"), switch="auth.jwt"),
    _one(("auth.jwt", "cache_ttl"), ("tokens", "jwks_seconds"), parse_duration, switch="auth.jwt", note="in seconds"),
    Rule(
        (("auth.jwt", "key_file"),),
        (("tokens", "rsa_public_key"), ("tokens", "ecdsa_public_key")),
        _read_key_file,
        "the path, under the name of what the file holds",
    ),
    _one(("auth.jwt", "username_claim"), ("tokens", "user_claim"), switch="auth.jwt"),
    Rule(
        (("auth.jwt", "expect_claims"),),
        (("tokens", "issuer"), ("tokens", "audience")),
        _read_expected_claims,
        "`iss` and `aud`; another claim is refused, because tokens without it would get in",
    ),
    _one(("auth.jwt", "header_name"), ("tokens", "header"), switch="auth.jwt"),
    Rule((("auth.jwt", "url_login"),), (("tokens", "requests"),), _read_url_login, "where it is on"),
    Rule(
        (
            ("auth.proxy", "enabled"),
            ("auth.proxy", "whitelist"),
            ("auth.proxy", "header_name"),
            ("auth.proxy", "headers"),
            ("auth.proxy", "auto_sign_up"),
        ),
        (("proxy", "login_addresses"), ("proxy", "login_header"), ("proxy", "role_header")),
        _read_proxy,
        "of `headers` the one of `Role`; without `whitelist`, and with `auto_sign_up` off, it is refused, because more "
        "would get in",
    ),
    Rule(
        (("auth.anonymous", "enabled"), ("auth.anonymous", "org_role")),
        (("accounts", "anonymous"), ("accounts", "anonymous_role")),
        _read_anonymous,
        "where `org_name` is not set, or `Main Org.`, which is org 1 in both",
    ),
    _one(("log", "level"), ("log", "level"), _word(_LEVELS), note="`warn`, `critical` and `trace` in our words"),
    _one(("log.console", "level"), ("log", "level"), _word(_LEVELS), note="wins over that of `[log]`"),
    _one(("log.console", "format"), ("log", "format"), _word(_FORMATS), note="`console` and `text` are `human`"),
)

_OFF = FALSE
_NEVER = frozenset({"0", "0s"})
_ROLES = "one claim is the role here (tokens.role_claim), where an expression says it there"

GAPS: Mapping[Place, Gap] = {
    ("server", "protocol"): Gap(
        "HTTP/1.1 over TCP is spoken here, with TLS or without, and neither HTTP/2 nor Unix sockets",
        frozenset({"http", "https"}),
    ),
    ("server", "certs_watch_interval"): Gap("files are not watched here: send SIGHUP when they are new", _NEVER),
    ("server", "serve_from_sub_path"): Gap("paths begin with /api here: let a proxy take the sub path off", _OFF),
    ("server", "enforce_domain"): Gap("a request for another host is served here, except with --dev", _OFF),
    ("auth.jwt", "jwk_set_file"): Gap("a key set comes from a URL here (tokens.jwks_url), not from a file"),
    ("auth.jwt", "email_claim"): Gap("users are told apart by one claim here (tokens.user_claim)"),
    ("auth.jwt", "role_attribute_path"): Gap(_ROLES),
    ("auth.jwt", "role_attribute_strict"): Gap("a role that is none is never taken here (tokens.role_claim)", _OFF),
    ("auth.jwt", "allow_assign_grafana_admin"): Gap(
        "one claim makes server admins here (tokens.server_admin_claim)", _OFF
    ),
    ("auth.anonymous", "org_name"): Gap(
        "orgs have names in the database only, so nobody gets in without showing something: set accounts.anonymous and "
        "accounts.anonymous_org",
        frozenset({MAIN_ORG}),
    ),
    ("auth.proxy", "header_property"): Gap(
        "what the header holds is the login here, an e-mail address too", frozenset({"username"})
    ),
    ("auth.proxy", "headers_encoded"): Gap("headers are read as UTF-8 here, as they are", _OFF),
    ("auth.proxy", "enable_login_token"): Gap("the proxy names the user with each request here", _OFF),
    ("log", "mode"): Gap("logs go to stderr here, and nowhere else", frozenset({"console", "console file"})),
    ("log", "filters"): Gap("all rooms of the server log at one level here"),
}

SWITCHED = frozenset({"auth.jwt", "auth.anonymous", "auth.proxy"})
"""Sections that mean nothing while their `enabled` is off."""
