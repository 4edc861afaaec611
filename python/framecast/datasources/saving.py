"""What becomes of the rows when a data source is made, changed or deleted: what is run within one transaction.

Every refusal undoes all of it.
"""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace

from framecast.datasources.order import Order
from framecast.errors import Refusal
from framecast.settings import DataSources
from framecast.store.datasources import (
    DataSource,
    Traits,
    count_datasources,
    delete_sealed,
    find_datasource,
    find_datasource_named,
    find_datasource_numbered,
    insert_datasource,
    update_datasource,
    write_sealed,
)
from framecast.store.sealing import KeyRing, SecretPlace
from framecast.store.uids import make_uid

Find = Callable[[sqlite3.Connection, int], DataSource | None]
"""Finds the one that is meant, in an org."""


def by_uid(uid: str) -> Find:
    """The one of this uid."""
    return lambda connection, org_id: find_datasource(connection, org_id, uid)


def by_name(name: str) -> Find:
    """The one of this name."""
    return lambda connection, org_id: find_datasource_named(connection, org_id, name)


def by_id(datasource_id: int) -> Find:
    """The one of this id."""
    return lambda connection, org_id: find_datasource_numbered(connection, org_id, datasource_id)


def get(connection: sqlite3.Connection, org_id: int, find: Find) -> DataSource:
    """The one that is meant. Refusal 404."""
    source = find(connection, org_id)
    if source is None:
        raise Refusal(404, "Data source not found")
    return source


def check_editable(source: DataSource) -> None:
    """Refusal 403 for one that files say what it is."""
    if source.traits.read_only:
        raise Refusal(
            403,
            "Cannot change a read-only data source: it is what a file in provisioning.path says, which has to be "
            "changed instead (or say `editable: true` there)",
        )


class Saving:
    """Writes rows, with secrets sealed by the first key of the ring."""

    def __init__(self, ring: KeyRing, limits: DataSources) -> None:
        self._ring = ring
        self._limits = limits

    def insert(self, connection: sqlite3.Connection, org_id: int, order: Order, now: float) -> DataSource:
        """A new one. Refusal 403 where the org has too many, 409 for a uid or name in use."""
        _check_name_free(connection, org_id, order.traits, None)
        if order.uid and find_datasource(connection, org_id, order.uid) is not None:
            raise Refusal(409, "data source with the same uid already exists")
        if count_datasources(connection, org_id) >= self._limits.max_datasources:
            limit = self._limits.max_datasources
            raise Refusal(403, f"Quota reached: the org has {limit} data sources (datasources.max_datasources)")
        made = insert_datasource(connection, org_id, order.uid or make_uid(), order.traits, now)
        self._write_secrets(connection, made, order.secrets)
        return get(connection, org_id, by_uid(made.uid))

    def update(self, connection: sqlite3.Connection, source: DataSource, order: Order, now: float) -> DataSource:
        """The next version. Refusal 400 for another uid, 409 for a name in use and for a version that was overtaken.

        As in Grafana a version that is to come is taken, and goes on from there.
        """
        if order.uid not in {"", source.uid}:
            raise Refusal(
                400, f"Bad Request: uid: it is {source.uid!r} and cannot be changed: channels are named by it"
            )
        if 0 < order.version < source.version:
            raise Refusal(
                409,
                "Datasource has already been updated by someone else. Please reload and try again: version "
                f"{source.version} is there, and it is version {order.version} that was changed",
            )
        _check_name_free(connection, source.org_id, order.traits, source)
        version = max(order.version, source.version) + 1
        update_datasource(connection, source, order.traits, version=version, now=now)
        self._write_secrets(connection, source, order.secrets)
        return get(connection, source.org_id, by_uid(source.uid))

    def _write_secrets(self, connection: sqlite3.Connection, source: DataSource, secrets: Mapping[str, str]) -> None:
        kept = set(source.sealed) | set(secrets)
        kept -= {key for key, secret in secrets.items() if not secret}
        if len(kept) > self._limits.secrets:
            raise Refusal(
                400, f"Bad Request: secureJsonData: at most {self._limits.secrets} secrets (datasources.secrets)"
            )
        delete_sealed(connection, source.datasource_id, secrets)
        sealed = {
            key: self._ring.seal(secret, SecretPlace(source.org_id, source.uid, key))
            for key, secret in secrets.items()
            if secret
        }
        write_sealed(connection, source.datasource_id, sealed)


def keep_provenance(source: DataSource, order: Order) -> Order:
    """The order without what only files say."""
    traits = replace(order.traits, read_only=source.traits.read_only, prunable=source.traits.prunable)
    return replace(order, traits=traits)


def _check_name_free(connection: sqlite3.Connection, org_id: int, traits: Traits, source: DataSource | None) -> None:
    named = find_datasource_named(connection, org_id, traits.name)
    if named is not None and (source is None or named.datasource_id != source.datasource_id):
        raise Refusal(409, f"data source with the same name already exists: it has the uid {named.uid!r}")
