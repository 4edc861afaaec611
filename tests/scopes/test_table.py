"""The one list of scopes."""

import pytest

from framecast.channels.address import Address
from framecast.errors import Refusal
from framecast.scopes.stream import StreamScope
from framecast.scopes.table import ScopeTable
from live_world import live_world


async def test_an_address_finds_the_rules_of_its_scope() -> None:
    async with live_world() as world:
        table = ScopeTable({"stream": world.scope})
        assert table.find(Address(1, "stream", "a", "b")).rules is world.scope


async def test_rules_of_a_namespace_win_over_those_of_its_scope() -> None:
    async with live_world() as world:
        other = StreamScope(world.hub, max_frame_bytes=1)
        table = ScopeTable({"a": world.scope, "a/b": other})
        assert table.find(Address(1, "a", "b", "c")).rules is other
        assert table.find(Address(1, "a", "c", "c")).rules is world.scope


@pytest.mark.parametrize("scope", ["Stream", "grafana", "streams", "x"])
def test_an_unknown_scope_is_final_and_says_which_there_are(scope: str) -> None:
    with pytest.raises(Refusal) as caught:
        ScopeTable({}).find(Address(1, scope, "a", "b"))
    assert (caught.value.code, caught.value.temporary) == (404, False)
    assert f"no channels {scope}/a/" in caught.value.message
