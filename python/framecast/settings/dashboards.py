"""Dashboards and their folders, as the server keeps them."""

from typing import Annotated

from msgspec import Meta, Struct

from framecast.settings.units import KIB, MIB, Positive, Seconds


class Dashboards(Struct, frozen=True, forbid_unknown_fields=True):
    """Dashboards that the server keeps (dashboards.md)."""

    document_bytes: Annotated[int, Meta(ge=KIB, le=64 * MIB)] = 4 * MIB
    """One dashboard, as JSON without spaces; a larger one is refused. With pictures and tables in it Grafana's largest
    are about that."""

    versions: Positive = 20
    """Versions of one dashboard that are kept, as Grafana keeps so many; the oldest are let go."""

    max_dashboards: Annotated[int, Meta(ge=1, le=5_000)] = 2_000
    """Dashboards of one org; one more is refused. A search lists them all, at most 5,000 as Grafana's does."""

    max_folders: Annotated[int, Meta(ge=1, le=5_000)] = 1_000
    """Folders of one org."""

    org_bytes: Positive = 256 * MIB
    """All kept versions of an org's dashboards together; a save that would need more is refused."""

    deleted: Positive = 1_000
    """Deleted dashboards of an org whose last version is remembered, so that one of the same uid goes on behind it."""

    waiting_changes: Positive = 200
    """Changes that wait for the store; past it one more is answered 503."""

    change_seconds: Seconds = 30.0
    """For a change to be written and told; then it is answered 503, though it may take place nonetheless."""

    patch_bytes: Positive = 512 * KIB
    """Of a dashboard, before and after a change, for subscribers to be told what changed of it (dashboard-events.md);
    of a larger one they are told that it changed."""

    patch_list_items: Positive = 2_000
    """The same of the longest list in it; of many long ones their lengths, squared and added up, are compared with
    this, squared: so the time grows to find what changed, a second or so at this limit."""

    patch_seconds: Seconds = 2.0
    """For finding what changed; then it is told without. The answer to a save waits for it."""

    patches: Positive = 16
    """Changes of which that is to be found, at once; further ones are told without."""
