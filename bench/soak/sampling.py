"""What a server's process has, looked at again and again."""

from pathlib import Path

import msgspec
import trio


class Sample(msgspec.Struct, frozen=True):
    """At one moment."""

    seconds: float
    """Since the first."""
    resident_bytes: int
    descriptors: int
    threads: int


def take_sample(pid: int, seconds: float) -> Sample:
    """OSError when the process is gone."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return Sample(
        seconds=round(seconds, 3),
        resident_bytes=int(fields["VmRSS"].split()[0]) * 1024,
        descriptors=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        threads=int(fields["Threads"]),
    )


async def sample(pid: int, every_seconds: float, samples: list[Sample]) -> None:
    """Look until cancelled."""
    begin = trio.current_time()
    while True:
        samples.append(take_sample(pid, trio.current_time() - begin))
        await trio.sleep_until(begin + len(samples) * every_seconds)
