"""The one list of scopes."""

import pytest

from framecast.channels.address import Address
from framecast.errors import Refusal
from framecast.scopes.table import ScopeTable
from live_world import live_world


async def test_an_address_finds_the_rules_of_its_scope() -> None:
    async with live_world() as world:
        table = ScopeTable({"stream": world.scope})
        assert table.find(Address(1, "stream", "a", "b")) is world.scope


@pytest.mark.parametrize("scope", ["Stream", "grafana", "streams", "x"])
def test_an_unknown_scope_is_final_and_says_which_there_are(scope: str) -> None:
    with pytest.raises(Refusal) as caught:
        ScopeTable({}).find(Address(1, scope, "a", "b"))
    assert (caught.value.code, caught.value.temporary) == (404, False)
    assert repr(scope) in caught.value.message
