"""Our server with a certificate."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.servers import DEFAULT_LIMITS, Framecast, Limits, RunningServer


class FramecastOverTls(Framecast):
    """The same server, which speaks TLS. Whoever measures it must trust the certificate."""

    name = "over TLS"

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key

    def command(self, limits: Limits, data: str) -> list[str]:
        files = [f"server.tls_cert={self._certificate}", f"server.tls_key={self._key}"]
        return super().command(limits, data) + [part for one in files for part in ("--set", one)]

    @contextmanager
    def running(self, core: int | None, limits: Limits = DEFAULT_LIMITS) -> Iterator[RunningServer]:
        with super().running(core, limits) as server:
            yield replace(server, scheme="https")
