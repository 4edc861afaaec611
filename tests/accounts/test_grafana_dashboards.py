"""Which dashboards a visitor may see and edit: Grafana is asked, as that visitor, and not too often."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from framecast.accounts.grafana.credential import Credential
from framecast.accounts.grafana.dashboards import DashboardView, GrafanaDashboards
from framecast.accounts.grafana.questions import Questions
from framecast.accounts.identity import DEVELOPER, Identity, Role
from framecast.errors import Refusal
from framecast.settings import Grafana
from grafana_stand_in import COOKIE, Dashboard, ServiceAccount, StandIn, User, stand_in

ANN = User(7, "ann", {1: "Viewer", 2: "Editor"})
BOB = User(8, "bob", {1: "Viewer"})


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    """Jumps only when the loopback had its time: with 0, a deadline could pass while bytes are on their way."""
    autojump_clock.autojump_threshold = 0.02
    return autojump_clock


class Desk:
    def __init__(self, settings: Grafana) -> None:
        self.questions = Questions(settings)
        self.doubted: list[Credential] = []
        self.dashboards = GrafanaDashboards(settings, self.questions, doubt=self.doubted.append)

    async def code(self, identity: Identity, uid: str) -> int:
        with pytest.raises(Refusal) as caught:
            await self.dashboards.find(identity, uid)
        assert caught.value.temporary is (caught.value.code == 503)
        return caught.value.code


@asynccontextmanager
async def desk(grafana: StandIn, **settings: Any) -> AsyncIterator[Desk]:
    made = Desk(Grafana(url=grafana.url, **settings))
    async with made.questions.open(), trio.open_nursery() as nursery:
        await nursery.start(made.dashboards.run)
        yield made
        nursery.cancel_scope.cancel()


def visitor(session: str, org_id: int = 1, *, header: str = "cookie", value: str = "") -> Identity:
    shown = (header.encode(), (value or f"{COOKIE}={session}").encode())
    return Identity(org_id, "x", Role.VIEWER, credential=session, proof=Credential(session, (shown,)))


async def test_a_dashboard_is_what_grafana_shows_to_its_visitor(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.login(ANN, "a")
        grafana.login(BOB, "b")
        grafana.dashboards = {
            (1, "open"): Dashboard(version=4, editors={"ann"}),
            (1, "closed"): Dashboard(viewers={"bob"}),
            (2, "open"): Dashboard(version=9),
        }
        assert await made.dashboards.find(visitor("a"), "open") == DashboardView(may_edit=True, version=4)
        assert await made.dashboards.find(visitor("b"), "open") == DashboardView(may_edit=False, version=4)
        assert await made.dashboards.find(visitor("a", 2), "open") == DashboardView(may_edit=False, version=9)
        assert await made.code(visitor("a"), "closed") == 403
        assert await made.code(visitor("a"), "absent") == 404
        grafana.tokens["glsa"] = ServiceAccount("sa", 2, "Viewer")
        token = visitor("t", 2, header="authorization", value="Bearer glsa")
        assert (await made.dashboards.find(token, "open")).version == 9
        assert {asked.headers["x-grafana-org-id"] for asked in grafana.asked} == {"1", "2"}
        assert made.doubted == []


async def test_who_edits_must_be_let(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.login(ANN, "a")
        grafana.login(BOB, "b")
        grafana.dashboards[1, "d"] = Dashboard(version=4, editors={"ann"})
        assert await made.dashboards.version(visitor("a"), "d", editing=True) == 4
        assert await made.dashboards.version(visitor("b"), "d") == 4
        with pytest.raises(Refusal) as caught:
            await made.dashboards.version(visitor("b"), "d", editing=True)
        assert (caught.value.code, caught.value.temporary) == (403, False)


async def test_a_wall_of_panels_asks_once_and_a_right_that_is_gone_is_noticed(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.login(ANN, "a")
        grafana.dashboards[1, "d"] = Dashboard()
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(made.dashboards.find, visitor("a"), "d")
        assert grafana.paths() == ["/api/dashboards/uid/d"]
        grafana.dashboards[1, "d"].viewers = set()
        await trio.sleep(61)
        assert await made.code(visitor("a"), "d") == 403


async def test_a_look_asks_anew_and_what_it_sees_counts_for_others(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.login(ANN, "a")
        grafana.dashboards[1, "d"] = Dashboard(version=1)
        assert (await made.dashboards.find(visitor("a"), "d")).version == 1
        grafana.dashboards[1, "d"].version = 2
        assert (await made.dashboards.find(visitor("a"), "d")).version == 1
        assert (await made.dashboards.look(visitor("a"), "d")).version == 2
        assert (await made.dashboards.find(visitor("a"), "d")).version == 2
        grafana.down = True
        assert (await made.dashboards.look(visitor("a"), "d")).version == 2


@pytest.mark.parametrize(
    "uid", ["a/b", "../../user", "a?b=c", "ä", "%2e%2e", "a b", ".", "..", "", "a\n", "a" * 254, "a#", "a;b"]
)
async def test_what_can_be_no_uid_is_asked_nowhere(clock: MockClock, uid: str) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.login(ANN, "a")
        assert await made.code(visitor("a"), uid) == 404
        assert grafana.asked == []


@pytest.mark.parametrize("uid", ["a", "aB-_9", ".a", "a.b", "..a", "a" * 253])
async def test_a_uid_reaches_grafana_as_it_is(clock: MockClock, uid: str) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.login(ANN, "a")
        grafana.dashboards[1, uid] = Dashboard(version=6)
        assert (await made.dashboards.find(visitor("a"), uid)).version == 6
        assert grafana.paths() == [f"/api/dashboards/uid/{uid}"]


async def test_whom_grafana_does_not_know_is_told_how_to_come(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        assert await made.code(DEVELOPER, "d") == 403
        assert grafana.asked == []


async def test_a_session_that_ended_meanwhile_is_doubted_and_one_to_be_renewed_is_not(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.login(ANN, "a")
        grafana.dashboards[1, "d"] = grafana.dashboards[1, "e"] = Dashboard()
        grafana.due.add("a")
        assert await made.code(visitor("a"), "d") == 503
        assert made.doubted == []
        grafana.due.clear()
        await trio.sleep(6)
        assert (await made.dashboards.find(visitor("a"), "d")).version == 1
        grafana.due.add("a")
        await trio.sleep(61)
        assert (await made.dashboards.find(visitor("a"), "d")).version == 1
        grafana.logout("a")
        assert await made.code(visitor("a"), "e") == 503
        assert [credential.name for credential in made.doubted] == ["a"]


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"{}"),
        (200, b"<html>"),
        (200, b'{"meta":{"canEdit":1}}'),
        (200, b'{"meta":' + b"[" * 50_000),
        (500, b""),
        (301, b""),
    ],
)
async def test_what_is_no_answer_is_tried_again_later(clock: MockClock, answer: tuple[int, bytes]) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.raw["/api/dashboards/uid/d"] = answer
        assert await made.code(visitor("a"), "d") == 503


async def test_a_large_dashboard_is_read_and_one_that_is_too_large_is_refused_for_good(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana, dashboard_bytes=1 << 20) as made:
        meta = b'{"meta":{"canEdit":true,"version":3},"dashboard":{"panels":'
        body = meta + json.dumps(["x" * 1000] * 500).encode() + b"}}"
        grafana.raw["/api/dashboards/uid/large"] = (200, body)
        assert await made.dashboards.find(visitor("a"), "large") == DashboardView(may_edit=True, version=3)
        grafana.raw["/api/dashboards/uid/huge"] = (200, body + b" " * (1 << 20))
        assert await made.code(visitor("a"), "huge") == 403
