"""The data directory: made when it is missing, and held by one server at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from framecast.errors import ConfigurationError

LOCK_NAME = "framecast.lock"


@contextmanager
def hold_data_directory(path: Path) -> Iterator[Path]:
    """Keep every other server off `path` while the block runs.

    The lock is the kernel's (flock), so a killed server leaves none behind. ConfigurationError when the directory
    cannot be used or another server holds it; the message names that server's process.
    """
    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise _unusable(path, error) from None
    try:
        _lock(descriptor, path)
        yield path
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        raise ConfigurationError(
            f"server.data = {str(path)!r} is in use by another server (process {holder}): "
            "stop it, or give this one a directory of its own with --data"
        ) from None
    except OSError as error:  # a full disk may have room for an empty file, and for no byte in it
        raise _unusable(path, error) from None


def _unusable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"server.data = {str(path)!r} cannot be used: {error.strerror}")
