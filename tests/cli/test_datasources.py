"""``framecast datasources``: a new key for all secrets, or none of them any more; never beside a running server."""

from pathlib import Path

import pytest
import trio

from framecast import cli
from framecast.settings import Store
from framecast.store.database import Database, open_database
from framecast.store.datasources import Traits, insert_datasource, read_all_sealed, write_sealed
from framecast.store.directory import hold_data_directory
from framecast.store.sealing import KeyRing, SecretPlace
from framecast.store.secret_keys import KEY_FILE, parse_keys, prepare_keys
from patience import PATIENCE_SECONDS

PLACE = SecretPlace(1, "u", "password")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FRAMECAST_STORE_SECRET_KEY", "FRAMECAST_STORE_SECRET_KEY_FILE", "FRAMECAST_SERVER_DATA"):
        monkeypatch.delenv(name, raising=False)


async def _keep_secret(folder: Path) -> None:
    async with open_database(folder, Store()) as database:
        ring = await prepare_keys(database, folder, Store())
        await database.transact(
            lambda connection: write_sealed(
                connection,
                insert_datasource(connection, 1, "u", Traits(name="n", type="t"), 5.0).datasource_id,
                {"password": ring.seal("sesame", PLACE)},
            )
        )


async def _sealed(folder: Path) -> list[bytes]:
    async def read(database: Database) -> list[bytes]:
        return [sealed for _, _, sealed in await database.look(read_all_sealed)]

    with trio.fail_after(PATIENCE_SECONDS):
        async with open_database(folder, Store()) as database:
            return await read(database)


def keys_in(folder: Path) -> list[bytes]:
    return parse_keys((folder / KEY_FILE).read_text(), "x")


def run(folder: Path, command: str, *more: str) -> int:
    return cli.main(["datasources", command, "--data", str(folder), *more])


def test_a_new_key_seals_all_secrets_and_is_the_only_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trio.run(_keep_secret, tmp_path)
    [former] = keys_in(tmp_path)
    assert run(tmp_path, "rotate-key") == 0
    [key] = keys_in(tmp_path)
    assert key != former
    [sealed] = trio.run(_sealed, tmp_path)
    assert KeyRing([key]).open(sealed, PLACE) == "sesame"
    said = capsys.readouterr()
    assert KEY_FILE in said.out
    assert key.hex() not in said.out + said.err


def test_secrets_are_forgotten_when_it_is_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trio.run(_keep_secret, tmp_path)
    (tmp_path / KEY_FILE).unlink()
    assert run(tmp_path, "rotate-key") == 2
    assert "forget-secrets" in capsys.readouterr().err
    assert run(tmp_path, "forget-secrets") == 2
    assert "--yes" in capsys.readouterr().err
    assert len(trio.run(_sealed, tmp_path)) == 1
    assert run(tmp_path, "forget-secrets", "--yes") == 0
    assert "1 secret forgotten" in capsys.readouterr().out
    assert trio.run(_sealed, tmp_path) == []


@pytest.mark.parametrize("command", ["rotate-key", "forget-secrets"])
def test_nothing_happens_beside_a_running_server_or_where_there_is_no_data(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--yes"] if command == "forget-secrets" else []
    trio.run(_keep_secret, tmp_path)
    before = trio.run(_sealed, tmp_path)
    with hold_data_directory(tmp_path):
        assert run(tmp_path, command, *more) == 2
    assert "in use by another server" in capsys.readouterr().err
    assert run(tmp_path / "none", command, *more) == 1
    assert "is no directory" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    assert trio.run(_sealed, tmp_path) == before


def test_a_key_in_the_settings_is_not_changed_by_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "rotate-key", "--set", f"store.secret_key={'1a' * 32}") == 1
    said = capsys.readouterr().err
    assert "store.secret_key is set" in said
    assert "1a1a" not in said
    assert list(tmp_path.iterdir()) == []
