"""Queries to data sources, and what one may take."""

from typing import Annotated

from msgspec import Meta, Struct

from framecast.settings.units import KIB, MIB, Positive, Seconds


class Queries(Struct, frozen=True, forbid_unknown_fields=True):
    """Queries to data sources: `POST /api/ds/query`, and `grafana.query` of a subscriber (queries.md)."""

    body_bytes: Positive = MIB
    """One request's body: the panel's queries, with whatever their editors keep in them. A larger one is answered 413.
    A subscriber's also fits `live.message_size_limit`."""

    max_queries: Positive = 100
    """Of one request, for all its data sources together (Grafana's panels seldom have more than five)."""

    seconds: Seconds = 60.0
    """For one request's queries to be answered; those that are not by then fail with 504, and the others are told. A
    subscriber's command has `live.command_seconds`, and backend plugins `plugins.query_seconds`."""

    response_bytes: Positive = 32 * MIB
    """The frames of one answer, as JSON. Queries whose frames do not fit any more fail, and the others are told. What a
    subscriber asks for must fit a quarter of `live.queue_bytes` besides."""

    max_running: Positive = 256
    """Requests at once; one more is refused with 503. As many `response_bytes` may be held."""

    max_running_of_one: Positive = 32
    """Requests to one data source at once; one more fails with 503. One that hangs leaves room for the others."""

    thread_frame_bytes: Positive = 64 * KIB
    """Frames of a backend plugin from this size on are read in a worker thread: a mebibyte takes some 10 ms."""

    threads: Annotated[int, Meta(ge=1, le=64)] = 2
    """Worker threads for that, so many frames at once."""
