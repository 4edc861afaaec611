"""The sources of one server, in the order in which they are asked.

What somebody shows on purpose goes before what a browser sends by itself: a token, a password or a JWT, a user whom the
proxy in front names, then the cookie of a session of ours, and what a Grafana beside us may know. An Authorization
header that none of them takes is refused; only then come those who show nothing.
"""

from collections.abc import Iterator

from framecast.accounts.attempts import Attempts
from framecast.accounts.auth_proxy import AuthProxy
from framecast.accounts.directory.directory import Directory
from framecast.accounts.gate import Source
from framecast.accounts.logins import Logins
from framecast.accounts.sources.anonymous import AnonymousSource
from framecast.accounts.sources.jwt import JwtSource
from framecast.accounts.sources.password import PasswordSource
from framecast.accounts.sources.service_token import ServiceTokenSource
from framecast.accounts.sources.session import SessionSource
from framecast.accounts.sources.unknown import UnknownAuthorization
from framecast.accounts.tokens.verifier import TokenVerifier
from framecast.settings import Settings


def build_sources(
    settings: Settings,
    directory: Directory,
    attempts: Attempts,
    logins: Logins,
    *,
    verifier: TokenVerifier | None = None,
    grafana: Source | None = None,
) -> list[Source]:
    """Those that are switched on. `verifier` is of JWTs, where there are keys; `grafana` where one is beside us."""
    accounts = settings.accounts

    def in_order() -> Iterator[Source]:
        if accounts.service_tokens:
            yield ServiceTokenSource(directory, attempts)
        if accounts.passwords:
            yield PasswordSource(directory, logins, leaves_unknown=grafana is not None)
        if verifier is not None and settings.tokens.requests:
            yield JwtSource(verifier, directory, attempts, settings.tokens)
        if settings.proxy.login_header:
            yield AuthProxy(settings.proxy, directory.orgs)
        if accounts.sessions:
            yield SessionSource(directory, attempts, accounts.session_cookie)
        if grafana is not None:
            yield grafana
        yield UnknownAuthorization(attempts)
        if accounts.anonymous:
            yield AnonymousSource(directory, accounts)

    return list(in_order())
