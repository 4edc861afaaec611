"""What a recovery storm needs of a server: two channels that everybody may publish on, and room for their past.

Both have the same limits: a channel's past that outlasts the storm, queues that hold it four times, ten seconds for a
write, no presence, joins or leaves. Everything else is what each has by default.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.servers import CENTRIFUGE, FRAMECAST, MIB, Limits, MeasuredServer

# Framecast counts 256 B for keeping a publication beside its data, and may stamp or wrap it.
KEPT_BYTES_BESIDE_DATA = 512


@dataclass(frozen=True)
class Contestant:
    """A server, and where the storm finds things on it."""

    server: MeasuredServer
    path: str
    storm_channel: str
    bystander_channel: str

    @property
    def name(self) -> str:
        return self.server.name


CONTESTANTS = (
    Contestant(FRAMECAST, "/api/live/ws", "grafana/broadcast/storm", "grafana/broadcast/bystander"),
    Contestant(CENTRIFUGE, "/connection/websocket", "storm", "bystander"),
)


def limits_for(publications: int, payload_bytes: int) -> Limits:
    """Enough for a past of so many publications."""
    kept = max(MIB, publications * (payload_bytes + KEPT_BYTES_BESIDE_DATA))
    return Limits(queue_bytes=4 * kept, kept_publications=publications, kept_bytes=kept)


def peak_bytes(process: subprocess.Popen[bytes]) -> int:
    """The most memory that a server has had in RAM so far."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the server is gone")
