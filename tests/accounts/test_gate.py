"""Who gets in: with --dev everybody as one and the same, without it nobody."""

import pytest

from framecast.accounts.gate import closed_gate, open_gate
from framecast.accounts.identity import DEVELOPER
from framecast.errors import Refusal
from heads import head_of

HEADERS = [b"", b"Bearer secret", b"Basic YWRtaW46YWRtaW4=", b"\xff"]


@pytest.mark.parametrize("authorization", HEADERS)
async def test_the_open_gate_lets_everybody_in_as_the_developer(authorization: bytes) -> None:
    assert await open_gate(head_of("/", (b"authorization", authorization))) == DEVELOPER
    assert DEVELOPER.org_id == 1


@pytest.mark.parametrize("authorization", HEADERS)
async def test_the_closed_gate_lets_nobody_in_and_does_not_repeat_the_token(authorization: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        await closed_gate(head_of("/", (b"authorization", authorization)))
    assert caught.value.code == 401
    assert "secret" not in caught.value.message
