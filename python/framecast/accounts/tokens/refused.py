"""Why a token is refused: a small fixed set, for the log and the figures. Clients are told codes only."""

from enum import StrEnum


class Reason(StrEnum):
    """The word under which a refused token is counted."""

    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    AUDIENCE = "audience"
    ISSUER = "issuer"
    CLAIMS = "claims"
    """A claim has the wrong type or size, or is not what it says to be."""
    MISMATCH = "mismatch"
    """A good token, for something else: another channel, user or client, or the other kind of token."""
    KEYS_UNAVAILABLE = "keys_unavailable"
    """The key set could not be asked. Nothing is known about the token."""


class TokenRefusedError(Exception):
    """A token that is not accepted. `detail` is for the operator's log; it never holds a token or a key.

    It may hold what a stranger wrote (`kid`, `alg`), cut short.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


LONGEST_QUOTE = 100


def quote(text: str) -> str:
    """What a stranger wrote, short enough for a log line."""
    return repr(text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "…")
