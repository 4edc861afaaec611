"""The numbers of the Centrifuge protocol as data: reply errors, close codes, unsubscribe codes.

Texts and numbers are those of centrifuge (errors.go, disconnect.go, unsubscribe.go) and of its client API page; the
SDKs decide by the number alone. Numbers below 100 belong to the SDKs themselves and are never sent.
"""

from enum import Enum

from framecast.errors import PeerError, Refusal


class ErrorCode(Enum):
    """Why one command was refused. `temporary` ones are tried again by the SDKs, with back-off; others are final.

    109 is not temporary on the wire, yet SDKs fetch a new token and try again.
    """

    INTERNAL = (100, "internal server error", True)
    UNAUTHORIZED = (101, "unauthorized", False)
    UNKNOWN_CHANNEL = (102, "unknown channel", False)
    PERMISSION_DENIED = (103, "permission denied", False)
    METHOD_NOT_FOUND = (104, "method not found", False)
    ALREADY_SUBSCRIBED = (105, "already subscribed", False)
    LIMIT_EXCEEDED = (106, "limit exceeded", False)
    BAD_REQUEST = (107, "bad request", False)
    NOT_AVAILABLE = (108, "not available", False)
    TOKEN_EXPIRED = (109, "token expired", False)
    EXPIRED = (110, "expired", False)
    TOO_MANY_REQUESTS = (111, "too many requests", True)
    UNRECOVERABLE_POSITION = (112, "unrecoverable position", False)
    CONCURRENT_PAGINATION = (113, "concurrent pagination", True)

    def __init__(self, code: int, message: str, temporary: bool) -> None:  # noqa: FBT001 - a row of the table above
        self.code = code
        self.message = message
        self.temporary = temporary

    def refusal(self, message: str = "") -> Refusal:
        """The exception that answers a command with this code, in the protocol's words or in `message`."""
        return Refusal(self.code, message or self.message, temporary=self.temporary)


TEMPORARY = frozenset(error.code for error in ErrorCode if error.temporary)
"""Codes whose replies say so, whoever raised the refusal."""


class CloseCode(Enum):
    """Why a whole connection ended: the close frame's code and its reason (at most 123 bytes, never JSON)."""

    SHUTDOWN = (3001, "shutdown")
    INTERNAL = (3004, "internal server error")
    CONNECTION_EXPIRED = (3005, "connection expired")
    SUBSCRIPTION_EXPIRED = (3006, "subscription expired")
    SLOW = (3008, "slow")
    WRITE_ERROR = (3009, "write error")
    INSUFFICIENT_STATE = (3010, "insufficient state")
    FORCE_RECONNECT = (3011, "force reconnect")
    NO_PONG = (3012, "no pong")
    TOO_MANY_REQUESTS = (3013, "too many requests")
    STATE_INVALIDATED = (3014, "state invalidated")
    INVALID_TOKEN = (3500, "invalid token")
    BAD_REQUEST = (3501, "bad request")
    STALE = (3502, "stale")
    FORCE_DISCONNECT = (3503, "force disconnect")
    CONNECTION_LIMIT = (3504, "connection limit")
    CHANNEL_LIMIT = (3505, "channel limit")
    INAPPROPRIATE_PROTOCOL = (3506, "inappropriate protocol")
    PERMISSION_DENIED = (3507, "permission denied")
    NOT_AVAILABLE = (3508, "not available")
    TOO_MANY_ERRORS = (3509, "too many errors")

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason

    @property
    def reconnects(self) -> bool:
        """Whether the SDKs come back by themselves."""
        return client_reconnects(self.code)

    def error(self) -> PeerError:
        """The exception that ends the connection so."""
        return PeerError(self.code, self.reason)


class UnsubscribeCode(Enum):
    """Why the server ended one subscription (the `unsubscribe` push)."""

    SERVER = (2000, "server unsubscribe")
    INSUFFICIENT_STATE = (2500, "insufficient state")
    EXPIRED = (2501, "subscription expired")
    STATE_INVALIDATED = (2502, "state invalidated")

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason

    @property
    def resubscribes(self) -> bool:
        """Whether the SDKs subscribe again at once."""
        return client_resubscribes(self.code)


def client_reconnects(code: int) -> bool:
    """Whether an SDK that sees close code `code` connects again (custom codes 4000-4999 included).

    1009 is final for the JavaScript SDK only: the others rename it and come back.
    """
    return not (3500 <= code <= 3999 or 4500 <= code <= 4999)


def client_resubscribes(code: int) -> bool:
    """Whether an SDK whose subscription ended with `code` subscribes again; below 2500 the subscription is over."""
    return code >= 2500
