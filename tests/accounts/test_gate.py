"""Who gets in: with --dev everybody as one and the same, without it nobody."""

import pytest

from framecast.accounts.gate import closed_gate, open_gate
from framecast.accounts.identity import DEVELOPER
from framecast.errors import Refusal

HEADERS = [None, b"", b"Bearer secret", b"Basic YWRtaW46YWRtaW4=", b"\xff"]


@pytest.mark.parametrize("authorization", HEADERS)
def test_the_open_gate_lets_everybody_in_as_the_developer(authorization: bytes | None) -> None:
    assert open_gate(authorization) == DEVELOPER
    assert DEVELOPER.org_id == 1


@pytest.mark.parametrize("authorization", HEADERS)
def test_the_closed_gate_lets_nobody_in_and_does_not_repeat_the_token(authorization: bytes | None) -> None:
    with pytest.raises(Refusal) as caught:
        closed_gate(authorization)
    assert caught.value.code == 401
    assert "secret" not in caught.value.message
