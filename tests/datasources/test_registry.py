"""Data sources are made, changed and deleted one after another, each change told before anybody is answered."""

import re
import sqlite3
from pathlib import Path

import pytest
import structlog
import trio

from datasource_desk import RING, DataSourceDesk, datasource_desk, order
from framecast.datasources.registry import Became, News
from framecast.datasources.saving import by_id, by_name, by_uid
from framecast.errors import Refusal
from framecast.store.datasources import Traits, insert_datasource, write_sealed
from framecast.store.sealing import SecretPlace


async def make_read_only(desk: DataSourceDesk, uid: str = "r") -> None:
    traits = Traits(name="read", type="t", read_only=True)
    await desk.database.transact(lambda connection: insert_datasource(connection, 1, uid, traits, 5.0))


async def test_one_is_made_found_changed_and_deleted(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path) as desk:
        registry = desk.registry
        made = await registry.create(1, order("n", uid="u", url="http://x", secrets={"password": "sesame"}))
        assert (made.uid, made.version, made.created, set(made.sealed)) == ("u", 1, 1_000.0, {"password"})
        assert made == await registry.find(1, "u") == await registry.show(1, by_uid("u"))
        assert made == await registry.show(1, by_name("n")) == await registry.show(1, by_id(made.datasource_id))
        assert registry.reveal(made) == {"password": "sesame"}
        changed = await registry.update(1, by_uid("u"), order("m", secrets={"token": "t"}))
        assert (changed.traits.name, changed.traits.url, changed.version) == ("m", "", 2)
        assert registry.reveal(changed) == {"password": "sesame", "token": "t"}
        assert await registry.list(1) == [changed]
        assert await registry.delete(1, by_name("m")) == changed
        assert (await registry.list(1), await registry.find(1, "u")) == ([], None)
        assert desk.told == [News(1, "u", Became.CHANGED), News(1, "u", Became.DELETED)]


async def test_secrets_are_set_anew_kept_and_taken_away_one_by_one(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path, secrets=2) as desk:
        await desk.registry.create(1, order(uid="u", secrets={"a": "1", "b": "2"}))
        changed = await desk.registry.update(1, by_uid("u"), order(secrets={"a": "", "c": "3"}))
        assert desk.registry.reveal(changed) == {"b": "2", "c": "3"}
        with pytest.raises(Refusal, match="at most 2 secrets"):
            await desk.registry.update(1, by_uid("u"), order(secrets={"d": "4"}))
        found = await desk.registry.show(1, by_uid("u"))
        assert (desk.registry.reveal(found), found.version) == ({"b": "2", "c": "3"}, 2)


async def test_a_version_that_was_overtaken_is_refused_and_one_to_come_is_taken(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path) as desk:
        await desk.registry.create(1, order(uid="u"))
        for version, became in ((1, 2), (0, 3), (3, 4), (9, 10)):
            changed = await desk.registry.update(1, by_uid("u"), order(version=version))
            assert changed.version == became
        with pytest.raises(Refusal, match=r"already been updated by someone else.*version 10 is there") as caught:
            await desk.registry.update(1, by_uid("u"), order("other", version=9))
        assert caught.value.code == 409
        assert (await desk.registry.show(1, by_uid("u"))).traits.name == "n"
        assert len(desk.told) == 4


async def test_uids_and_names_are_one_data_sources_in_each_org(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path) as desk:
        await desk.registry.create(1, order("n", uid="u"))
        other = await desk.registry.create(1, order("m"))
        assert re.fullmatch("[a-z0-9]{14}", other.uid)
        await desk.registry.create(2, order("n", uid="u"))
        for asked, words in ((order("n"), "same name.*'u'"), (order("x", uid="u"), "same uid")):
            with pytest.raises(Refusal, match=words) as caught:
                await desk.registry.create(1, asked)
            assert caught.value.code == 409
        with pytest.raises(Refusal, match="same name"):
            await desk.registry.update(1, by_uid("u"), order("m"))
        with pytest.raises(Refusal, match="cannot be changed"):
            await desk.registry.update(1, by_uid("u"), order("n", uid="v"))
        assert [source.traits.name for source in await desk.registry.list(1)] == ["m", "n"]


