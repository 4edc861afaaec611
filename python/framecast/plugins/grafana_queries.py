"""Queries to a real Grafana plugin: together, as Grafana puts them, and its Arrow frames as frame JSON.

A frame that is none, or too large, fails the query that it is of, and no other.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from framecast._core import arrow_to_frame
from framecast.plugins.grafana import GrafanaPlugin
from framecast.plugins.host import backend
from framecast.plugins.plugin import Context
from framecast.plugins.query import Answered, Query, QueryError, Room, failed

Convert = Callable[[Callable[[], bytes], int], Awaitable[bytes]]
"""Runs what makes JSON of a frame of that many bytes: here, or in a thread."""


async def query_together(
    plugin: GrafanaPlugin, context: Context, queries: Sequence[Query], room: Room, convert: Convert
) -> Mapping[str, Answered]:
    """The answers by `ref_id`: to as many of the queries as the plugin gave one, and to no others."""
    answers = await plugin.backend.query(plugin.tell(context), map(_spell, queries))
    answered = [query.ref_id for query in queries if query.ref_id in answers]
    return {ref_id: await _read(ref_id, answers[ref_id], room, convert) for ref_id in answered}


def _spell(query: Query) -> backend.Query:
    return backend.Query(
        ref_id=query.ref_id,
        json=query.text,
        from_ms=query.from_ms,
        to_ms=query.to_ms,
        query_type=query.query_type,
        max_data_points=query.max_data_points,
        interval_ms=query.interval_ms,
    )


async def _read(ref_id: str, answer: backend.QueryAnswer, room: Room, convert: Convert) -> Answered:
    frames = []
    for number, file in enumerate(answer.frames, 1):
        try:
            frame = await convert(partial(arrow_to_frame, file, ref_id=ref_id, max_bytes=room.left), len(file))
            room.take(len(frame))
        except (ValueError, QueryError) as error:
            which = f"frame {number} of {len(answer.frames)} that the plugin answered with"
            return failed(f"{which} cannot be told: {error}", 500)
        frames.append(frame)
    return Answered(tuple(frames), answer.status, answer.error, answer.error_source or "plugin")
