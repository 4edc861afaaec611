"""How a call ended is told by gRPC's own words where there are some, and else by what HTTP/2 and HTTP said."""

import math

import pytest
from h2.errors import ErrorCodes
from hypothesis import given
from hypothesis import strategies as st

from framecast.plugins.host.grpc.metadata import check_response, read_ending, request_fields, spell_timeout
from framecast.plugins.host.grpc.status import (
    MESSAGE_CHARACTERS,
    GrpcError,
    StatusCode,
    decode_message,
    error_of_reset,
    error_of_trailers,
)

SECONDS_PER_UNIT = {"m": 0.001, "S": 1, "M": 60, "H": 3_600}


def percent_encode(text: str) -> str:
    """As the specification tells a server to: everything but printable ASCII, and the percent sign."""
    return "".join(
        chr(byte) if 0x20 <= byte <= 0x7E and byte != 0x25 else f"%{byte:02X}" for byte in text.encode("utf-8")
    )


@given(st.text(max_size=300))
def test_any_text_survives_the_percent_encoding(text: str) -> None:
    assert decode_message(percent_encode(text)) == text


@pytest.mark.parametrize("text", ["100%", "%zz", "%e4", "%", "a%4"])
def test_what_is_no_percent_encoding_is_told_all_the_same(text: str) -> None:
    assert decode_message(f"before {text}").startswith("before ")


def test_a_plugin_s_words_are_cut_where_they_become_too_many() -> None:
    error = error_of_trailers("13", percent_encode("ä" * 100_000))
    assert error is not None
    assert error.message == "ä" * MESSAGE_CHARACTERS


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"grpc-status": "5", "grpc-message": "no%20such"}, StatusCode.NOT_FOUND, "no such"),
        ({"grpc-status": "13"}, StatusCode.INTERNAL, "gave no reason"),
        ({"grpc-status": "99", "grpc-message": "odd"}, StatusCode.UNKNOWN, "odd"),
        ({"grpc-status": "many"}, StatusCode.UNKNOWN, "'many'"),
        ({"grpc-status": "¹"}, StatusCode.UNKNOWN, "which is none"),
        ({"grpc-status": "9" * 5_000}, StatusCode.UNKNOWN, "unknown status"),
        ({}, StatusCode.INTERNAL, "without a status"),
        ({":status": "503"}, StatusCode.UNAVAILABLE, "'503'"),
        ({":status": "401"}, StatusCode.UNAUTHENTICATED, "'401'"),
        ({":status": "403"}, StatusCode.PERMISSION_DENIED, "'403'"),
        ({":status": "404"}, StatusCode.UNIMPLEMENTED, "'404'"),
        ({":status": "418"}, StatusCode.UNKNOWN, "'418'"),
        ({":status": "500", "grpc-status": "8"}, StatusCode.RESOURCE_EXHAUSTED, "gave no reason"),
    ],
)
def test_an_ending_without_success_says_how_and_why(fields: dict[str, str], code: StatusCode, words: str) -> None:
    error = read_ending(fields)
    assert error is not None
    assert (error.code, words in error.message) == (code, True)


def test_an_ending_with_status_zero_is_success() -> None:
    assert read_ending({"grpc-status": "0", "grpc-message": "never mind"}) is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({":status": "200", "content-type": "application/grpc"}, None),
        ({":status": "200", "content-type": "application/grpc+proto"}, None),
        ({":status": "200", "content-type": "text/html"}, StatusCode.UNKNOWN),
        ({":status": "200"}, StatusCode.UNKNOWN),
        ({":status": "502", "content-type": "application/grpc"}, StatusCode.UNAVAILABLE),
        ({":status": "200", "content-type": "application/grpc", "grpc-encoding": "gzip"}, StatusCode.INTERNAL),
    ],
)
def test_only_an_answer_in_grpc_is_read_on(fields: dict[str, str], code: StatusCode | None) -> None:
    error = check_response(fields.items())
    assert (error and error.code) == code


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCodes.NO_ERROR, StatusCode.INTERNAL),
        (ErrorCodes.REFUSED_STREAM, StatusCode.UNAVAILABLE),
        (ErrorCodes.CANCEL, StatusCode.CANCELLED),
        (ErrorCodes.ENHANCE_YOUR_CALM, StatusCode.RESOURCE_EXHAUSTED),
        (ErrorCodes.INADEQUATE_SECURITY, StatusCode.PERMISSION_DENIED),
        (ErrorCodes.PROTOCOL_ERROR, StatusCode.INTERNAL),
        (4_711, StatusCode.UNKNOWN),
    ],
)
def test_a_reset_stream_means_what_the_specification_says(code: int, status: StatusCode) -> None:
    assert error_of_reset(code).code is status


@given(st.floats(min_value=0, max_value=1e15, allow_nan=False))
def test_a_timeout_has_eight_digits_at_most_and_never_less_time_than_asked_for(seconds: float) -> None:
    text = spell_timeout(seconds)
    amount = int(text[:-1])
    assert 1 <= amount <= 99_999_999
    told = amount * SECONDS_PER_UNIT[text[-1]]
    assert told >= seconds * 0.999_999 or text == "99999999H"
    assert told <= max(seconds * 1.001, seconds + 0.001) or seconds < 0.001


def test_a_call_without_end_names_no_timeout() -> None:
    assert "grpc-timeout" not in dict(request_fields("/a/B", scheme="http", timeout_seconds=math.inf))
    assert dict(request_fields("/a/B", scheme="http", timeout_seconds=1.5))["grpc-timeout"] == "1500m"


def test_an_error_can_be_raised_again_with_a_traceback_of_its_own() -> None:
    error = GrpcError(StatusCode.ABORTED, "why")
    with pytest.raises(GrpcError, match="ABORTED: why") as caught:
        error.again()
    assert caught.value is not error