async def test_an_org_knows_nothing_of_anothers(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path) as desk:
        made = await desk.registry.create(1, order("n", uid="u"))
        for find in (by_uid("u"), by_name("n"), by_id(made.datasource_id)):
            for attempt in (
                desk.registry.show(2, find),
                desk.registry.update(2, find, order("x")),
                desk.registry.delete(2, find),
            ):
                with pytest.raises(Refusal, match="Data source not found") as caught:
                    await attempt
                assert caught.value.code == 404
        assert (await desk.registry.list(2), await desk.registry.find(2, "u")) == ([], None)
        assert await desk.registry.list(1) == [made]
        assert desk.told == []


async def test_an_org_has_so_many_and_no_more(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path, max_datasources=2) as desk:
        for name in "ab":
            await desk.registry.create(1, order(name))
        with pytest.raises(Refusal, match=r"Quota reached: the org has 2 data sources") as caught:
            await desk.registry.create(1, order("c"))
        assert caught.value.code == 403
        await desk.registry.create(2, order("c"))


async def test_what_files_say_is_changed_by_nobody_else(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path) as desk:
        await make_read_only(desk)
        for attempt in (
            desk.registry.update(1, by_uid("r"), order("x")),
            desk.registry.delete(1, by_uid("r")),
        ):
            with pytest.raises(Refusal, match="read-only data source") as caught:
                await attempt
            assert caught.value.code == 403
        assert len(await desk.registry.list(1)) == 1
        made = await desk.registry.create(1, order("n", uid="u"))
        assert not made.traits.read_only
        assert desk.told == []


async def test_a_new_default_takes_the_place_of_the_former(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path) as desk:
        await desk.registry.create(1, order("a", uid="a", is_default=True))
        await desk.registry.create(1, order("b", uid="b"))
        await desk.registry.update(1, by_uid("b"), order("b", is_default=True))
        assert [source.traits.is_default for source in await desk.registry.list(1)] == [False, True]


async def test_a_secret_that_was_moved_there_is_not_revealed(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path) as desk:
        made = await desk.registry.create(1, order("n", uid="u", secrets={"a": "sesame"}))
        await desk.registry.create(1, order("m", uid="v"))
        foreign = RING.seal("stolen", SecretPlace(1, "v", "password"))
        await desk.database.transact(lambda connection: write_sealed(connection, made.datasource_id, {"b": foreign}))
        with structlog.testing.capture_logs() as logged, pytest.raises(Refusal, match=r"'b'.*cannot be read") as caught:
            desk.registry.reveal(await desk.registry.show(1, by_uid("u")))
        assert caught.value.code == 500
        assert [(one["uid"], one["key"]) for one in logged] == [("u", "b")]
        assert not any(secret in repr((logged, caught.value.message)) for secret in ("sesame", "stolen"))
        mended = await desk.registry.update(1, by_uid("u"), order("n", secrets={"b": "new"}))
        assert desk.registry.reveal(mended) == {"a": "sesame", "b": "new"}


async def test_a_change_takes_place_and_is_told_though_nobody_waits_any_more(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path) as desk:
        await desk.registry.create(1, order("n", uid="u"))
        with trio.CancelScope() as impatient:
            impatient.cancel()
            await desk.registry.delete(1, by_uid("u"))
        await desk.registry.create(1, order("m"))  # behind it
        assert desk.told == [News(1, "u", Became.DELETED)]
        assert await desk.registry.find(1, "u") is None


async def test_too_many_changes_at_once_are_refused(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path, waiting_changes=2) as desk:
        refused = []

        async def create(name: str) -> None:
            try:
                await desk.registry.create(1, order(name))
            except Refusal as refusal:
                refused.append(refusal)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(create, f"n{number}")
        assert len(await desk.registry.list(1)) + len(refused) == 20
        assert refused
        assert {(one.code, "datasources.waiting_changes" in one.message) for one in refused} == {(503, True)}


async def test_a_store_that_fails_is_told_and_nothing_is_saved_or_announced(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path) as desk:
        await desk.registry.create(1, order("n", uid="u"))
        await desk.database.transact(lambda connection: connection.execute("DROP TABLE datasource_secrets"))
        for attempt in (
            desk.registry.delete(1, by_uid("u")),
            desk.registry.list(1),
            desk.registry.find(1, "u"),
        ):
            with pytest.raises(Refusal, match="no such table") as caught:
                await attempt
            assert (caught.value.code, caught.value.temporary) == (503, True)
        assert desk.told == []
        assert await desk.database.look(_count) == 1


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM datasources").fetchone()[0])
