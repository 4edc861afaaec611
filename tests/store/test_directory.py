"""The data directory belongs to one server at a time."""

import os
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
