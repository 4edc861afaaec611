"""The HTTP API beside Live and pushes."""

from typing import Annotated

from msgspec import Meta, Struct

from framecast.settings.units import KIB, MIB, Positive


class Api(Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP API beside Live and pushes: what its requests may bring."""

    body_bytes: Positive = 64 * KIB
    """One request's body: a few names, a message, a list of ids. A larger one is answered 413."""

    waiting_bytes: Positive = 64 * MIB
    """Bodies held at once, of all requests together; past it a request is answered 503. Read, a body may take twenty
    times its bytes."""

    nesting: Annotated[int, Meta(ge=10, le=200)] = 100
    """Arrays and objects of a body that may stand within each other. Grafana's dashboards need about twenty; a few
    hundred are more than some readers can take."""

    thread_body_bytes: Positive = 64 * KIB
    """Bodies from this size on are read in a worker thread: a mebibyte takes some 50 ms."""

    threads: Annotated[int, Meta(ge=1, le=64)] = 2
    """Worker threads for that, so many bodies at once."""
