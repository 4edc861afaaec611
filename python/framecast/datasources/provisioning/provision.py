"""Makes the data sources what the files say, at a start: in one transaction, and nothing where all is so already.

What stands behind each other in a file may depend on each other, so it is all or nothing. Nobody is told: nothing that
could have used a data source runs yet.
"""

import hashlib
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import structlog
import trio

from framecast.datasources.order import Order
from framecast.datasources.provisioning.plan import MAIN_ORG, Plan, Wanted, read_plan
from framecast.datasources.saving import Saving
from framecast.errors import ConfigurationError, Refusal
from framecast.settings import Settings
from framecast.store.database import Database
from framecast.store.datasources import (
    DataSource,
    delete_datasource,
    find_datasource,
    find_datasource_named,
    read_prunable,
)
from framecast.store.orgs import read_orgs
from framecast.store.sealing import KeyRing, SecretPlace, UnreadableSecretError

log = structlog.get_logger(__name__)


async def provision(database: Database, ring: KeyRing, settings: Settings, now: Callable[[], float]) -> None:
    """Do what the files of `provisioning.path` say. ConfigurationError, and nothing is changed, when that cannot be.

    `now` is Unix seconds. To be called before anybody else changes data sources.
    """
    if not settings.provisioning.path:
        return
    read = partial(read_plan, settings.provisioning, settings.datasources, os.environ)
    plan = await trio.to_thread.run_sync(read)
    work = _Work(ring, Saving(ring, settings.datasources), now())
    try:
        done = await database.transact(partial(work.carry_out, plan=plan))
    except sqlite3.Error as error:
        raise ConfigurationError(f"the data sources of {settings.provisioning.path} cannot be saved: {error}") from None
    log.info("data sources are as the files say", path=settings.provisioning.path, **done)


def uid_of_name(name: str) -> str:
    """The uid of one that a file names without one: Grafana's, so that dashboards find it here too."""
    return "P" + hashlib.sha256(name.encode()).hexdigest()[:16].upper()


class _Work:
    def __init__(self, ring: KeyRing, saving: Saving, now: float) -> None:
        self._ring = ring
        self._saving = saving
        self._now = now

    def carry_out(self, connection: sqlite3.Connection, plan: Plan) -> Mapping[str, int]:
        """What became of how many."""
        orgs = {MAIN_ORG} | {org.org_id for org in read_orgs(connection)}
        done = Counter(created=0, changed=0, unchanged=0, deleted=0)
        names = {(one.org_id, one.order.traits.name): one for one in plan.wanted}
        for unwanted in plan.unwanted:
            source = find_datasource_named(connection, unwanted.org_id, unwanted.name)
            again = names.get((unwanted.org_id, unwanted.name))
            if source is not None and (again is None or again.order.uid not in {"", source.uid}):
                delete_datasource(connection, source.datasource_id)
                done["deleted"] += 1
        kept = set()
        for wanted in plan.wanted:
            if wanted.org_id not in orgs:
                raise ConfigurationError(f"{wanted.place} is of org {wanted.org_id}, which is not there")
            source, what = self._make_so(connection, wanted)
            kept.add(source.datasource_id)
            done[what] += 1
        for source in read_prunable(connection):
            if source.datasource_id not in kept:
                delete_datasource(connection, source.datasource_id)
                done["deleted"] += 1
        return done

    def _make_so(self, connection: sqlite3.Connection, wanted: Wanted) -> tuple[DataSource, str]:
        order, org_id = wanted.order, wanted.org_id
        source = self._find(connection, wanted)
        try:
            if source is None:
                order = replace(order, uid=order.uid or uid_of_name(order.traits.name))
                return self._saving.insert(connection, org_id, order, self._now), "created"
            secrets = self._missing_secrets(source, order)
            if order.traits == source.traits and not secrets:
                return source, "unchanged"
            order = replace(order, secrets=secrets)
            return self._saving.update(connection, source, order, self._now), "changed"
        except Refusal as refusal:
            message = refusal.message.removeprefix("Bad Request: ")
            raise ConfigurationError(f"{wanted.place} cannot be: {message}") from None

    def _find(self, connection: sqlite3.Connection, wanted: Wanted) -> DataSource | None:
        """The one that is to be so already, or to be changed."""
        uid, name = wanted.order.uid, wanted.order.traits.name
        source = find_datasource(connection, wanted.org_id, uid) if uid else None
        if source is not None:
            return source
        named = find_datasource_named(connection, wanted.org_id, name)
        if named is not None and uid:
            raise ConfigurationError(
                f"{wanted.place} is to have the uid {uid!r}, and the one of its name has {named.uid!r}, which cannot "
                "be changed: say that one, or have the name under deleteDatasources too, to begin it anew"
            )
        return named

    def _missing_secrets(self, source: DataSource, order: Order) -> dict[str, str]:
        """What is to be set or taken away: of one that nobody else changes, all that the file does not say."""
        changes = {}
        for key, secret in order.secrets.items():
            try:
                there = self._ring.open(source.sealed[key], SecretPlace(source.org_id, source.uid, key))
            except (KeyError, UnreadableSecretError):
                there = None
            if there != secret:
                changes[key] = secret
        if order.traits.read_only:
            changes |= {key: "" for key in source.sealed if key not in order.secrets}
        return changes
