"""How calls end: gRPC's status codes, and what other endings amount to. Sans-io.

Sources: gRPC over HTTP2 ("Responses", "Errors"), HTTP to gRPC Status Code Mapping.
"""

from enum import IntEnum
from typing import NoReturn
from urllib.parse import unquote

from h2.errors import ErrorCodes

MESSAGE_CHARACTERS = 2_000
"""Of a plugin's own words about its failure that are kept: they end in logs and in answers to clients."""


class StatusCode(IntEnum):
    """The codes of gRPC, by their numbers on the wire."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class GrpcError(Exception):
    """A call that did not end with OK: `code` says how, `message` why, in the plugin's words or in ours."""

    def __init__(self, code: StatusCode, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message

    def again(self) -> NoReturn:
        """Raise an error of its own that says the same: whoever asks once more gets a fresh traceback."""
        raise GrpcError(self.code, self.message)


_OF_RESET = {
    ErrorCodes.REFUSED_STREAM: StatusCode.UNAVAILABLE,
    ErrorCodes.CANCEL: StatusCode.CANCELLED,
    ErrorCodes.ENHANCE_YOUR_CALM: StatusCode.RESOURCE_EXHAUSTED,
    ErrorCodes.INADEQUATE_SECURITY: StatusCode.PERMISSION_DENIED,
}

_OF_HTTP = {
    "400": StatusCode.INTERNAL,
    "401": StatusCode.UNAUTHENTICATED,
    "403": StatusCode.PERMISSION_DENIED,
    "404": StatusCode.UNIMPLEMENTED,
    "429": StatusCode.UNAVAILABLE,
    "502": StatusCode.UNAVAILABLE,
    "503": StatusCode.UNAVAILABLE,
    "504": StatusCode.UNAVAILABLE,
}


def error_of_reset(code: int) -> GrpcError:
    """What it means that the plugin reset a stream with this HTTP/2 error code."""
    try:
        known = ErrorCodes(code)
    except ValueError:
        return GrpcError(StatusCode.UNKNOWN, f"the plugin broke the call off (HTTP/2 error {code})")
    return GrpcError(_OF_RESET.get(known, StatusCode.INTERNAL), f"the plugin broke the call off ({known.name})")


def error_of_http(status: str) -> GrpcError:
    """What it means that an HTTP status came, and no word of gRPC."""
    return GrpcError(_OF_HTTP.get(status, StatusCode.UNKNOWN), f"the plugin answered with HTTP status {status[:20]!r}")


def error_of_trailers(code: str, message: str) -> GrpcError | None:
    """What ``grpc-status`` and ``grpc-message`` say; None for OK. A code that is none of gRPC's is UNKNOWN."""
    words = decode_message(message)
    if not (code.isascii() and code.isdigit()):
        return GrpcError(StatusCode.UNKNOWN, f"the plugin ended the call with the status {code[:20]!r}, which is none")
    try:
        known = StatusCode(int(code[:4]))
    except ValueError:
        return GrpcError(StatusCode.UNKNOWN, words or f"the plugin ended the call with the unknown status {code[:20]}")
    if known is StatusCode.OK:
        return None
    return GrpcError(known, words or "the plugin gave no reason")


def decode_message(text: str) -> str:
    """Undo the percent-encoding of ``grpc-message``; what is no such encoding, or no UTF-8, is kept visible."""
    return unquote(text[: 9 * MESSAGE_CHARACTERS], encoding="utf-8", errors="replace")[:MESSAGE_CHARACTERS]
