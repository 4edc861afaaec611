"""``framecast datasources rotate-key|forget-secrets``: the key of their secrets, while no server runs on the data."""

from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import trio
from cyclopts import Parameter

from framecast.cli.failure import CommandError
from framecast.cli.settings_flags import NO_FLAGS, SettingsFlags
from framecast.settings import Settings
from framecast.store.database import Database, open_database
from framecast.store.directory import hold_data_directory
from framecast.store.secret_keys import KEY_FILE, SETTING, add_key, forget_secrets, keep_first_key, prepare_keys

datasources = cyclopts.App(name="datasources", help_format="plaintext")


@datasources.command(name="rotate-key")
def rotate_key(flags: SettingsFlags = NO_FLAGS) -> None:
    """Make a new key for the secrets of data sources, seal all of them with it, and drop the key of before.

    No server may run on the data directory meanwhile. Copies of the database need the key that they were made with.
    """
    settings = flags.load().settings
    if settings.store.secret_key:
        raise CommandError(
            f"{SETTING} is set, so the file {KEY_FILE} is not what seals: put a new key before the one in {SETTING}, "
            "start the server once, and take the old one away"
        )
    trio.run(_with_database, settings, partial(_rotate, settings))
    print(f"secrets are sealed with a new key: {Path(settings.server.data) / KEY_FILE}; keep a copy of it")


@datasources.command(name="forget-secrets")
def forget(
    flags: SettingsFlags = NO_FLAGS,
    *,
    yes: Annotated[bool, Parameter(help="Do it: they cannot be had back.", negative=())] = False,
) -> None:
    """Drop the secrets of all data sources, whose key is lost; the data sources stay.

    No server may run on the data directory meanwhile.
    """
    settings = flags.load().settings
    if not yes:
        raise CommandError("the secrets of all data sources would be gone: say --yes if that is meant", status=2)
    count = trio.run(_with_database, settings, forget_secrets)
    print(f"{count} {'secret' if count == 1 else 'secrets'} forgotten: give them to their data sources anew")


async def _rotate(settings: Settings, database: Database) -> int:
    directory = Path(settings.server.data)
    await prepare_keys(database, directory, settings.store)
    await trio.to_thread.run_sync(add_key, directory)
    await prepare_keys(database, directory, settings.store)
    await trio.to_thread.run_sync(keep_first_key, directory)
    return 0


async def _with_database(settings: Settings, work: Callable[[Database], Coroutine[Any, Any, int]]) -> int:
    with hold_data_directory(_find_directory(settings)) as held:
        async with open_database(held, settings.store) as database:
            return await work(database)


def _find_directory(settings: Settings) -> Path:
    directory = Path(settings.server.data)
    if not directory.is_dir():
        raise CommandError(f"server.data = {str(directory)!r} is no directory: name that of your server with --data")
    return directory
