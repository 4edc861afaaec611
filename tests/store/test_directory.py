"""The data directory belongs to one server at a time."""

import errno
import fcntl
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from framecast.errors import ConfigurationError
from framecast.store.directory import LOCK_NAME, hold_data_directory


def test_a_missing_directory_is_made(tmp_path: Path) -> None:
    with hold_data_directory(tmp_path / "a" / "b") as path:
        assert path.is_dir()


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with (
        hold_data_directory(tmp_path),
        pytest.raises(ConfigurationError, match=f"in use by another server \\(process {os.getpid()}\\)"),
        hold_data_directory(tmp_path),
    ):
        pass


def test_the_directory_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_data_directory(tmp_path):
            assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_a_path_that_cannot_be_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigurationError, match=r"server\.data = .* cannot be used"),
        hold_data_directory(tmp_path / "file"),
    ):
        pass


@contextmanager
def no_room() -> Iterator[None]:
    """No file of this process can take a byte; the system says EFBIG, where a full disk says ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_directory_without_room_is_refused_with_the_reason(tmp_path: Path) -> None:
    with (
        no_room(),
        pytest.raises(ConfigurationError, match=r"server\.data = .* cannot be used: File too large"),
        hold_data_directory(tmp_path),
    ):
        pass
    with hold_data_directory(tmp_path):
        pass


def test_a_file_system_without_locks_is_not_taken_for_another_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(ConfigurationError, match="cannot be used: No locks available"), hold_data_directory(tmp_path):
        pass
