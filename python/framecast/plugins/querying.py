"""Puts a request's queries to the plugin of one data source, a real Grafana plugin's together, others each by itself.

Whatever a plugin does, each query is answered, or fails, and nobody else notices: frames are made one after another,
however many queries there are, and the server has a turn after each.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import trio

from framecast.accounts.identity import Identity
from framecast.errors import Refusal
from framecast.plugins.answers import frames_of_answer
from framecast.plugins.asking import Asking, Question
from framecast.plugins.frames import Frame
from framecast.plugins.grafana import GrafanaPlugin
from framecast.plugins.grafana_queries import query_together
from framecast.plugins.instances import Instance
from framecast.plugins.plugin import Context, NotFoundError, PermissionDeniedError, Plugin
from framecast.plugins.query import Answered, Query, QueryError, Room, failed
from framecast.settings import Queries


class Querying:
    """The way from queries to answers, for all plugins."""

    def __init__(self, asking: Asking, limits: Queries) -> None:
        self._asking = asking
        self._limits = limits
        self._threads = trio.CapacityLimiter(limits.threads)
        self._turn = trio.Lock()
        """Held by who makes a frame on Trio's thread: a hundred tasks that make one each are one long turn."""

    async def answer(
        self, instance: Instance, identity: Identity, queries: Sequence[Query], room: Room
    ) -> Mapping[str, Answered]:
        """The answers by `ref_id`. A plugin may leave queries out; what nobody asked is left out too."""
        context = instance.context(identity)
        if isinstance(instance.plugin, GrafanaPlugin):
            question = partial(query_together, instance.plugin, context, queries, room, self._convert)
            return await self._ask(context, queries, question)
        answers: dict[str, Answered] = {}
        # Whoever is first has the room: if all took of it at once, they might all fail.
        spelling = trio.Lock()

        async def answer_one(query: Query) -> None:
            question = partial(self._ask_one, instance.plugin, context, query, room, spelling)
            answers.update(await self._ask(context, [query], question))

        async with trio.open_nursery() as nursery:
            for query in queries:
                nursery.start_soon(answer_one, query)
        return answers

    async def _ask(
        self, context: Context, queries: Sequence[Query], ask: Callable[[], Awaitable[Mapping[str, Answered]]]
    ) -> Mapping[str, Answered]:
        uid = "" if context.data_source is None else context.data_source.uid
        ref_ids = tuple(query.ref_id for query in queries)
        question = Question(context.plugin_id, "query", data_source=uid, ref_ids=ref_ids)
        try:
            return await self._asking.ask(question, ask, seconds=self._limits.seconds)
        except Refusal as refusal:
            return {query.ref_id: failed(refusal.message, refusal.code) for query in queries}

    async def _convert(self, make: Callable[[], bytes], size: int) -> bytes:
        if size < self._limits.thread_frame_bytes:
            async with self._turn:
                return make()
        return await trio.to_thread.run_sync(make, limiter=self._threads)

    async def _ask_one(
        self, plugin: Plugin, context: Context, query: Query, room: Room, spelling: trio.Lock
    ) -> Mapping[str, Answered]:
        try:
            answer = await plugin.query(context, query)
            async with spelling:
                frames = await self._spell_all(frames_of_answer(answer), query.ref_id, room)
        except QueryError as error:
            return {query.ref_id: failed(str(error), error.status)}
        except NotFoundError as error:
            return {query.ref_id: failed(f"Not Found: {error}", 404)}
        except PermissionDeniedError as error:
            return {query.ref_id: failed(f"Forbidden: {error}", 403)}
        return {query.ref_id: Answered(frames)}

    async def _spell_all(self, frames: Iterator[Frame], ref_id: str, room: Room) -> tuple[bytes, ...]:
        """The frames' JSON. None is made once one does not fit.

        What came before keeps its room: if that were given back, there would be no limit to what is made in vain.
        """
        told: list[bytes] = []
        while True:
            async with self._turn:
                frame = next(frames, None)
                if frame is None:
                    return tuple(told)
                spelled = _spell(frame, ref_id)
            room.take(len(spelled))
            told.append(spelled)


def _spell(frame: Frame, ref_id: str) -> bytes:
    """The frame's JSON. One that names no query gets this one's."""
    named = frame if frame.ref_id else Frame(frame.columns, name=frame.name, ref_id=ref_id, meta=frame.meta)
    return named.whole
