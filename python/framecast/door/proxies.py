"""Who the client is when a proxy stands between. Pure functions of addresses and one header.

Everybody can write X-Forwarded-For. Each proxy appends whom it was asked by, so the list is believed from its right
end on, for as long as the one who wrote an entry is known; the first stranger is the client, whatever it wrote further
left.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import msgspec

from framecast.door.head import RequestHead
from framecast.errors import ConfigurationError

FORWARDED_FOR = b"x-forwarded-for"

_WITH_PORT = re.compile(r"\[(?P<six>[^\]]*)\](?::\d+)?|(?P<four>[\d.]+):\d+")
"""How some proxies write an entry."""

Address = IPv4Address | IPv6Address


class TrustedProxies:
    """A set of addresses: `address in proxies`. Empty: every peer is the client itself."""

    def __init__(self, addresses: Sequence[str] = (), *, setting: str = "proxy.addresses") -> None:
        """ConfigurationError, which names the `setting`, for what is neither an address nor a network."""
        try:
            self._networks = tuple(ip_network(text.strip()) for text in addresses)
        except ValueError as error:
            raise ConfigurationError(
                f"{setting} holds what is no address or network: {error}; examples: 127.0.0.1, 10.0.0.0/8, fd00::/8"
            ) from None

    def __contains__(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and self._holds(parsed)

    def see_through(self, head: RequestHead) -> RequestHead:
        """The head with the client as its `peer`."""
        if not self._networks:
            return head
        client = self.find_client(head.neighbour, head.headers)
        return head if client == head.neighbour else msgspec.structs.replace(head, peer=client)

    def find_client(self, neighbour: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Who asks by way of `neighbour`, as far as the proxies' words can be followed; itself when it is none."""
        if not self._networks or neighbour not in self:
            return neighbour
        client = neighbour
        entries = b",".join(value for name, value in headers if name == FORWARDED_FOR).split(b",")
        for entry in reversed(entries):
            parsed = _parse(entry.decode("latin-1"))
            if parsed is None:
                break
            client = str(parsed)
            if not self._holds(parsed):
                break
        return client

    def _holds(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


NO_PROXIES = TrustedProxies()


def _parse(text: str) -> Address | None:
    """An address, an IPv4 one that IPv6 carries as IPv4; None when it is none ("unknown", a name, nothing)."""
    text = text.strip()
    found = _WITH_PORT.fullmatch(text)
    if found is not None:
        text = found["six"] or found["four"]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
