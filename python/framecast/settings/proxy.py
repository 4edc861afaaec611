"""What proxies in front of the server are believed."""

from msgspec import Struct


class Proxy(Struct, frozen=True, forbid_unknown_fields=True):
    """Proxies in front of the server, and what of their word counts (grafana.md). Nothing does until they are named."""

    addresses: tuple[str, ...] = ()
    """Addresses (`10.0.0.7`) and networks (`10.0.0.0/8`, `fd00::/8`) of proxies whose `X-Forwarded-For` says who the
    client is, for limits and logs. Nobody else's does."""
