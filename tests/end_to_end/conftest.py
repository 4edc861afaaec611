"""Servers for the end-to-end tests: one shared by most, others for tests that stop, starve or limit theirs."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from end_to_end.go_plugins import build_go_plugin
from end_to_end.sdk_programs import SdkPrograms
from end_to_end.server import RunningServer, running_server

ServerStarter = Callable[..., RunningServer]


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The server of all tests that leave it as they found it; each pushes to streams of its own."""
    with running_server(tmp_path_factory.mktemp("shared-server"), "live.max_connections=-1") as server:
        yield server


@pytest.fixture
def server(shared_server: RunningServer) -> Iterator[RunningServer]:
    shared_server.check_well()
    yield shared_server
    shared_server.check_well()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[ServerStarter]:
    """Start servers that end with the test: ``start_server("live.ping_seconds=1", listen=..., dev=...)``."""
    with ExitStack() as stack:
        count = 0

        def start(*settings: str, listen: str = "127.0.0.1:0", dev: bool = True) -> RunningServer:
            nonlocal count
            count += 1
            folder = tmp_path / f"server-{count}"
            return stack.enter_context(running_server(folder, *settings, listen=listen, dev=dev))

        yield start


@pytest.fixture
def stream(request: pytest.FixtureRequest) -> str:
    """A stream id that no other test uses: long names of tests differ at their ends."""
    digest = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]
    return re.sub(r"[^A-Za-z0-9]+", "-", request.node.name).strip("-")[:50] + f"-{digest}"


@pytest.fixture(scope="session")
def sdk_programs(tmp_path_factory: pytest.TempPathFactory) -> SdkPrograms:
    """The client programs around the SDKs."""
    return SdkPrograms(tmp_path_factory.mktemp("sdk-programs"))


@pytest.fixture(scope="session")
def go_plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The executable of a backend plugin on Grafana's own SDK."""
    return build_go_plugin(tmp_path_factory.mktemp("go-plugin"))
