"""The numbers that SDKs act on."""

import json

import pytest

from framecast.protocol.codes import TEMPORARY, CloseCode, ErrorCode, UnsubscribeCode, client_reconnects


def test_error_codes_cover_the_documented_range_once() -> None:
    assert [error.code for error in ErrorCode] == list(range(100, 114))
    assert frozenset({100, 111, 113}) == TEMPORARY


def test_refusals_carry_the_codes_own_words() -> None:
    refusal = ErrorCode.INTERNAL.refusal()
    assert (refusal.code, refusal.message, refusal.temporary) == (100, "internal server error", True)
    assert ErrorCode.BAD_REQUEST.refusal("no data").message == "no data"


@pytest.mark.parametrize("close", CloseCode)
def test_close_reasons_fit_a_close_frame_and_are_no_json(close: CloseCode) -> None:
    assert 0 < len(close.reason.encode()) <= 123
    with pytest.raises(json.JSONDecodeError):
        json.loads(close.reason)
    assert close.reconnects == (close.code < 3500)
    assert (close.error().code, close.error().reason) == (close.code, close.reason)


def test_clients_come_back_outside_the_two_final_ranges() -> None:
    finals = [
        code for code in (1000, 1009, 3000, 3499, 3500, 3999, 4000, 4499, 4500, 4999) if not client_reconnects(code)
    ]
    assert finals == [3500, 3999, 4500, 4999]


def test_subscriptions_resume_from_2500_on() -> None:
    assert {code.code for code in UnsubscribeCode if code.resubscribes} == {2500, 2501, 2502}
