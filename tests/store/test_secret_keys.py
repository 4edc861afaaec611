"""Which keys a start takes, when it makes one, what it refuses without changing anything, and how keys change."""

import contextlib
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from framecast.errors import ConfigurationError
from framecast.settings import Store
from framecast.store.database import Database, open_database
from framecast.store.datasources import Traits, insert_datasource, read_all_sealed, write_sealed
from framecast.store.sealing import KeyRing, SecretPlace
from framecast.store.secret_keys import (
    KEY_FILE,
    add_key,
    forget_secrets,
    keep_first_key,
    parse_keys,
    prepare_keys,
)
from patience import PATIENCE_SECONDS

ONE, TWO, THREE = ("1a" * 32, "2B" * 32, "3c" * 32)
PLACE = SecretPlace(1, "u", "password")


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Database]:
    with trio.fail_after(PATIENCE_SECONDS):
        async with open_database(folder, Store()) as database:
            yield database


async def keep_secret(database: Database, ring: KeyRing) -> None:
    await database.transact(
        lambda connection: write_sealed(
            connection,
            insert_datasource(connection, 1, "u", Traits(name="n", type="t"), 5.0).datasource_id,
            {"password": ring.seal("sesame", PLACE)},
        )
    )


async def sealed_in(database: Database) -> bytes:
    [(_, place, sealed)] = await database.look(read_all_sealed)
    assert place == PLACE
    return sealed


def ring_of(*keys: str) -> KeyRing:
    return KeyRing([bytes.fromhex(key) for key in keys])


def content_of(folder: Path) -> dict[str, bytes]:
    """Of the files that are about keys."""
    return {file.name: file.read_bytes() for file in folder.glob(f"{KEY_FILE}*")}


async def test_the_first_start_makes_a_file_for_the_owner_alone_and_the_next_ones_read_it(tmp_path: Path) -> None:
    os.umask(mask := os.umask(0))
    async with opened(tmp_path) as database:
        ring = await prepare_keys(database, tmp_path, Store())
        [text] = content_of(tmp_path).values()
        assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
        assert len(parse_keys(text.decode(), "x")) == 1
        await keep_secret(database, ring)
        assert b"sesame" not in await sealed_in(database)
    async with opened(tmp_path) as database:
        again = await prepare_keys(database, tmp_path, Store())
        assert again.open(await sealed_in(database), PLACE) == "sesame"
        assert content_of(tmp_path) == {KEY_FILE: text}
    os.umask(mask)


