"""What Grafana said, remembered for a while: the one place that decides when it is asked again, and what counts if not.

- A question is under way once at a time for each key, whoever waits for its answer, and goes on when they leave.
- An answer counts for `fresh_seconds`, a refusal for `refused_seconds`.
- While Grafana cannot be asked, the last answer counts for `stale_seconds` more. Where there is none, it is told so.
- While it wants a session's cookie renewed first, the last answer counts for `renewal_seconds`.

Keys are names of credentials; no secret is kept here. Belongs to the Trio thread.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog
import trio

from framecast import metrics
from framecast.accounts.grafana.questions import Questions, UnreachableError
from framecast.errors import Refusal
from framecast.settings import Grafana

log = structlog.get_logger(__name__)

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """Grafana answered."""

    value: T


@dataclass(frozen=True, slots=True)
class Denied:
    """Grafana said no, and why a client is refused with `code` therefore."""

    code: int
    message: str
    temporary: bool = False
    retry_seconds: float | None = None
    """When to come again, where that is known."""


class DenialError(Refusal):
    """What a client is refused with; a new one for each. `denied` is why."""

    def __init__(self, denied: Denied) -> None:
        super().__init__(denied.code, denied.message, temporary=denied.temporary, retry_seconds=denied.retry_seconds)
        self.denied = denied


@dataclass(frozen=True, slots=True)
class Deferred:
    """Grafana says neither yes nor no before the session's cookie is renewed, which only its own pages can do."""


Outcome = Told[T] | Denied | Deferred
Ask = Callable[[], Awaitable[Outcome[T]]]
"""Asks Grafana; UnreachableError when that cannot be done. It has a turn, and a deadline stands over it."""

RENEW_FIRST = Denied(
    401, "Unauthorized: Grafana wants this session's cookie renewed, which its own pages do; come again"
)


@dataclass(slots=True)
class _Kept(Generic[T]):
    value: T
    told_at: float
    """When Grafana last said so."""
    heard_at: float
    """When it last said anything about this key."""
    fresh_until: float


@dataclass(slots=True)
class _Flight(Generic[T]):
    """A question under way."""

    ended: trio.Event = field(default_factory=trio.Event)
    result: Told[T] | Denied | None = None


def _never(_: object) -> bool:
    return False


def _nobody(_: object) -> None:
    pass


