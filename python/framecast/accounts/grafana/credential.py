"""What a visitor shows that Grafana would know, and nothing else of what it sends. Secrets, which no `repr` shows.

A credential lives in its request and with the connection that the request became (`Identity.proof`). Everywhere else it
goes by its name, which tells nothing: a hash with a key that this process made up and nobody else has, so that not even
a short password could be found by trying.
"""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from framecast.accounts.attempts import Kind
from framecast.accounts.authorization import ShownPassword, ShownToken, read_authorization
from framecast.accounts.secret import is_token
from framecast.door.head import RequestHead

SERVICE_ACCOUNT = "glsa_"
"""How tokens of Grafana's service accounts begin. As the password of any login they are meant as tokens, since some
clients can show nothing else."""

NAME_BYTES = 16
"""Of a name: chance alone gives no two credentials the same one."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One visitor's."""

    name: str
    """As `Identity.credential`: ``grafana:`` and 32 hexadecimal digits."""

    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False, compare=False)
    """To be shown to Grafana, and to nobody else."""

    kind: Kind = field(default=Kind.OTHER, compare=False)
    login: str = field(default="", repr=False, compare=False)
    """Of a password."""


class Credentials:
    """Finds them in requests."""

    def __init__(self, cookies: Sequence[str]) -> None:
        self._cookies = frozenset(name.encode() for name in cookies)
        self._key = secrets.token_bytes(32)

    def find(self, head: RequestHead) -> Credential | None:
        """What the request shows; None for nothing that Grafana would know. Refusal 401 for several Authorizations.

        Authorization goes before cookies, as in Grafana. Tokens of this server's own are no business of Grafana's.
        """
        shown = read_authorization(head)
        if isinstance(shown, ShownPassword) and shown.password.startswith(SERVICE_ACCOUNT):
            shown = ShownToken(shown.password)
        if isinstance(shown, ShownToken):
            bearer = b"Bearer " + shown.token.encode()
            return None if is_token(shown.token) else self._credential(b"authorization", bearer, Kind.TOKEN)
        if isinstance(shown, ShownPassword):
            pair = base64.b64encode(f"{shown.login}:{shown.password}".encode())
            return self._credential(b"authorization", b"Basic " + pair, Kind.PASSWORD, shown.login)
        cookies = b"" if head.find(b"authorization") is not None else self._shown_cookies(head)
        return self._credential(b"cookie", cookies, Kind.SESSION) if cookies else None

    def _shown_cookies(self, head: RequestHead) -> bytes:
        """Those that are for Grafana, as they came: it takes the first of a name itself."""
        pairs = b";".join(value for name, value in head.headers if name == b"cookie").split(b";")
        return b"; ".join(pair.strip() for pair in pairs if pair.partition(b"=")[0].strip() in self._cookies)

    def _credential(self, header: bytes, value: bytes, kind: Kind, login: str = "") -> Credential:
        digest = hashlib.blake2b(header + b"\0" + value, key=self._key, digest_size=NAME_BYTES).hexdigest()
        return Credential(f"grafana:{digest}", ((header, value),), kind, login)
