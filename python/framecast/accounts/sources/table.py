"""The sources of one server, in the order in which they are asked.

What somebody shows on purpose goes before what a browser sends by itself: a token, a password, then the cookie of a
session of ours, and what a Grafana beside us may know. An Authorization header that none of them takes is refused; only
then come those who show nothing.
"""

from collections.abc import Iterator

from framecast.accounts.attempts import Attempts
from framecast.accounts.directory.directory import Directory
from framecast.accounts.gate import Source
from framecast.accounts.logins import Logins
from framecast.accounts.sources.anonymous import AnonymousSource
from framecast.accounts.sources.password import PasswordSource
from framecast.accounts.sources.service_token import ServiceTokenSource
from framecast.accounts.sources.session import SessionSource
from framecast.accounts.sources.unknown import UnknownAuthorization
from framecast.settings import Settings


def build_sources(
    settings: Settings,
    directory: Directory,
    attempts: Attempts,
    logins: Logins,
    *,
    grafana: Source | None = None,
) -> list[Source]:
    """Those that are switched on. `grafana` is where there is one beside us."""
    return list(_in_order(settings, directory, attempts, logins, grafana))


def _in_order(
    settings: Settings, directory: Directory, attempts: Attempts, logins: Logins, grafana: Source | None
) -> Iterator[Source]:
    accounts = settings.accounts
    if accounts.service_tokens:
        yield ServiceTokenSource(directory, attempts)
    if accounts.passwords:
        yield PasswordSource(directory, logins, leaves_unknown=grafana is not None)
    if accounts.sessions:
        yield SessionSource(directory, attempts, accounts.session_cookie)
    if grafana is not None:
        yield grafana
    yield UnknownAuthorization(attempts)
    if accounts.anonymous:
        yield AnonymousSource(directory, accounts)
