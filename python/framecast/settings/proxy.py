"""What proxies in front of the server are believed."""

from msgspec import Struct

from framecast.settings.units import Positive, RoleName


class Proxy(Struct, frozen=True, forbid_unknown_fields=True):
    """Proxies in front of the server, and what of their word counts (grafana.md). Nothing does until they are named."""

    addresses: tuple[str, ...] = ()
    """Addresses (`10.0.0.7`) and networks (`10.0.0.0/8`, `fd00::/8`) of proxies whose `X-Forwarded-For` says who the
    client is, for limits and logs. Nobody else's does."""

    login_header: str = ""
    """The header in which a proxy that has authenticated the user names it, `X-WEBAUTH-USER` as a rule. Empty: none."""

    login_addresses: tuple[str, ...] = ()
    """Addresses and networks of such proxies. From anywhere else `login_header`, `org_header` and `role_header` are
    ignored; from these they are the whole truth, so the proxy must replace what clients send under these names."""

    org_header: str = ""
    """The header with the id of the user's org. Empty: all are in `org`."""

    org: Positive = 1
    """The org of users whose proxy names none."""

    role_header: str = ""
    """The header with the user's role in the org, `Viewer`, `Editor` or `Admin`. Empty: all have `role`."""

    role: RoleName = "Viewer"
    """The role of users whose proxy names none, or another one."""
