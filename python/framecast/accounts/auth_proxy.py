"""Users whom a proxy in front has authenticated: it names them in headers, as Grafana's ``[auth.proxy]`` takes them.

Anybody can send these headers, so they count from listed addresses only: those at the other end of the connection,
never those that a header tells of. From anywhere else they are as good as absent.
"""

import re
from collections.abc import Container

from framecast.accounts.identity import Identity, Role
from framecast.accounts.which_org import choose_org
from framecast.door.head import RequestHead
from framecast.door.proxies import TrustedProxies
from framecast.errors import ConfigurationError, Refusal
from framecast.settings import Proxy

LOGIN_BYTES = 255
"""Of a user's name, as in Grafana's database (190 characters) with room for others."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~\-]+")
_ORG = re.compile(r"[1-9][0-9]{0,17}")
_ROLES = {role.value: role for role in Role}


class AuthProxy:
    """The source of such users. ConfigurationError for names that are no header's, and for no listed address."""

    def __init__(self, settings: Proxy, orgs: Container[int] = ()) -> None:
        """`orgs` are those of this server; who is named of another one is refused."""
        self._settings = settings
        self._orgs = orgs
        self._login = _header_name(settings.login_header, "login_header")
        self._org = _header_name(settings.org_header, "org_header")
        self._role = _header_name(settings.role_header, "role_header")
        self._proxies = TrustedProxies(settings.login_addresses, setting="proxy.login_addresses")
        if not settings.login_addresses:
            raise ConfigurationError(
                "proxy.login_header is set, but proxy.login_addresses names no proxy: list the addresses from which "
                "the header is believed, 127.0.0.1 for example"
            )

    async def find(self, head: RequestHead) -> Identity | None:
        """Whom the proxy names; None when it names nobody, or is none.

        Refusal 401 for what cannot be one user, and for an org that there is not; 403 for another one than the user's.
        """
        if head.neighbour not in self._proxies:
            return None
        login = _only_value(head, self._login)
        if not login:
            return None
        if len(login.encode()) > LOGIN_BYTES:
            raise Refusal(401, f"the proxy names a user with more than {LOGIN_BYTES} bytes")
        role = _ROLES.get(_only_value(head, self._role), Role(self._settings.role))
        org_id = self._find_org(head)
        return Identity(choose_org(head, {org_id}, org_id), login, role)

    def _find_org(self, head: RequestHead) -> int:
        text = _only_value(head, self._org)
        if text and _ORG.fullmatch(text) is None:
            raise Refusal(401, f"the proxy's header {self._settings.org_header} holds no org's id")
        org_id, named = (int(text), self._settings.org_header) if text else (self._settings.org, "proxy.org")
        if org_id not in self._orgs:
            raise Refusal(
                401,
                f"the proxy's user is of org {org_id} ({named}), which is none of this server: make it "
                "(framecast org create), or have the proxy name another one",
            )
        return org_id


def _header_name(text: str, key: str) -> bytes:
    """As heads have it; b"" for none."""
    if text and _HEADER_NAME.fullmatch(text) is None:
        raise ConfigurationError(f"proxy.{key} = {text!r} is no header's name; example: X-WEBAUTH-USER")
    return text.lower().encode("ascii")


def _only_value(head: RequestHead, name: bytes) -> str:
    """The header's value; "" without one. Refusal 401 for several, one of which may be the client's own."""
    values = [value for key, value in head.headers if key == name] if name else []
    if len(values) > 1 or any(b"," in value for value in values):
        raise Refusal(401, f"the header {name.decode('ascii')} came with several values: the proxy must replace it")
    try:
        return values[0].decode().strip() if values else ""
    except UnicodeDecodeError:
        raise Refusal(401, f"the header {name.decode('ascii')} is not UTF-8") from None
