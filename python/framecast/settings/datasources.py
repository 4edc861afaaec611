"""Data sources, as the server keeps them."""

from typing import Annotated

from msgspec import Meta, Struct

from framecast.settings.units import KIB, MIB, Positive, Seconds


class DataSources(Struct, frozen=True, forbid_unknown_fields=True):
    """Data sources that the server keeps (datasources.md)."""

    max_datasources: Annotated[int, Meta(ge=1, le=5_000)] = 1_000
    """Data sources of one org; one more is refused. Lists of them have no pages."""

    body_bytes: Annotated[int, Meta(ge=KIB, le=8 * MIB)] = 512 * KIB
    """One request's body. A few certificates and keys, some KiB each, are the most that there is in one."""

    json_bytes: Annotated[int, Meta(ge=KIB, le=MIB)] = 64 * KIB
    """`jsonData` of one data source, without spaces: plugins get it with every call."""

    secrets: Positive = 100
    """Secrets of one data source. HTTP headers are one each in Grafana's."""

    secret_bytes: Annotated[int, Meta(ge=KIB, le=MIB)] = 64 * KIB
    """One secret: a chain of certificates, say."""

    waiting_changes: Positive = 200
    """Changes that wait for the store; past it one more is answered 503."""

    change_seconds: Seconds = 10.0
    """For a change to be written; then it is answered 503, and may be made nonetheless. And for a read."""