async def test_a_key_from_the_settings_needs_no_file(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await keep_secret(database, await prepare_keys(database, tmp_path, Store(secret_key=ONE)))
        assert content_of(tmp_path) == {}
        assert ring_of(ONE).open(await sealed_in(database), PLACE) == "sesame"


@pytest.mark.parametrize("settings", [Store(), Store(secret_key=TWO)])
@pytest.mark.parametrize("file", [None, THREE])
async def test_without_the_key_of_what_is_kept_a_start_changes_nothing(
    settings: Store, file: str | None, tmp_path: Path
) -> None:
    async with opened(tmp_path) as database:
        await keep_secret(database, await prepare_keys(database, tmp_path, Store(secret_key=ONE)))
        if file:
            (tmp_path / KEY_FILE).write_text(file)
            (tmp_path / KEY_FILE).chmod(0o600)
        before = await sealed_in(database), content_of(tmp_path)
        with pytest.raises(
            ConfigurationError, match=r"1 secrets of data sources.*secret.key.*forget-secrets"
        ) as caught:
            await prepare_keys(database, tmp_path, settings)
        assert not any(key.lower() in str(caught.value) for key in (ONE, TWO, THREE))
        assert before == (await sealed_in(database), content_of(tmp_path))
        ring = await prepare_keys(database, tmp_path, Store(secret_key=ONE))
        assert ring.open(await sealed_in(database), PLACE) == "sesame"


async def test_a_new_key_before_the_old_one_takes_over_and_the_old_one_may_go(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await keep_secret(database, await prepare_keys(database, tmp_path, Store(secret_key=ONE)))
        ring = await prepare_keys(database, tmp_path, Store(secret_key=f"{TWO}, {ONE}"))
        assert ring.open(await sealed_in(database), PLACE) == "sesame"
        assert ring_of(TWO).open(await sealed_in(database), PLACE) == "sesame"
        before = await sealed_in(database)
        await prepare_keys(database, tmp_path, Store(secret_key=TWO))
        assert await sealed_in(database) == before


async def test_the_file_of_before_opens_beside_a_key_in_the_settings(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await keep_secret(database, await prepare_keys(database, tmp_path, Store()))
        await prepare_keys(database, tmp_path, Store(secret_key=ONE))
        (tmp_path / KEY_FILE).unlink()
        ring = await prepare_keys(database, tmp_path, Store(secret_key=ONE))
        assert ring.open(await sealed_in(database), PLACE) == "sesame"


async def test_a_key_is_added_to_the_file_and_those_before_it_dropped(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not there"):
        add_key(tmp_path)
    async with opened(tmp_path) as database:
        await keep_secret(database, await prepare_keys(database, tmp_path, Store()))
        former = content_of(tmp_path)[KEY_FILE]
        add_key(tmp_path)
        assert content_of(tmp_path)[KEY_FILE].endswith(b"\n" + former)
        await prepare_keys(database, tmp_path, Store())
        keep_first_key(tmp_path)
        [key] = parse_keys(content_of(tmp_path)[KEY_FILE].decode(), "x")
        assert KeyRing([key]).open(await sealed_in(database), PLACE) == "sesame"


async def test_what_cannot_be_read_stays_and_keeps_no_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        ring = await prepare_keys(database, tmp_path, Store(secret_key=ONE))
        await keep_secret(database, ring)
        wrong = ring.seal("elsewhere", SecretPlace(1, "other", "password"))
        for blob in (wrong, b"nothing sealed"):
            await database.transact(
                lambda connection, blob=blob: write_sealed(connection, 1, {"password": blob})  # type: ignore[misc] # bound here
            )
            await prepare_keys(database, tmp_path, Store(secret_key=f"{TWO} {ONE}"))
            assert await sealed_in(database) == blob


async def test_secrets_whose_key_is_lost_are_dropped_when_asked(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await keep_secret(database, await prepare_keys(database, tmp_path, Store(secret_key=ONE)))
        assert await forget_secrets(database) == 1
        await prepare_keys(database, tmp_path, Store(secret_key=TWO))
        assert await database.look(read_all_sealed) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
async def test_a_file_that_others_may_read_or_write_is_refused(mode: int, tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await prepare_keys(database, tmp_path, Store())
        (tmp_path / KEY_FILE).chmod(mode)
        with pytest.raises(ConfigurationError, match=f"mode {mode:04o}.*chmod 600"):
            await prepare_keys(database, tmp_path, Store())


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"1a" * 31, b"1a" * 33, b"g" * 64, b"\xff" * 64, ONE.encode() + b" 12", b"0" * 70_000]
)
async def test_a_file_of_anything_else_is_refused_and_not_shown(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / KEY_FILE
    file.write_bytes(content)
    file.chmod(0o600)
    async with opened(tmp_path) as database:
        with pytest.raises(ConfigurationError, match=KEY_FILE) as caught:
            await prepare_keys(database, tmp_path, Store())
    assert not any(word in str(caught.value) for word in ("1a1a", "gggg", "\ufffd"))
    assert file.read_bytes() == content


async def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        (tmp_path / f"{KEY_FILE}.new").mkdir()
        with contextlib.ExitStack() as stack:
            caught = stack.enter_context(pytest.raises(ConfigurationError, match="cannot be used"))
            await prepare_keys(database, tmp_path, Store())
        assert KEY_FILE in str(caught.value)


async def test_a_half_written_file_of_a_start_that_was_killed_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / f"{KEY_FILE}.new").write_text("1a")
    async with opened(tmp_path) as database:
        await prepare_keys(database, tmp_path, Store())
    assert list(content_of(tmp_path)) == [KEY_FILE]


@pytest.mark.parametrize("text", [ONE, f" {ONE}\n", f"{ONE},{TWO}", f"{ONE}\n{TWO}\n", f"{ONE.upper()} , {TWO}"])
def test_keys_are_read_from_a_text(text: str) -> None:
    assert parse_keys(text, "x") == [bytes.fromhex(key) for key in (ONE, TWO) if key.lower() in text.lower()]
