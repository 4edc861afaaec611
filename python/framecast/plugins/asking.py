"""Asks plugins: each question in a task that nobody has to wait for, with a deadline, and its failure is an answer."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
import trio

from framecast.channels.outsiders import Outsiders, Run
from framecast.complaints import Complaints
from framecast.errors import Refusal
from framecast.plugins.answers import AnswerError
from framecast.plugins.columns import FrameError
from framecast.plugins.plugin import NotFoundError, PermissionDeniedError, RefusedError
from framecast.settings import Sources

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

COMPLAINTS_REMEMBERED = 1_000
"""Of each plugin: what it was asked, about what, and how that failed."""

COMPLAINTS_AT_ONCE = 20
"""Of each plugin in `sources.complaint_seconds`: clients may ask about as many channels as they can name."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a plugin is asked about, for errors and the log."""

    plugin_id: str
    method: str
    """The one of `Plugin` that is to answer."""
    channel: str = ""
    data_source: str = ""
    """The uid, where it is about no channel."""
    ref_ids: tuple[str, ...] = ()
    """Of the queries that it is about, where it is about some."""

    @property
    def about(self) -> str:
        """In words."""
        if self.channel:
            return self.channel
        what = "the health" if self.method == "check_health" else "a query"
        return f"{what} of the data source {self.data_source}"

    def fields(self) -> dict[str, str]:
        """For the log."""
        told = {"plugin": self.plugin_id, "method": self.method, "channel": self.channel}
        told |= {"data_source": self.data_source, "query": ", ".join(self.ref_ids)}
        return {key: value for key, value in told.items() if value}


class Asking:
    """The questions to all plugins."""

    def __init__(self, outsiders: Outsiders, limits: Sources) -> None:
        self._outsiders = outsiders
        self._limits = limits
        self._asked: Counter[str] = Counter()
        self._complaints: dict[str, Complaints] = {}

    async def ask(
        self, question: Question, ask: Callable[[], Awaitable[Answer]], *, seconds: float | None = None
    ) -> Answer:
        """The plugin's answer, within `seconds` or `sources.ask_seconds`.

        Refusal: what the plugin refuses; as its RefusedError says, 404 and 403 for its NotFoundError and
        PermissionDeniedError, which are final; 500 where it fails and 504 where it does not answer in time, which are
        not; 503 where too many of its answers are awaited.
        """
        plugin_id = question.plugin_id
        if self._asked[plugin_id] >= self._limits.max_asked:
            raise Refusal(503, f"the plugin {plugin_id} answers too slowly: try again", temporary=True)
        answers: list[Answer] = []

        async def carry_out(_: Run) -> None:
            answers.append(await ask())

        def take_back() -> None:
            self._asked[plugin_id] -= 1
            if not self._asked[plugin_id]:
                del self._asked[plugin_id]

        self._asked[plugin_id] += 1
        run = self._outsiders.start(
            carry_out, f"{question.method} of the plugin {plugin_id}, about {question.about}", on_end=take_back
        )
        try:
            await run.wait_ended(self._limits.ask_seconds if seconds is None else seconds)
        finally:
            if not run.ended.is_set():
                self._outsiders.dismiss(run, self._limits.stop_seconds)
        if not run.ended.is_set():
            self._complain(question, "a plugin does not answer", None)
            said = f"the plugin {plugin_id} did not answer about {question.about} in time ({question.method})"
            raise Refusal(504, said, temporary=True)
        if run.failure is not None:
            raise self._refusal(question, run.failure)
        if not answers:
            raise Refusal(503, f"the plugin {plugin_id} is being stopped: try again", temporary=True)
        return answers[0]

    def _refusal(self, question: Question, failure: BaseException) -> Refusal:
        refusal = refusal_of(failure, question.plugin_id, question.about)
        if refusal is None:
            self._complain(question, "a plugin failed to answer", failure)
            said = f"the plugin {question.plugin_id} failed to answer about {question.about}"
            failure = sole_failure(failure)
            # Of what a plugin fails with only that is told whose words are ours: others may hold its secrets.
            reason = f": {failure}" if isinstance(failure, FrameError | AnswerError) else ""
            refusal = Refusal(500, f"{said}{reason}", temporary=True)
        return refusal

    def _complain(self, question: Question, what: str, failure: BaseException | None) -> None:
        """Once per question, kind and time, and in few lines for each plugin."""
        limits, now = self._limits, trio.current_time()
        complaints = self._complaints.setdefault(
            question.plugin_id, Complaints(limits.complaint_seconds, COMPLAINTS_REMEMBERED, COMPLAINTS_AT_ONCE)
        )
        if passed_over := complaints.take_passed_over(now):
            log.warning("more answers of a plugin failed than are told", plugin=question.plugin_id, count=passed_over)
        about = question.channel, question.data_source
        unlogged = complaints.due((question.method, about, what, type(failure).__name__), now, 1)
        if unlogged is not None:
            log.warning(what, **question.fields(), unlogged=unlogged, exc_info=failure)


def refusal_of(failure: BaseException, plugin_id: str, channel: str) -> Refusal | None:
    """What a plugin says no with, as everybody else knows it; None where it failed. Looks into groups of one."""
    failure = sole_failure(failure)
    said = f": {failure}" if str(failure) else ""
    match failure:
        case Refusal():
            return failure
        case NotFoundError():
            return Refusal(404, f"Not Found: the plugin {plugin_id} has no stream {channel}{said}")
        case PermissionDeniedError():
            return Refusal(403, f"Forbidden: the plugin {plugin_id} does not let you on {channel}{said}")
        case RefusedError(status=status):
            temporary = status >= 500 or status == 429
            return Refusal(status, str(failure) or f"the plugin {plugin_id} refuses {channel}", temporary=temporary)
    return None


def sole_failure(failure: BaseException) -> BaseException:
    """The one that a group is of, as nurseries raise it; anything else as it is."""
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    return failure
