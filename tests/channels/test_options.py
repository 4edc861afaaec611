"""Options are settled from four layers, and a naive reading of them agrees."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.channels.address import Address
from framecast.channels.options import OptionsTable, override
from framecast.errors import Refusal
from framecast.settings import CHANNEL_DEFAULTS, ChannelOptions, History

HISTORY = History(rows=5, seconds=60.0, bytes=8_192)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "presence": st.booleans(),
        "ask_presence": st.booleans(),
        "join_leave": st.sampled_from(["off", "asked", "pushed"]),
        "history_rows": st.sampled_from([0, 9]),
        "history_seconds": st.sampled_from([2.0, 600.0]),
        "history_bytes": st.sampled_from([4_096, 2**21]),
        "publish": st.sampled_from(["nobody", "everybody"]),
        "conflate": st.booleans(),
    },
)
NAMES = ["stream", "grafana", "grafana/broadcast", "chat", "chat/room"]


def options_of(text: str, overrides: Mapping[str, Mapping[str, Any]]) -> ChannelOptions:
    scope, namespace = text.split("/")
    return OptionsTable(overrides, HISTORY).find(Address(7, scope, namespace, "x/y"))


@given(overrides=st.dictionaries(st.sampled_from(NAMES), OPTIONS))
@pytest.mark.parametrize("text", ["stream/a", "grafana/broadcast", "grafana/other", "chat/room", "chat/a", "else/a"])
def test_what_is_set_wins_over_the_defaults_and_the_namespace_over_its_scope(
    text: str, overrides: dict[str, dict[str, Any]]
) -> None:
    scope = text.split("/", maxsplit=1)[0]

    def expected(option: str, otherwise: object) -> object:
        for layer in (overrides, CHANNEL_DEFAULTS):
            for name in (text, scope):
                if option in layer.get(name, {}):
                    return layer[name][option]
        return otherwise

    found = options_of(text, overrides)
    assert found.history_rows == expected("history_rows", 5)
    assert found.history_seconds == expected("history_seconds", 60.0)
    assert found.history_bytes == expected("history_bytes", 8_192)
    for option in ("presence", "join_leave", "recovery", "publish", "delta", "conflate"):
        assert getattr(found, option) == expected(option, getattr(ChannelOptions(), option))
    assert found.ask_presence == (found.presence and expected("ask_presence", False))
    assert found.ask_history == (found.history_rows > 0)


@given(overrides=st.dictionaries(st.sampled_from(NAMES), OPTIONS))
def test_the_extremes_of_all_pasts_are_known(overrides: dict[str, dict[str, Any]]) -> None:
    table = OptionsTable(overrides, HISTORY)
    assert table.shortest_seconds == min([60.0, *(one.get("history_seconds", 60.0) for one in overrides.values())])
    assert table.largest_bytes == max([8_192, *(one.get("history_bytes", 0) for one in overrides.values())])


def test_by_default_nobody_may_ask_who_is_there_and_only_channels_with_rules_of_their_own_take_publications() -> None:
    found = {
        name: options_of(name, {}) for name in ("stream/a", "grafana/broadcast", "grafana/dashboard", "ds/a", "x/y")
    }
    assert not any(options.ask_presence or options.delta or options.conflate for options in found.values())
    assert {name for name, options in found.items() if options.publish != "nobody"} == {
        "grafana/broadcast",
        "grafana/dashboard",
        "ds/a",  # the plugin says who may
    }
    assert {name for name, options in found.items() if options.recovery != "stream"} == set()


@pytest.mark.parametrize(
    ("channel", "changes", "expected"),
    [
        ({}, {}, {}),
        ({"presence": True}, {"presence": False}, {"presence": False}),
        ({}, {"presence": True}, {"presence": True}),
        ({}, {"join_leave": True}, {"join_leave": "asked"}),
        ({"join_leave": "pushed"}, {"join_leave": True}, {"join_leave": "pushed"}),
        ({"join_leave": "pushed"}, {"join_leave": False}, {"join_leave": "off"}),
        ({"recovery": "off"}, {"recovery": True}, {"recovery": "stream"}),
        ({"recovery": "cache"}, {"recovery": True}, {"recovery": "cache"}),
        ({"recovery": "cache"}, {"recovery": False}, {"recovery": "off"}),
        ({"recovery": "off", "conflate": True}, {"recovery": False, "presence": True}, {"presence": True}),
    ],
)
def test_a_token_may_override_some_of_them(
    channel: dict[str, Any], changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    options = ChannelOptions(**channel)
    assert override(options, **changes) == msgspec.structs.replace(options, **expected)


def test_a_token_cannot_have_recovered_what_is_conflated() -> None:
    with pytest.raises(Refusal, match="the channel conflates") as caught:
        override(ChannelOptions(recovery="off", conflate=True), recovery=True)
    assert caught.value.code == 108
