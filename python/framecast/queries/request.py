"""What is asked: the body of ``/api/ds/query``, which is also the data of ``grafana.query``. Nothing is looked up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from framecast.errors import Refusal
from framecast.plugins.query import Query
from framecast.queries.time_range import parse_range

MAX_REF_ID = 100
"""Characters. Grafana's are ``A`` to ``Z`` and on, or what a user made of them."""

EXPRESSIONS = frozenset({"__expr__", "-100"})
"""The data source of Grafana's server-side expressions, by its names."""

Count = Annotated[int, Meta(ge=0, le=2**53)] | Annotated[float, Meta(ge=0, le=2**53)] | None
"""Grafana's clients compute them, and do not always round."""


DataSourceNumber = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""What the database has numbers for."""


class _Reference(Struct, frozen=True):
    uid: str | None = None


class _Query(Struct, frozen=True):
    refId: str | None = None  # noqa: N815 - Grafana's name, as the others here
    datasource: _Reference | str | None = None
    datasourceId: DataSourceNumber | None = None  # noqa: N815
    queryType: str | None = None  # noqa: N815
    maxDataPoints: Count = None  # noqa: N815
    intervalMs: Count = None  # noqa: N815


class _Body(Struct, frozen=True):
    queries: list[Raw]
    begin: str | int = msgspec.field(name="from")
    end: str | int = msgspec.field(name="to")


_bodies = msgspec.json.Decoder(_Body)
_queries = msgspec.json.Decoder(_Query)

Named = str | int
"""A data source by its uid, or by its older number."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its queries, and which data source each is for."""

    of: Mapping[str, Named]
    """By `ref_id`."""
    queries: tuple[Query, ...]


def parse_request(body: bytes, *, now_ms: int, max_queries: int) -> Asked:
    """Read a request. Refusal 400 for what is none: without queries, with too many, two of one name, or no times."""
    try:
        asked = _bodies.decode(body)
        told = [(_queries.decode(query), bytes(query)) for query in asked.queries]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _bad(str(error)) from None
    if not told:
        raise _bad("no queries found")
    if len(told) > max_queries:
        raise _bad(f"{len(told)} queries; at most {max_queries} are answered at once (queries.max_queries)")
    from_ms, to_ms = parse_range(asked.begin, asked.end, now_ms)
    of: dict[str, Named] = {}
    queries = []
    for number, (query, text) in enumerate(told):
        ref_id = query.refId or "A"
        if len(ref_id) > MAX_REF_ID:
            raise _bad(f"queries[{number}]: refId has more than {MAX_REF_ID} characters")
        if ref_id in of:
            raise _bad(f"queries[{number}]: the refId {ref_id!r} stands twice")
        of[ref_id] = _find_source(query, ref_id)
        queries.append(
            Query(
                ref_id=ref_id,
                from_ms=from_ms,
                to_ms=to_ms,
                text=text,
                query_type=query.queryType or "",
                max_data_points=100 if query.maxDataPoints is None else int(query.maxDataPoints),
                interval_ms=1_000 if query.intervalMs is None else int(query.intervalMs),
            )
        )
    return Asked(of, tuple(queries))


def _find_source(query: _Query, ref_id: str) -> Named:
    named = query.datasource
    uid = named if isinstance(named, str) else "" if named is None else named.uid or ""
    if uid in EXPRESSIONS or query.datasourceId == -100:
        raise _bad(f"query {ref_id!r} is an expression, and none are computed here")
    if uid:
        return uid
    if query.datasourceId is not None and query.datasourceId > 0:
        return query.datasourceId
    raise _bad(f"query {ref_id!r} names no data source (datasource.uid or datasourceId)")


def _bad(why: str) -> Refusal:
    return Refusal(400, f"bad request data: {why}")
