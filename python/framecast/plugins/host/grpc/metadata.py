"""The header fields of calls: those we send, and what those of an answer say. Sans-io.

Source: gRPC over HTTP2, "Requests" and "Responses".
"""

import math
from collections.abc import Iterable, Mapping

from framecast import __version__
from framecast.plugins.host.grpc.status import GrpcError, StatusCode, error_of_http, error_of_trailers

Fields = list[tuple[str, str]]

_UNITS = (("m", 1_000), ("S", 1), ("M", 1 / 60), ("H", 1 / 3_600))
_MOST = 99_999_999


def spell_timeout(seconds: float) -> str:
    """A ``grpc-timeout``: at most eight digits and a unit, rounded up, so that our own deadline comes first."""
    for unit, per_second in _UNITS:
        amount = math.ceil(seconds * per_second)
        if amount <= _MOST:
            return f"{max(amount, 1)}{unit}"
    return f"{_MOST}H"


def request_fields(path: str, *, scheme: str, timeout_seconds: float) -> Fields:
    """What a call begins with; a call that may last for ever (`math.inf`) names no timeout."""
    fields = [
        (":method", "POST"),
        (":scheme", scheme),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", f"framecast/{__version__}"),
    ]
    if math.isfinite(timeout_seconds):
        fields.append(("grpc-timeout", spell_timeout(timeout_seconds)))
    return fields


def check_response(fields: Iterable[tuple[str, str]]) -> GrpcError | None:
    """What is wrong with the head of an answer that goes on; None when messages may follow."""
    head = dict(fields)
    if head.get(":status") != "200":
        return error_of_http(head.get(":status", ""))
    kind = head.get("content-type", "")
    if not kind.startswith("application/grpc"):
        return GrpcError(StatusCode.UNKNOWN, f"the plugin's answer is {kind[:100]!r} and not application/grpc")
    encoding = head.get("grpc-encoding", "identity")
    if encoding != "identity":
        return GrpcError(StatusCode.INTERNAL, f"the plugin compresses ({encoding[:20]!r}), which nobody asked for")
    return None


def read_ending(fields: Mapping[str, str]) -> GrpcError | None:
    """How a call ended by its trailers, or by the only header block of an answer; None for OK."""
    code = fields.get("grpc-status")
    if code is not None:
        return error_of_trailers(code, fields.get("grpc-message", ""))
    status = fields.get(":status", "200")
    if status != "200":
        return error_of_http(status)
    return GrpcError(StatusCode.INTERNAL, "the plugin ended the call without a status")
