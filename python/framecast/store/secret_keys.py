"""The keys that secrets are sealed with: where they come from, whether they are the right ones, and how they change.

From `store.secret_key`, or else from a file in the data directory that the first start makes. The first of several
seals, the others open what they sealed before; a start seals all of that anew, with the first. A start without the keys
that it needs changes nothing.
"""

import os
import re
import secrets
import sqlite3
import stat
from pathlib import Path

import structlog
import trio

from framecast.errors import ConfigurationError
from framecast.settings import Store
from framecast.store.database import Database
from framecast.store.datasources import delete_all_sealed, read_all_sealed, write_sealed
from framecast.store.sealing import KEY_BYTES, KeyRing, SecretPlace, UnreadableSecretError, id_of, key_id_of

log = structlog.get_logger(__name__)

KEY_FILE = "secret.key"
SETTING = "store.secret_key"
MAX_FILE_BYTES = 64 * 1024
_KEY = re.compile(rf"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}")


def parse_keys(text: str, source: str) -> list[bytes]:
    """The keys of a text, with space or commas between them. ConfigurationError, which shows none, for others."""
    words = text.replace(",", " ").split()
    for number, word in enumerate(words, 1):
        if not _KEY.fullmatch(word):
            raise ConfigurationError(
                f"{source} cannot be used: its key {number} is not {2 * KEY_BYTES} hexadecimal digits, as "
                f"`openssl rand -hex {KEY_BYTES}` makes them"
            )
    if not words:
        raise ConfigurationError(f"{source} cannot be used: it holds no key")
    return [bytes.fromhex(word) for word in words]


async def prepare_keys(database: Database, directory: Path, settings: Store) -> KeyRing:
    """The keys of this start, with which every secret in the database opens; made if there are none and need be none.

    What keys of before have sealed is sealed with the first one. ConfigurationError when keys are missing or cannot be
    used: then nothing was changed.
    """
    used = await database.read(_used_keys)
    ring = await trio.to_thread.run_sync(_find_keys, directory, settings.secret_key, used)
    stale = await database.read(lambda connection: _find_stale(connection, ring))
    if stale:
        await _seal_anew(database, stale, ring)
    return ring


def add_key(directory: Path) -> None:
    """Put a new key before those of the file. ConfigurationError when there is no file, or it cannot be written."""
    file = directory / KEY_FILE
    known = _read_key_file(file)
    if not known:
        raise ConfigurationError(f"{file} is not there: a start makes it, where {SETTING} is not set")
    _write_key_file(file, [secrets.token_bytes(KEY_BYTES), *known])


def keep_first_key(directory: Path) -> None:
    """Drop all keys of the file but the first; to be called when nothing is sealed with them any more."""
    file = directory / KEY_FILE
    _write_key_file(file, _read_key_file(file)[:1])


async def forget_secrets(database: Database) -> int:
    """Drop all secrets of all data sources, readable or not; how many there were."""
    return await database.transact(delete_all_sealed)


def _used_keys(connection: sqlite3.Connection) -> dict[bytes, int]:
    """How many secrets each key has sealed; what is nothing sealed is nobody's."""
    used: dict[bytes, int] = {}
    for _, _, sealed in read_all_sealed(connection):
        key_id = key_id_of(sealed)
        if key_id is not None:
            used[key_id] = used.get(key_id, 0) + 1
    return used


def _find_keys(directory: Path, setting: str, used: dict[bytes, int]) -> KeyRing:
    file = directory / KEY_FILE
    keys = parse_keys(setting, SETTING) if setting else []
    keys += _read_key_file(file)
    missing = {key_id: count for key_id, count in used.items() if key_id not in {id_of(key) for key in keys}}
    if missing:
        raise _missing(file, missing)
    if not keys:
        keys = [secrets.token_bytes(KEY_BYTES)]
        _write_key_file(file, keys)
        log.info("made a key for the secrets of data sources; keep a copy of it", file=str(file))
    return KeyRing(keys)


def _missing(file: Path, missing: dict[bytes, int]) -> ConfigurationError:
    named = ", ".join(sorted(key_id.hex() for key_id in missing))
    return ConfigurationError(
        f"{sum(missing.values())} secrets of data sources are sealed with a key that is neither in {file} nor in "
        f"{SETTING} (its id: {named}): put it back into either, behind the one that is there, if there is one. If it "
        "is lost, `framecast datasources forget-secrets` drops the secrets of all data sources, and they have to be "
        "given anew. Nothing was changed."
    )


def _read_key_file(file: Path) -> list[bytes]:
    """Its keys; none where it is not there."""
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unusable(file, error) from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(
            f"{file} may be read or written by others (mode {stat.S_IMODE(mode):04o}), so it may be known to them: "
            f"`chmod 600 {file}`, and `framecast datasources rotate-key` if anybody else could have read it"
        )
    if len(content) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{file} is larger than any keys: {MAX_FILE_BYTES} bytes at most")
    return parse_keys(content.decode("ascii", "replace"), str(file))


def _write_key_file(file: Path, keys: list[bytes]) -> None:
    """Whole or not at all, and on the disk when this returns: what is sealed must never be there without its key."""
    beside = file.with_name(f"{file.name}.new")
    try:
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as opened:  # noqa: PTH123 - a descriptor, which a Path cannot be
            opened.write("".join(f"{key.hex()}\n" for key in keys).encode())
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(file)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _unusable(file, error) from None


def _unusable(file: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{file} cannot be used: {error.strerror}")


def _find_stale(connection: sqlite3.Connection, ring: KeyRing) -> list[tuple[int, SecretPlace, str]]:
    """What a key of before has sealed. What does not open is told: its data source alone is the worse for it."""
    stale = []
    for number, place, sealed in read_all_sealed(connection):
        try:
            secret = ring.open(sealed, place)
        except UnreadableSecretError as error:
            told = {"org": place.org_id, "uid": place.uid, "key": place.key, "reason": str(error)}
            log.warning("a data source's secret cannot be read: set it anew", **told)
            continue
        if not ring.is_current(sealed):
            stale.append((number, place, secret))
    return stale


async def _seal_anew(database: Database, stale: list[tuple[int, SecretPlace, str]], ring: KeyRing) -> None:
    """In one transaction, on the disk when this returns: the keys of before may be thrown away then."""

    def change(connection: sqlite3.Connection) -> None:
        for number, place, secret in stale:
            write_sealed(connection, number, {place.key: ring.seal(secret, place)})

    try:
        await database.transact(change)
    except sqlite3.Error as error:
        raise ConfigurationError(f"the secrets of data sources cannot be sealed with the new key: {error}") from None
    log.info("secrets of data sources sealed with the new key; those of before are not needed", count=len(stale))