class Answers(Generic[K, T]):
    """Answers by key. `run` is what asks; nobody is answered without it."""

    def __init__(
        self,
        questions: Questions,
        limits: Grafana,
        *,
        about: str,
        max_kept: int,
        is_needed: Callable[[K], bool] = _never,
        changed: Callable[[K], None] = _nobody,
        deferred: Denied = RENEW_FIRST,
    ) -> None:
        """`about` is how metrics and limits call it: ``visitors``.

        Answers that are needed (`is_needed`) are not forgotten for others'. `changed` is told when an answer that was
        given out is another one now, or none any more, and when one that was to be renewed is none. `deferred` is said
        to those about whom Grafana says nothing before a cookie is renewed, and never said anything.
        """
        self._questions = questions
        self._limits = limits
        self._about = about
        self._max_kept = max_kept
        self._is_needed = is_needed
        self._changed = changed
        self._deferred = deferred
        self._nursery: trio.Nursery | None = None
        self._kept: OrderedDict[K, _Kept[T]] = OrderedDict()
        self._denied: OrderedDict[K, tuple[float, Denied]] = OrderedDict()
        self._flights: dict[K, _Flight[T]] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ask what is to be asked, until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    async def find(self, key: K, ask: Ask[T]) -> T:
        """What Grafana says now, or said a short time ago. Waits for one question at most, `grafana.ask_seconds`.

        Refusal when it said no, or 503 when it cannot be asked and there is no answer that counts still.
        """
        now = trio.current_time()
        kept = self._kept.get(key)
        if kept is not None and now < kept.fresh_until:
            self._kept.move_to_end(key)
            return kept.value
        until, denied = self._denied.get(key, (now, None))
        if denied is not None and now < until:
            raise DenialError(denied)
        flight = self._start(key, ask, renewal=False)
        await flight.ended.wait()
        if isinstance(flight.result, Told):
            return flight.result.value
        raise DenialError(flight.result or _unreachable(self._limits.retry_seconds))

    def renew(self, key: K, ask: Ask[T]) -> None:
        """Have Grafana asked anew if the answer is not fresh any more; who got the last one is told by `changed`.

        Does nothing while many questions are under way: those who wait for an answer go first.
        """
        kept = self._kept.get(key)
        due = kept is None or trio.current_time() >= kept.fresh_until
        if due and len(self._flights) < max(1, self._limits.waiting_questions // 2):
            self._start(key, ask, renewal=True)

    def peek(self, key: K) -> T | None:
        """The last answer, if there is one and Grafana did not say no since."""
        kept = self._kept.get(key)
        return None if kept is None else kept.value

    def expire(self, key: K) -> None:
        """Count the answer as fresh no longer: there is a sign that it is not true any more."""
        if (kept := self._kept.get(key)) is not None:
            kept.fresh_until = min(kept.fresh_until, trio.current_time())

    def _start(self, key: K, ask: Ask[T], *, renewal: bool) -> _Flight[T]:
        """The question about this key that is under way, or a new one."""
        flight = self._flights.get(key)
        if flight is None:
            if self._nursery is None:
                raise RuntimeError("questions are asked while `run` runs only")
            flight = self._flights[key] = _Flight()
            self._nursery.start_soon(self._fly, key, ask, flight, renewal)
        return flight

    async def _fly(self, key: K, ask: Ask[T], flight: _Flight[T], renewal: bool) -> None:  # noqa: FBT001 - start_soon
        try:
            outcome = await self._ask(ask)
            was_kept = key in self._kept
            flight.result = self._settle(key, outcome)
            if renewal and not was_kept and isinstance(flight.result, Denied):
                self._changed(key)
        except Exception:
            # The boundary of one question: a bug in it must not end the server.
            log.exception("question failed", about=self._about)
        finally:
            del self._flights[key]
            flight.ended.set()

    async def _ask(self, ask: Ask[T]) -> Outcome[T] | None:
        """None when Grafana cannot be asked."""
        outcome: Outcome[T] | None = None
        with trio.move_on_after(self._limits.ask_seconds) as scope:
            try:
                async with self._questions.turn():
                    outcome = await ask()
            except UnreachableError:
                outcome = None
        if scope.cancelled_caught:
            self._questions.timed_out()
        label = "unreachable" if outcome is None else type(outcome).__name__.lower()
        metrics.grafana_questions.labels(self._about, label).inc()
        return outcome

    def _settle(self, key: K, outcome: Outcome[T] | None) -> Told[T] | Denied:
        """Remember the outcome; what it comes to for who asked."""
        now = trio.current_time()
        if isinstance(outcome, Told):
            return self._keep(key, outcome, now)
        kept = self._kept.get(key)
        if isinstance(outcome, Denied):
            return self._deny(key, outcome, now + self._limits.refused_seconds)
        if isinstance(outcome, Deferred):
            if kept is None or now >= kept.told_at + self._limits.renewal_seconds:
                return self._deny(key, self._deferred, now + self._limits.refused_seconds)
            kept.heard_at, kept.fresh_until = now, now + self._limits.fresh_seconds
            return Told(kept.value)
        if kept is None or now >= kept.heard_at + self._limits.fresh_seconds + self._limits.stale_seconds:
            return self._deny(key, _unreachable(self._limits.retry_seconds), now + self._limits.retry_seconds)
        kept.fresh_until = now + self._limits.retry_seconds
        return Told(kept.value)

    def _keep(self, key: K, told: Told[T], now: float) -> Told[T] | Denied:
        before = self._kept.pop(key, None)
        self._denied.pop(key, None)
        if before is None and not self._make_room():
            full = f"this server remembers as many {self._about} as it may (grafana.max_{self._about}); come again"
            seconds = self._limits.retry_seconds
            return self._deny(key, Denied(503, full, temporary=True, retry_seconds=seconds), now + seconds)
        self._kept[key] = _Kept(told.value, now, now, now + self._limits.fresh_seconds)
        if before is not None and before.value != told.value:
            self._changed(key)
        return told

    def _deny(self, key: K, denied: Denied, until: float) -> Denied:
        self._denied[key] = (until, denied)
        self._denied.move_to_end(key)
        if len(self._denied) > self._max_kept:
            self._denied.popitem(last=False)
        if self._kept.pop(key, None) is not None:
            self._changed(key)
        return denied

    def _make_room(self) -> bool:
        """Forget the answer that nobody asked for for longest, if there are too many. False when all are needed."""
        if len(self._kept) < self._max_kept:
            return True
        spare = next((key for key in self._kept if not self._is_needed(key)), None)
        if spare is None:
            return False
        del self._kept[spare]
        return True


def _unreachable(retry_seconds: float) -> Denied:
    return Denied(
        503,
        "the Grafana that knows this server's visitors cannot be asked now; come again",
        temporary=True,
        retry_seconds=retry_seconds,
    )
