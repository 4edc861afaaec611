"""The kit for authors: a plugin hears there what a server would tell it, and its failures are told as a server's."""

import pytest
import structlog
from trio.testing import MockClock

from framecast.errors import Refusal
from framecast.plugins import Context, DataSource, Plugin
from framecast.plugins.testing import hosted


class Remembering(Plugin):
    """Remembers of which channel it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def subscribe(self, context: Context, path: str, data: bytes) -> None:
        self.asked.append((context.plugin_id, context.channel))
        if path == "bug":
            secret = "hunter2"
            raise ValueError(f"a bug beside {len(secret)} letters")

    async def publish(self, context: Context, path: str, data: bytes) -> bytes:
        self.asked.append((context.plugin_id, context.channel))
        return data


async def test_a_data_source_has_its_own_channels(autojump_clock: MockClock) -> None:
    plugin = Remembering()
    async with hosted(plugin, data_source=DataSource("net"), plugin_id="snmp") as host:
        await host.subscribe("a")
        await host.publish("a", 1)
    assert plugin.asked == [("snmp", "ds/net/a"), ("snmp", "ds/net/a")]
    plugin = Remembering()
    async with hosted(plugin, plugin_id="load") as host:
        await host.subscribe("a/b")
    assert plugin.asked == [("load", "plugin/load/a/b")]


async def test_a_data_source_keeps_its_uid(autojump_clock: MockClock) -> None:
    async with hosted(Remembering(), data_source=DataSource("net")) as host:
        with pytest.raises(ValueError, match="no data source 'other' is hosted"):
            host.change_data_source(DataSource("other"))
    async with hosted(Remembering()) as host:
        with pytest.raises(ValueError, match="no data source 'net' is hosted"):
            host.change_data_source(DataSource("net"))


async def test_a_failure_is_told_shortly_and_without_its_variables(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    before = structlog.get_config()
    async with hosted(Remembering()) as host:
        with pytest.raises(Refusal):
            await host.subscribe("bug")
    assert structlog.get_config() == before
    told = capsys.readouterr()
    assert "a plugin failed to answer plugin=under-test method=subscribe channel=plugin/under-test/bug" in told.err
    assert "ValueError: a bug beside 7 letters" in told.err
    assert "test_kit.py" in told.err
    assert "hunter2" not in told.err + told.out
    assert len(told.err.splitlines()) < 15
    assert told.out == ""


async def test_who_catches_events_in_a_test_gets_them(autojump_clock: MockClock) -> None:
    with structlog.testing.capture_logs() as logs:
        async with hosted(Remembering()) as host:
            with pytest.raises(Refusal):
                await host.subscribe("bug")
    assert [line["event"] for line in logs] == ["a plugin failed to answer"]
