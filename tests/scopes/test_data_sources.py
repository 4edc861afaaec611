"""Channels of data sources: what fills them, what it is told, and what a change or a deletion means to who watches."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from framecast.accounts.identity import Identity, Reach, Role
from framecast.errors import Refusal
from framecast.plugins import Plugin
from framecast.plugins.instances import Instances
from framecast.plugins.table import find_plugins
from framecast.plugins.testdata import Testdata
from framecast.protocol.codes import ErrorCode, UnsubscribeCode
from framecast.settings import Plugins
from kept_sources import KeptSources
from scopes.plugin_place import ANN, Echo, channel, frame, place

EVE = Identity(2, "eve", Role.VIEWER)


async def test_the_plugin_of_its_type_is_told_all_of_the_data_source(autojump_clock: MockClock) -> None:
    echo = Echo()
    async with place(p=echo, q=Plugin()) as here:
        here.sources.set(
            "u",
            secrets={"password": "s3same"},
            url="http://db",
            user="reader",
            database="plant",
            basic_auth=True,
            basic_auth_user="basic",
            json_data=b'{"big":12345678901234567890123}',
        )
        await here.join("ds/u/a", data=b'{"q":1}')
        [(asked, path, data)] = echo.asked
        assert (asked.org_id, asked.plugin_id, asked.channel, path, data) == (1, "p", "ds/u/a", "a", b'{"q":1}')
        assert asked.user is not None
        assert (asked.user.login, asked.user.role) == ("ann", Role.VIEWER)
        source = asked.data_source
        assert source is not None
        assert (source.uid, source.name, source.type, source.url) == ("u", "u", "p", "http://db")
        assert (source.user, source.database, source.basic_auth, source.basic_auth_user) == (
            "reader",
            "plant",
            True,
            "basic",
        )
        assert (source.secrets, source.updated_ms, source.number) == ({"password": "s3same"}, 1_000, 7)
        assert source.json_text == b'{"big":12345678901234567890123}'
        assert list(source.json_data) == ["big"]
        assert "s3same" not in repr(echo.asked)
        [(ran, _, _)] = echo.ran
        assert (ran.user, ran.data_source) == (None, source)


@pytest.mark.parametrize(
    ("path", "words"), [("ds/none/a", "no data source 'none'"), ("ds/odd/a", "of the type 'nobodys'"), ("ds/v/a", "")]
)
async def test_what_is_not_there_is_so_for_good(path: str, words: str, autojump_clock: MockClock) -> None:
    async with place(p=Echo()) as here:
        here.sources.set("v", 2)
        here.sources.set("odd", type="nobodys")
        refusal = await here.refusal(path)
        with pytest.raises(Refusal) as caught:
            await here.scope.publish(ANN, channel(path), b"1")
        for one in (refusal, caught.value):
            assert (one.code, one.temporary) == (404, False)
            assert words in one.message
        assert here.lifetimes.count == 0


async def test_who_may_is_asked_before_the_store_and_the_plugin(autojump_clock: MockClock) -> None:
    echo = Echo()
    of_lists = Identity(1, "", Role.ADMIN, reach=Reach(read=("ds/u/*",)))
    async with place(p=echo) as here:
        here.sources.set("u")
        here.sources.set("v")
        assert (await here.refusal("ds/u/a", EVE)).code == 403
        assert (await here.refusal("ds/none/a", EVE)).code == 403
        refusal = await here.refusal("ds/v/a", of_lists)
        assert (refusal.code, "receive what data sources stream" in refusal.message) == (403, True)
        assert echo.asked == []
        await here.join("ds/u/a", of_lists)


async def test_a_change_starts_its_streams_anew_and_subscribers_stay(autojump_clock: MockClock) -> None:
    echo = Echo()
    async with place(p=echo) as here:
        here.sources.set("u", url="http://old", secrets={"password": "old"})
        here.sources.set("v", url="http://v")
        here.sources.set("u", 2, url="http://org-2")
        subscriber, _ = await here.join("ds/u/a")
        await here.join("ds/u/b")
        await here.join("ds/v/a")
        await here.join("ds/u/a", EVE, org_id=2)
        await here.join("p/a")
        assert len(echo.ran) == 5
        here.sources.set("u", url="http://new", secrets={"password": "new"})
        await trio.sleep(0.01)
        again = [context for context, _, _ in echo.ran[5:]]
        assert sorted(context.channel for context in again) == ["ds/u/a", "ds/u/b"]
        for context in again:
            assert context.org_id == 1
            assert context.data_source is not None
            assert (context.data_source.url, context.data_source.secrets) == ("http://new", {"password": "new"})
            assert context.data_source.updated_ms == 1_001
        await echo.hand(*[frame(1)] * 5)
        assert len(subscriber.received()) == 1
        assert here.ended == []


async def test_a_deletion_ends_its_streams_and_tells_who_watches_for_good(autojump_clock: MockClock) -> None:
    echo = Echo()
    async with place(p=echo) as here:
        here.sources.set("u")
        here.sources.set("u", 2)
        subscriber, _ = await here.join("ds/u/a")
        await here.join("ds/u/b")
        bystander, _ = await here.join("ds/u/a", EVE, org_id=2)
        here.sources.delete("u")
        assert sorted(here.ended) == [("ds/u/a", UnsubscribeCode.SERVER), ("ds/u/b", UnsubscribeCode.SERVER)]
        assert here.world.hub.history(channel("ds/u/a")) is None, "its past goes with it"
        await trio.sleep(0.01)
        assert here.lifetimes.count == 1
        assert (await here.refusal("ds/u/a")).code == 404
        await echo.hand(frame(1))
        assert (len(subscriber.received()), len(bystander.received())) == (0, 1)


async def test_one_that_is_of_another_plugin_now_has_its_subscribers_ask_that(autojump_clock: MockClock) -> None:
    old, new = Echo(), Echo()
    async with place(p=old, q=new) as here:
        here.sources.set("u", type="p")
        await here.join("ds/u/a")
        here.sources.set("u", type="q")
        await trio.sleep(0.01)
        assert here.ended == [("ds/u/a", UnsubscribeCode.INSUFFICIENT_STATE)]
        assert new.asked == new.ran == []
        refusal = await here.refusal("ds/u/a")
        assert (refusal.code, refusal.temporary) == (111, True), "the past of the other one ends with that"
        new.asked.clear()
        await here.join("ds/u/a")
        assert (len(new.asked), len(new.ran), len(old.ran)) == (1, 1, 1)
        here.sources.set("u", type="nobodys")
        await trio.sleep(0.01)
        assert here.ended[1:] == [("ds/u/a", UnsubscribeCode.INSUFFICIENT_STATE)]
        assert (await here.refusal("ds/u/a")).code == 404


@pytest.mark.parametrize("how", ["change", "delete"])
@pytest.mark.parametrize("when", ["reading", "asking", "beginning"])
async def test_a_subscription_that_is_being_made_is_overtaken(how: str, when: str, autojump_clock: MockClock) -> None:
    class Slow(Echo):
        async def subscribe(self, *asked: Any) -> None:
            await trio.sleep(1)

    slow = Slow()
    async with place(p=slow, q=slow) as here:
        here.sources.set("u")
        here.sources.set("u", 2)

        def happen() -> None:
            if how == "change":
                here.sources.set("u", url="http://new")
            else:
                here.sources.delete("u")

        async def happen_meanwhile() -> None:
            here.sources.reading = None
            happen()

        if when == "reading":
            here.sources.reading = happen_meanwhile
        async with trio.open_nursery() as nursery:
            if when == "asking":
                nursery.start_soon(_later, happen)
            begin = await here.scope.subscribe(ANN, channel("ds/u/a"), None)
            other = await here.scope.subscribe(EVE, channel("ds/u/a", 2), None)
        if when == "beginning":
            happen()
        with pytest.raises(Refusal) as caught:
            begin(None)
        assert caught.value.code == ErrorCode.TOO_MANY_REQUESTS.code
        assert here.lifetimes.count == 0
        other(None)
        if how == "change":
            await here.join("ds/u/a")


async def _later(happen: Any) -> None:
    await trio.sleep(0.5)
    happen()


@pytest.mark.parametrize("kind", ["testdata", "grafana-testdata-datasource"])
async def test_testdata_is_the_type_of_a_data_source_by_both_of_its_names(kind: str) -> None:
    sources = KeptSources()
    sources.set("u", type=kind)
    found = await Instances(find_plugins(Plugins(installed=False)), sources).of_data_source(1, "u")
    assert (found.plugin_id, type(found.plugin)) == ("testdata", Testdata)
    with pytest.raises(Refusal, match="no plugin of that id"):
        await Instances(find_plugins(Plugins(installed=False, testdata=False)), sources).of_data_source(1, "u")
