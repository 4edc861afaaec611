"""The two things that can be wrong without being our bug: what we refuse, and what the peer broke.

Any other exception that reaches a supervision boundary is a bug of ours: it is logged once and ends that
connection, channel or plugin only. And how either quotes what a peer sent (`printable`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a failure of ours
    """One request or command that is answered with "no"; the connection goes on.

    `code` is an HTTP status (400-599), which is also what Grafana Live's clients get on the wire, or one of the
    Centrifuge protocol's reply codes (100-113, protocol/codes.py). `message` says what, where, why and what to do.
    `reason` is one of a few fixed words where refusals are counted, as those of pushes are; "" elsewhere.
    `retry_seconds` is when to come again, where that is known. `details` stand beside the message in the JSON that
    answers a request of the API.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        temporary: bool = False,
        reason: str = "",
        retry_seconds: float | None = None,
        details: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.temporary = temporary
        self.reason = reason
        self.retry_seconds = retry_seconds
        self.details = details


def printable(text: str, limit: int = 200) -> str:
    """Text of a peer for a message, cut and with everything escaped that could act on a terminal or a log."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in cut)


class PeerError(Exception):
    """The peer broke its protocol: the connection ends with WebSocket close code `code` and `reason`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class PeerLeft(Exception):  # noqa: N818 - what peers do, no failure of ours
    """Nothing more will come from this peer."""

    def __init__(self, *, too_big: bool = False) -> None:
        super().__init__("the peer left")
        self.too_big = too_big
        """Whether it was turned out for a message larger than it may send."""


class ConfigurationError(Exception):
    """The configuration cannot be used.

    Each of the `mistakes` is a sentence that names the key, its value, its source and what is allowed.
    """

    def __init__(self, *mistakes: str) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join(self.mistakes)


class Mistakes:
    """Those of several looks at a configuration, to be told all at once."""

    def __init__(self) -> None:
        self._found: list[str] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep the mistakes that end the block; what comes after it goes on."""
        try:
            yield
        except ConfigurationError as error:
            self._found += error.mistakes

    def note(self, mistake: str) -> None:
        """Keep a mistake that ends nothing."""
        self._found.append(mistake)

    def tell(self) -> None:
        """ConfigurationError with every mistake, each once, if there is one."""
        if self._found:
            raise ConfigurationError(*dict.fromkeys(self._found))
