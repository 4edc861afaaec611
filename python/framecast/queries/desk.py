"""Takes a request, puts its queries to their data sources, all at the same time, and hands back what came of each.

What is wrong with the request, or who may not, is refused as a whole, before any plugin is asked; what a data source
fails at fails its own queries.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import trio

from framecast import metrics
from framecast.accounts.identity import Identity
from framecast.accounts.permissions import Action, check
from framecast.errors import Refusal
from framecast.plugins.instances import Instance
from framecast.plugins.query import Answered, Query, Room, failed
from framecast.queries.answers import Results, spell_results
from framecast.queries.request import Asked, Named, parse_request
from framecast.settings import Queries


class Sources(Protocol):
    """Where data sources are found, with what answers for them."""

    async def of_data_source(self, org_id: int, uid: str) -> Instance:
        """Refusal 404 where there is none, 503 where that cannot be said now."""


class Plugins(Protocol):
    """The way to what answers."""

    async def answer(
        self, instance: Instance, identity: Identity, queries: Sequence[Query], room: Room
    ) -> Mapping[str, Answered]:
        """Answers by `ref_id`; never fails as a whole. It has a deadline."""


class Numbered(Protocol):
    """What is needed of the registry of data sources."""

    async def uid_of(self, org_id: int, datasource_id: int) -> str:
        """The uid of the org's data source of this number. Refusal 404 where there is none, 503 as above."""


class QueryDesk:
    """For all requests of a server."""

    def __init__(
        self, sources: Sources, registry: Numbered, plugins: Plugins, limits: Queries, now: Callable[[], float]
    ) -> None:
        """`now` is Unix seconds."""
        self._sources = sources
        self._registry = registry
        self._plugins = plugins
        self._limits = limits
        self._now = now
        self._running: Counter[tuple[int, str]] = Counter()
        self._requests = 0

    async def answer(self, identity: Identity, body: bytes) -> Results:
        """What came of every query of a request.

        Refusal 403 for one who may not, 400 for what is no request, 404 for a data source that there is not, 503 where
        too many are being answered.
        """
        check(identity, Action.QUERY_DATASOURCES)
        asked = parse_request(body, now_ms=int(self._now() * 1_000), max_queries=self._limits.max_queries)
        if self._requests >= self._limits.max_running:
            raise Refusal(503, "too many queries are being answered (queries.max_running): try again", temporary=True)
        self._requests += 1
        try:
            return spell_results(await self._answer(identity, asked))
        finally:
            self._requests -= 1

    async def _answer(self, identity: Identity, asked: Asked) -> Mapping[str, Answered]:
        grouped = await self._group(identity.org_id, asked)
        room = Room(self._limits.response_bytes)
        answers: dict[str, Answered] = {}

        async def ask(instance: Instance, queries: Sequence[Query]) -> None:
            answers.update(await self._ask(instance, identity, queries, room))

        async with trio.open_nursery() as nursery:
            for instance, queries in grouped:
                nursery.start_soon(ask, instance, queries)
        for query in asked.queries:
            metrics.queries.labels(_outcome(answers.get(query.ref_id))).inc()
        return answers

    async def _group(self, org_id: int, asked: Asked) -> list[tuple[Instance, list[Query]]]:
        """The queries of each data source together, with what answers them."""
        uids: dict[Named, str] = {}
        queries: dict[str, list[Query]] = {}
        for query in asked.queries:
            named = asked.of[query.ref_id]
            if named not in uids:
                uids[named] = await self._find_uid(org_id, named)
            queries.setdefault(uids[named], []).append(query)
        return [(await self._sources.of_data_source(org_id, uid), of_one) for uid, of_one in queries.items()]

    async def _find_uid(self, org_id: int, named: Named) -> str:
        return named if isinstance(named, str) else await self._registry.uid_of(org_id, named)

    async def _ask(
        self, instance: Instance, identity: Identity, queries: Sequence[Query], room: Room
    ) -> Mapping[str, Answered]:
        uid = "" if instance.data_source is None else instance.data_source.uid
        key = identity.org_id, uid
        if self._running[key] >= self._limits.max_running_of_one:
            why = f"too many queries of the data source {uid!r} are being answered (queries.max_running_of_one)"
            return {query.ref_id: failed(f"{why}: try again", 503) for query in queries}
        with self._counted(key):
            return await self._plugins.answer(instance, identity, queries, room)

    @contextmanager
    def _counted(self, key: tuple[int, str]) -> Iterator[None]:
        self._running[key] += 1
        try:
            yield
        finally:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]


def _outcome(answer: Answered | None) -> str:
    if answer is None:
        return "unanswered"
    return "failed" if answer.error else "answered"
