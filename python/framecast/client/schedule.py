"""The times at which connections must be looked at, all of them in one task.

A connection that waits for its times by itself needs a task for that, and ten thousand idle ones are then mostly tasks.
Here each has one appointment, and what falls due together is done together. Only `Schedule.run` waits; what is done at
an appointment may not.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf

import trio

KEPT_AT_ONCE = 500
"""Appointments that are kept before the others get a turn."""

FEW_ENTRIES = 1_000
"""That count no more, and are not worth clearing away."""


class Appointment:
    """Something to be done at a time that may change. Made, moved and cancelled by its `Schedule`."""

    __slots__ = ("at", "entered_at", "keep")

    def __init__(self, keep: Callable[[float], float]) -> None:
        self.keep: Callable[[float], float] | None = keep
        """None when it was cancelled."""
        self.at = inf
        self.entered_at = inf
        """The time of its entry in the schedule: never later than `at`."""


class Schedule:
    """All appointments of one server. Used from Trio's thread only."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Appointment]] = []
        """A heap; the number keeps those of one time in their order."""
        self._void = 0
        """How many entries count no more: their appointments have a sooner one, or were cancelled."""
        self._numbers = count()
        self._sooner = trio.Event()
        self._sleeps_until = inf

    def __len__(self) -> int:
        """How many appointments have a time."""
        return len(self._entries) - self._void

    def make(self, keep: Callable[[float], float]) -> Appointment:
        """Make an appointment, without a time yet.

        At its time `keep` is called with the time, and returns when it wants to be called again, or infinity. It must
        neither wait nor raise.
        """
        return Appointment(keep)

    def move(self, appointment: Appointment, at: float) -> None:
        """Keep it at `at` on Trio's clock instead; never, when that is infinite or it was cancelled."""
        if appointment.keep is None:
            return
        appointment.at = at
        # An entry that turns out to be too early is made anew when its time comes: to put off costs nothing.
        if at < appointment.entered_at:
            replaced = appointment.entered_at < inf
            appointment.entered_at = at
            heappush(self._entries, (at, next(self._numbers), appointment))
            if replaced:
                self._count_void()
            if at < self._sleeps_until:
                self._sooner.set()

    def cancel(self, appointment: Appointment) -> None:
        """Never keep it, and let go of what it would have done."""
        if appointment.keep is None:
            return
        appointment.keep = None
        if appointment.entered_at < inf:
            appointment.entered_at = inf
            self._count_void()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep appointments until cancelled: none before its time, those whose time has passed as soon as may be."""
        task_status.started()
        while True:
            self._sooner = trio.Event()
            self._sleeps_until = self._entries[0][0] if self._entries else inf
            with trio.move_on_at(self._sleeps_until):
                await self._sooner.wait()
            self._keep_due(trio.current_time())

    def _keep_due(self, now: float) -> None:
        for _ in range(KEPT_AT_ONCE):
            if not self._entries or self._entries[0][0] > now:
                return
            entered_at, _, appointment = heappop(self._entries)
            if entered_at != appointment.entered_at:
                self._void -= 1
                continue
            appointment.entered_at = inf
            at = appointment.at
            if appointment.keep is not None and at <= now:
                appointment.at = inf
                at = appointment.keep(now)
            self.move(appointment, at)

    def _count_void(self) -> None:
        """One entry more counts no more; where most do, all such go."""
        self._void += 1
        if self._void > FEW_ENTRIES and self._void > len(self._entries) // 2:
            self._entries = [entry for entry in self._entries if entry[0] == entry[2].entered_at]
            heapify(self._entries)
            self._void = 0
