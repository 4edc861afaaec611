"""Any order of making, changing and deleting leaves what a naive model of it has: data sources in a dictionary."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio
from hypothesis import given
from hypothesis import strategies as st

from datasource_desk import DataSourceDesk, datasource_desk, order
from framecast.datasources.order import Order
from framecast.datasources.registry import Became, News
from framecast.datasources.saving import by_name, by_uid
from framecast.errors import Refusal
from framecast.store.datasources import DataSource

ORGS = st.integers(1, 2)
UIDS = st.sampled_from(["a", "b", "c"])
NAMES = st.sampled_from(["x", "y", "z"])
SECRETS = st.dictionaries(st.sampled_from(["p", "q"]), st.sampled_from(["", "1", "2"]))
ORDERS = st.builds(
    order,
    NAMES,
    uid=UIDS,
    version=st.integers(0, 4),
    secrets=SECRETS,
    url=st.sampled_from(["", "http://x"]),
    is_default=st.booleans(),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), ORGS, ORDERS),
        st.tuples(st.just("update"), ORGS, UIDS, ORDERS),
        st.tuples(st.just("delete"), ORGS, UIDS),
        st.tuples(st.just("delete named"), ORGS, NAMES),
    ),
    max_size=15,
)


@dataclass
class Known:
    order: Order
    version: int = 1
    secrets: dict[str, str] = field(default_factory=dict)


class Model:
    """What there is, and what was told of it; a step that is refused is None."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, str], Known] = {}
        self.told: list[News] = []

    def create(self, org: int, asked: Order) -> str | None:
        if (org, asked.uid) in self.known or self._named(org, asked.traits.name):
            return None
        self.known[org, asked.uid] = Known(asked)
        self._set(org, asked.uid, asked)
        return asked.uid

    def update(self, org: int, uid: str, asked: Order) -> str | None:
        known = self.known.get((org, uid))
        if known is None or asked.uid != uid or 0 < asked.version < known.version:
            return None
        if self._named(org, asked.traits.name) not in (None, uid):
            return None
        known.version = max(known.version, asked.version) + 1
        self._set(org, uid, asked)
        self.told.append(News(org, uid, Became.CHANGED))
        return uid

    def delete(self, org: int, uid: str | None) -> str | None:
        if uid is None or self.known.pop((org, uid), None) is None:
            return None
        self.told.append(News(org, uid, Became.DELETED))
        return uid

    def delete_named(self, org: int, name: str) -> str | None:
        return self.delete(org, self._named(org, name))

    def all_of(self, org: int) -> dict[str, Any]:
        return {
            uid: (known.order.traits, known.version, known.secrets)
            for (where, uid), known in self.known.items()
            if where == org
        }

    def _named(self, org: int, name: str) -> str | None:
        return next(
            (uid for (where, uid), one in self.known.items() if where == org and one.order.traits.name == name), None
        )

    def _set(self, org: int, uid: str, asked: Order) -> None:
        if asked.traits.is_default:
            for (where, _), other in self.known.items():
                if where == org:
                    traits = replace(other.order.traits, is_default=False)
                    other.order = replace(other.order, traits=traits)
        known = self.known[org, uid]
        known.order = asked
        known.secrets = {key: text for key, text in (known.secrets | dict(asked.secrets)).items() if text}


async def take(desk: DataSourceDesk, step: tuple[Any, ...]) -> str | None:
    what, org, *rest = step
    try:
        match what:
            case "create":
                source: DataSource = await desk.registry.create(org, *rest)
            case "update":
                source = await desk.registry.update(org, by_uid(rest[0]), rest[1])
            case "delete":
                source = await desk.registry.delete(org, by_uid(rest[0]))
            case _:
                source = await desk.registry.delete(org, by_name(rest[0]))
    except Refusal:
        return None
    return source.uid


async def check_steps(steps: list[tuple[Any, ...]], folder: Path) -> None:
    model = Model()
    async with datasource_desk(folder) as desk:
        for step in steps:
            expected = getattr(model, step[0].replace(" ", "_"))(*step[1:])
            assert await take(desk, step) == expected, step
            for org in (1, 2):
                found = await desk.registry.list(org)
                assert {one.uid: (one.traits, one.version, desk.registry.reveal(one)) for one in found} == model.all_of(
                    org
                )
        assert desk.told == model.told


@given(STEPS)
def test_the_registry_is_what_the_model_is(steps: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder:
        trio.run(check_steps, steps, Path(folder))
