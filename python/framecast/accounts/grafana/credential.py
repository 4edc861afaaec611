"""What a visitor shows that Grafana would know, and nothing else of what it sends. Secrets, which no `repr` shows.

A credential lives in its request and with the connection that the request became (`Identity.proof`). Everywhere else it
goes by its name, which tells nothing: a hash with a key that this process made up and nobody else has, so that not even
a short password could be found by trying.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from framecast.door.head import RequestHead
from framecast.errors import Refusal

SCHEMES = frozenset({b"bearer", b"basic"})
"""Of Authorization headers that Grafana takes: service accounts' tokens, and users with their passwords."""

NAME_BYTES = 16
"""Of a name: chance alone gives no two credentials the same one."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One visitor's."""

    name: str
    """As `Identity.credential`: ``grafana:`` and 32 hexadecimal digits."""

    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False, compare=False)
    """To be shown to Grafana, and to nobody else."""


class Credentials:
    """Finds them in requests."""

    def __init__(self, cookies: Sequence[str]) -> None:
        self._cookies = frozenset(name.encode() for name in cookies)
        self._key = secrets.token_bytes(32)

    def find(self, head: RequestHead) -> Credential | None:
        """What the request shows; None for nothing that Grafana would look at. Refusal 401 for two at once.

        An Authorization header goes before cookies, as in Grafana.
        """
        authorizations = [value for name, value in head.headers if name == b"authorization"]
        if len(authorizations) > 1:
            raise Refusal(401, "more than one Authorization header")
        if authorizations and authorizations[0].partition(b" ")[0].lower() in SCHEMES:
            return self._credential(b"authorization", authorizations[0])
        cookies = self._shown_cookies(head)
        return self._credential(b"cookie", cookies) if cookies else None

    def _shown_cookies(self, head: RequestHead) -> bytes:
        """Those that are for Grafana, as they came: it takes the first of a name itself."""
        pairs = b";".join(value for name, value in head.headers if name == b"cookie").split(b";")
        return b"; ".join(pair.strip() for pair in pairs if pair.partition(b"=")[0].strip() in self._cookies)

    def _credential(self, header: bytes, value: bytes) -> Credential:
        digest = hashlib.blake2b(header + b"\0" + value, key=self._key, digest_size=NAME_BYTES).hexdigest()
        return Credential(f"grafana:{digest}", ((header, value),))
