"""The table of permissions against a naive one, written out cell by cell; and what a token with lists may do."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.accounts.identity import DEVELOPER, Identity, Reach, Role
from framecast.accounts.permissions import (
    Action,
    check,
    check_publish,
    check_push,
    check_subscribe,
    may,
    may_ask_about_stream,
    may_see_channel,
    may_see_stream,
)
from framecast.channels.address import Address
from framecast.errors import Refusal

NAIVE = {
    Action.PUSH: "-EA-",
    Action.SUBSCRIBE: "VEA-",
    Action.PUBLISH: "VEA-",
    Action.ANNOUNCE_EDITING: "-EA-",
    Action.LIST: "VEA-",
    Action.READ_DASHBOARDS: "VEA-",
    Action.WRITE_DASHBOARDS: "-EA-",
    Action.READ_DATASOURCES: "VEA-",
    Action.QUERY_DATASOURCES: "VEA-",
    Action.WRITE_DATASOURCES: "--A-",
    Action.MANAGE_ORG: "--A-",
    Action.MANAGE_SERVER: "---S",
    Action.OBSERVE_SERVER: "---S",
}
CPU = Address(1, "stream", "telegraf", "cpu")
DASHBOARD = Address(1, "grafana", "dashboard", "uid/x")


def somebody(role: Role = Role.VIEWER, *, server_admin: bool = False, reach: Reach | None = None) -> Identity:
    return Identity(1, "ann", role, server_admin=server_admin, reach=reach)


def test_the_naive_table_has_every_action() -> None:
    assert set(NAIVE) == set(Action)


@pytest.mark.parametrize(
    ("action", "role", "server_admin"), list(itertools.product(Action, Role, (False, True))), ids=str
)
def test_every_cell_is_as_in_the_naive_table(action: Action, role: Role, server_admin: bool) -> None:
    expected = role[0] in NAIVE[action] or (server_admin and "S" in NAIVE[action])
    identity = somebody(role, server_admin=server_admin)
    assert may(identity, action) is expected
    if expected:
        check(identity, action)
    else:
        with pytest.raises(Refusal) as caught:
            check(identity, action)
        assert (caught.value.code, caught.value.temporary) == (403, False)


def test_the_developer_may_everything() -> None:
    assert all(may(DEVELOPER, action) for action in Action)


def test_a_refusal_says_what_it_takes() -> None:
    with pytest.raises(Refusal, match=r"push to streams \(telegraf\): it takes the role Editor, and yours is Viewer"):
        check_push(somebody(), "telegraf")
    with pytest.raises(Refusal, match="it takes a server admin"):
        check(somebody(Role.ADMIN), Action.OBSERVE_SERVER)
    with pytest.raises(Refusal, match=r"this token's list \(push\) does not hold it"):
        check_push(somebody(reach=Reach(push=("a*",))), "b")
    with pytest.raises(Refusal, match="this token has lists only"):
        check(somebody(Role.ADMIN, reach=Reach(push=("*",))), Action.WRITE_DASHBOARDS)


@given(st.sampled_from(Role), st.booleans(), st.sampled_from(Action))
def test_a_token_with_lists_may_nothing_by_its_role(role: Role, server_admin: bool, action: Action) -> None:
    assert not may(somebody(role, server_admin=server_admin, reach=Reach()), action)


def test_lists_allow_what_they_name_whatever_the_role() -> None:
    limited = somebody(reach=Reach(push=("telegraf", "edge-*"), read=("stream/telegraf/*", "grafana/broadcast/wall")))
    for stream_id in ("telegraf", "edge-7"):
        check_push(limited, stream_id)
    for stream_id in ("telegraf2", "Telegraf", "edge"):
        with pytest.raises(Refusal):
            check_push(limited, stream_id)
    check_subscribe(limited, CPU)
    check_subscribe(limited, Address(1, "grafana", "broadcast", "wall"))
    for address in (Address(1, "stream", "edge-7", "cpu"), DASHBOARD, Address(1, "grafana", "broadcast", "x")):
        with pytest.raises(Refusal):
            check_subscribe(limited, address)
    with pytest.raises(Refusal):
        check_publish(limited, Address(1, "grafana", "broadcast", "wall"))


def test_lists_show_the_streams_and_channels_that_they_name() -> None:
    limited = somebody(reach=Reach(push=("edge-*",), read=("stream/telegraf/cpu", "stream/db*")))
    seen = [
        name for name in ("telegraf", "edge-1", "db1", "other") if may_see_stream(limited, name, [f"stream/{name}/cpu"])
    ]
    assert seen == ["telegraf", "edge-1", "db1"]
    assert not may_see_stream(limited, "telegraf", ["stream/telegraf/mem"])
    assert may_see_stream(limited, "edge-1", [])
    assert may_see_channel(limited, "stream/telegraf/cpu")
    assert may_see_channel(limited, "stream/db1/m")
    assert not may_see_channel(limited, "stream/telegraf/mem")
    assert may_see_stream(somebody(reach=Reach(read=("*",))), "anything", ["stream/anything/m"])
    assert may_see_stream(somebody(), "anything", [])


def test_a_list_shows_a_stream_by_whole_channels() -> None:
    broadcasts = somebody(reach=Reach(read=("*/broadcast/x",)))
    assert not may_see_stream(broadcasts, "broadcast", ["stream/broadcast/y", "stream/broadcast/z"])
    assert may_see_stream(broadcasts, "broadcast", ["stream/broadcast/y", "stream/broadcast/x"])
    every = somebody(reach=Reach(read=("*/x",)))
    assert may_see_stream(every, "anything", ["stream/anything/x"])
    assert not may_see_stream(every, "x", ["stream/x/y"])


def test_who_may_ask_about_a_stream_is_who_has_it_in_a_list() -> None:
    limited = somebody(reach=Reach(push=("edge-*",), read=("stream/telegraf/cpu",)))
    assert [name for name in ("telegraf", "edge-1", "other") if may_ask_about_stream(limited, name)] == [
        "telegraf",
        "edge-1",
    ]
    assert may_ask_about_stream(somebody(), "anything")
    assert may_see_channel(somebody(), "stream/a/b")


@pytest.mark.parametrize("role", Role)
def test_nobody_passes_to_another_org(role: Role) -> None:
    stranger = Identity(2, "eve", role, server_admin=True)
    for check_channel in (check_subscribe, check_publish):
        for address in (CPU, DASHBOARD):
            with pytest.raises(Refusal):
                check_channel(stranger, address)


def test_editing_a_dashboard_is_told_by_editors_and_chat_by_everybody() -> None:
    check_publish(somebody(), Address(1, "grafana", "broadcast", "x"))
    check_publish(somebody(Role.EDITOR), DASHBOARD)
    with pytest.raises(Refusal, match="Editor"):
        check_publish(somebody(), DASHBOARD)
