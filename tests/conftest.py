"""What every test stands on: the core must be the tree's, the corpora must be there where they are demanded."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT.parent / "shared" / "data"

UNTIMED: Any = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
"""How long a busy machine takes over an example, or to think of one, says nothing of the test."""

hypothesis.settings.register_profile("default", max_examples=100, **UNTIMED)
hypothesis.settings.register_profile("thorough", max_examples=2_000, **UNTIMED)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def source_hash() -> str:
    """The hash that rust/build.rs records: FNV-1a over name, NUL, content, NUL of each source file."""
    crate = ROOT / "rust"
    files = [crate / "Cargo.toml", crate / "build.rs", *(crate / "src").rglob("*.rs")]
    state = 0xCBF29CE484222325
    for name, file in sorted((file.relative_to(crate).as_posix(), file) for file in files):
        for byte in name.encode() + b"\0" + file.read_bytes() + b"\0":
            state = (state ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{state:016x}"


def pytest_sessionstart() -> None:
    """Refuse to run against a core that was built from other sources, or without corpora that were demanded."""
    from framecast._core import build_info  # noqa: PLC0415 - a missing core must end the session, not the import

    info = build_info()
    if info["source_hash"] != source_hash():
        pytest.exit("framecast._core was built from other sources than this tree's: run `make build`", returncode=1)
    if os.environ.get("REQUIRE_CORPUS") and not CORPUS.is_dir():
        pytest.exit(f"{CORPUS} is not there, but REQUIRE_CORPUS is set", returncode=1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the corpus tests out where the corpora are not; `make test` says so."""
    if CORPUS.is_dir():
        return
    left_out = [item for item in items if item.get_closest_marker("corpus")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("corpus")]


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of the large captures; only for tests marked `corpus`."""
    return CORPUS


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """A server freezes what the collector knows; here that is the tests' garbage."""
    yield
    gc.unfreeze()


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """What is told in the log while a test runs."""
    with structlog.testing.capture_logs() as events:
        yield events


@pytest.fixture
def entries() -> Iterator[list[Any]]:
    """The same from debug on, whatever level was set before."""
    capture = structlog.testing.LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[capture], wrapper_class=structlog.make_filtering_bound_logger(0))
    yield capture.entries
    structlog.configure(**before)
