"""Asks plugins: each question in a task that nobody has to wait for, with a deadline, and its failure is an answer."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
import trio

from framecast.channels.outsiders import Outsiders, Run
from framecast.complaints import Complaints
from framecast.errors import Refusal
from framecast.plugins.plugin import NotFoundError, PermissionDeniedError
from framecast.settings import Sources

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

COMPLAINING_PLUGINS = 1_000
COMPLAINTS_AT_ONCE = 100


class Asking:
    """The questions to all plugins."""

    def __init__(self, outsiders: Outsiders, limits: Sources) -> None:
        self._outsiders = outsiders
        self._limits = limits
        self._asked: Counter[str] = Counter()
        self._complaints = Complaints(limits.complaint_seconds, COMPLAINING_PLUGINS, COMPLAINTS_AT_ONCE)

    async def ask(
        self, plugin_id: str, channel: str, question: Callable[[], Awaitable[Answer]], *, seconds: float | None = None
    ) -> Answer:
        """The plugin's answer, within `seconds` or `sources.ask_seconds`. `channel` is what it is about.

        Refusal: what the plugin refuses; 404 and 403 for its NotFoundError and PermissionDeniedError, which are final;
        500 where it fails and 504 where it does not answer in time, which are not; 503 where too many of its answers
        are awaited.
        """
        if self._asked[plugin_id] >= self._limits.max_asked:
            raise Refusal(503, f"the plugin {plugin_id} answers too slowly: try again", temporary=True)
        answers: list[Answer] = []

        async def carry_out(_: Run) -> None:
            answers.append(await question())

        def take_back() -> None:
            self._asked[plugin_id] -= 1
            if not self._asked[plugin_id]:
                del self._asked[plugin_id]

        self._asked[plugin_id] += 1
        run = self._outsiders.start(carry_out, f"question about {channel}", on_end=take_back)
        try:
            await run.wait_ended(self._limits.ask_seconds if seconds is None else seconds)
        finally:
            if not run.ended.is_set():
                self._outsiders.dismiss(run, self._limits.stop_seconds)
        if not run.ended.is_set():
            self._complain(plugin_id, channel, "a plugin does not answer", None)
            raise Refusal(504, f"the plugin {plugin_id} did not answer about {channel} in time", temporary=True)
        if run.failure is not None:
            raise self._refusal(plugin_id, channel, run.failure)
        if not answers:
            raise Refusal(503, f"the plugin {plugin_id} is being stopped: try again", temporary=True)
        return answers[0]

    def _refusal(self, plugin_id: str, channel: str, failure: BaseException) -> Refusal:
        refusal = refusal_of(failure, plugin_id, channel)
        if refusal is None:
            self._complain(plugin_id, channel, "a plugin failed to answer", failure)
            refusal = Refusal(500, f"the plugin {plugin_id} failed to answer about {channel}", temporary=True)
        return refusal

    def _complain(self, plugin_id: str, channel: str, what: str, failure: BaseException | None) -> None:
        """Once per plugin, kind and time."""
        unlogged = self._complaints.due((plugin_id, what, type(failure).__name__), trio.current_time(), 1)
        if unlogged is not None:
            log.warning(what, plugin=plugin_id, channel=channel, unlogged=unlogged, exc_info=failure)


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
    return None


def sole_failure(failure: BaseException) -> BaseException:
    """The one that a group is of, as nurseries raise it; anything else as it is."""
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    return failure
