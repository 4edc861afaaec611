"""Everybody at once: senders, healthy subscribers on every transport, visitors, and an eye on the server."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import trio

from bench.soak.following import Follower
from bench.soak.listening import TRANSPORTS, LostError, Seat
from bench.soak.pushing import Sender, send_by_http, send_by_websocket
from bench.soak.sampling import Sample, sample, take_sample
from bench.soak.visiting import Visits

STALLED_SECONDS = 25.0
"""That a visitor reads nothing: more than twice the server's patience with it."""
BULK_BYTES, BULK_PER_SECOND = 65_536, 10.0
LAST_SECONDS = 60.0
"""For the last row to reach everybody, and for the server to let go of everything."""
SETTLING_SECONDS = 1.0
"""For the server to notice that its first guests have left."""
MOST_SAMPLES = 1_200
OFTEN_SECONDS = 0.5


@dataclass(frozen=True)
class Shape:
    """How much of everything."""

    seconds: float
    visitors: int
    per_second: float
    """Rows on each of the two channels that are no bulk."""
    seed: int

    @property
    def sample_seconds(self) -> float:
        return max(OFTEN_SECONDS, self.seconds / MOST_SAMPLES)


@dataclass
class Healthy:
    """A subscriber that stays."""

    transport: str
    sender: Sender
    follower: Follower = field(default_factory=Follower)
    lost: str = ""

    async def listen(self, address: str) -> None:
        try:
            await TRANSPORTS[self.transport](Seat(address, self.sender.channel, self.follower))
        except LostError as error:
            self.lost = str(error)

    @property
    def has_all(self) -> bool:
        return bool(self.lost) or self.follower.last == self.sender.sent

    @property
    def faults(self) -> Iterable[str]:
        follower, who = self.follower, f"{self.transport} on {self.sender.channel}"
        if self.lost:
            yield f"{who}: {self.lost}"
        elif not self.has_all:
            yield f"{who}: heard up to row {follower.last} of {self.sender.sent}"
        if follower.gaps or follower.disorder:
            yield f"{who}: {follower.gaps} gaps, {follower.disorder} rows late or twice"


@dataclass
class Soaked:
    """What came of it."""

    faults: list[str]
    visits: dict[str, int]
    rows_sent: int
    rows_heard: int
    rest_before: Sample
    rest_after: Sample
    samples: list[Sample]


async def soak(address: str, pid: int, shape: Shape) -> Soaked:
    """All of it; what the server does wrong is in the faults."""
    senders = [Sender("http", shape.per_second), Sender("websocket", shape.per_second)]
    senders.append(Sender("bulk", BULK_PER_SECOND, BULK_BYTES))
    visits = Visits(
        address=address,
        channels=[sender.channel for sender in senders],
        bulk_channel=senders[-1].channel,
        random=Random(shape.seed),
        stalled_seconds=STALLED_SECONDS,
    )
    await _make_acquaintance(address)
    rest_before, samples = take_sample(pid, 0.0), list[Sample]()
    healthy = [Healthy(transport, sender) for transport in TRANSPORTS for sender in senders]
    async with trio.open_nursery() as audience:
        for each in healthy:
            audience.start_soon(each.listen, address)
        async with trio.open_nursery() as company:
            company.start_soon(sample, pid, shape.sample_seconds, samples)
            async with trio.open_nursery() as sending:
                for sender, send in zip(senders, (send_by_http, send_by_websocket, send_by_http), strict=True):
                    sending.start_soon(send, sender, address)
                for number in range(shape.visitors):
                    company.start_soon(visits.come_and_go, number)
                await trio.sleep(shape.seconds)
                for sender in senders:
                    sender.ended = True
            await _wait_until(lambda: all(each.has_all for each in healthy))
            company.cancel_scope.cancel()
        audience.cancel_scope.cancel()
    await _wait_until(lambda: take_sample(pid, 0.0).descriptors <= rest_before.descriptors)
    rest_after = take_sample(pid, 0.0)
    faults = [f"the sender of {sender.channel}: {sender.lost}" for sender in senders if sender.lost]
    faults += [*visits.faults, *(fault for each in healthy for fault in each.faults)]
    if rest_after.descriptors != rest_before.descriptors:
        faults.append(
            f"the server has {rest_after.descriptors} open files with everybody gone, "
            f"{rest_before.descriptors} before anybody came"
        )
    return Soaked(
        faults=faults,
        visits=dict(sorted(visits.counts.items())),
        rows_sent=sum(sender.sent for sender in senders),
        rows_heard=sum(each.follower.rows for each in healthy),
        rest_before=rest_before,
        rest_after=rest_after,
        samples=samples,
    )


async def _make_acquaintance(address: str) -> None:
    """Every way in is taken once, so that what a server opens when it is first needed is open before it is counted."""
    sender = Sender("acquaintance", per_second=20.0)
    listeners = [Healthy(transport, sender) for transport in TRANSPORTS]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_by_http, sender, address)
        for each in listeners:
            nursery.start_soon(each.listen, address)
        await _wait_until(lambda: all(each.lost or each.follower.rows for each in listeners))
        nursery.cancel_scope.cancel()
    await trio.sleep(SETTLING_SECONDS)


async def _wait_until(condition: Callable[[], bool]) -> None:
    """For so long at most: whoever asks looks again."""
    with trio.move_on_after(LAST_SECONDS), suppress(OSError):
        while not condition():  # noqa: ASYNC110 - another process, nothing to wait on
            await trio.sleep(0.05)
