"""A token's limits as a running server holds to them, by every way in."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from end_to_end.wire import Answer, connect, request, upgrade_request
from framecast import server
from framecast.accounts.identity import Quota, Role
from framecast.accounts.register.service_tokens import NewToken
from framecast.house import Ground, House, build_house
from framecast.settings import Settings
from patience import PATIENCE_SECONDS
from served import running, settings_for

SLOW = Quota(requests_per_second=0.001)
"""One request, and the next one in a quarter of an hour."""

WRITE = "/api/v2/write?bucket=cpu"
WAYS = {
    "push": ("POST", "/api/live/push/cpu", b"m f=1\n"),
    "json": ("POST", "/api/live/push/cpu/m", b'{"f": 1}'),
    "influx": ("POST", WRITE, b"m f=1\n"),
    "api": ("GET", "/api/user", b""),
    "publish": ("POST", "/api/live/publish", b'{"channel": "grafana/broadcast/x", "data": 1}'),
    "stream": ("POST", "/api/live/sse", b"x"),
    "nothing there": ("GET", "/api/nothing", b""),
}


@dataclass
class Site:
    place: str
    house: House
    number: int = 0

    async def token(self, quota: Quota = SLOW) -> str:
        self.number += 1
        new = NewToken(1, f"agent {self.number}", Role.ADMIN, quota=quota)
        _, secret = await self.house.entrance.register.service_tokens.create(new)
        return secret

    async def ask(self, way: str, *tokens: str, kept: bool = False) -> list[Answer]:
        """Each on a connection of its own, or all of them behind a first request of nobody's on one."""
        method, path, body = WAYS[way]
        answers = []
        if kept:
            async with connect(self.place) as connection:
                await connection.send(request("GET", "/api/health", b"", host=self.place, headers={}))
                assert (await connection.answer()).status == 200
                for token in tokens:
                    await connection.send(self.request(method, path, body, token))
                    answers.append(await connection.answer())
            return answers
        for token in tokens:
            async with connect(self.place) as connection:
                await connection.send(self.request(method, path, body, token))
                answers.append(await connection.answer())
        return answers

    def request(self, method: str, path: str, body: bytes, token: str) -> bytes:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return request(method, path, body, host=self.place, headers=headers)


@asynccontextmanager
async def site(folder: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> AsyncIterator[Site]:
    built: list[House] = []

    def build(settings: Settings, ground: Ground) -> House:
        built.append(build_house(settings, ground))
        return built[-1]

    monkeypatch.setattr(server, "build_house", build)
    settings = settings_for(folder, "rates.burst_seconds=1", *overrides, dev=False)
    async with running(settings, patience_seconds=PATIENCE_SECONDS) as place:
        yield Site(place, built[0])


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_in_counts_and_the_second_request_is_429(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path, monkeypatch) as here:
        token = await here.token()
        first, second = await here.ask(way, token, token)
        assert first.status not in {401, 403, 429}, first
        assert second.status == 429
        assert 900 < int(second.headers["retry-after"]) <= 1_000
        message = json.loads(second.body)["message"]
        assert "this token may send 0.001 requests a second" in message
        assert token not in second.body.decode()
        [other] = await here.ask(way, await here.token())
        assert other.status != 429


@pytest.mark.parametrize("way", ["push", "influx", "api"])
async def test_a_request_behind_another_one_on_its_connection_is_counted_once(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path, monkeypatch) as here:
        token = await here.token()
        answers = await here.ask(way, token, token, kept=True)
        assert [answer.status == 429 for answer in answers] == [False, True]


async def test_upgrades_count_for_subscribers_and_are_429(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(tmp_path, monkeypatch) as here:
        token = await here.token()
        statuses = []
        for _ in range(2):
            async with connect(here.place) as connection:
                headers = {"Authorization": f"Bearer {token}"}
                await connection.send(upgrade_request("/api/live/ws", host=here.place, headers=headers))
                statuses.append((await connection.answer()).status)
        assert statuses == [101, 429]


async def test_other_limits_of_a_token_hold_at_once_and_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path, monkeypatch) as here:
        token = await here.token()
        tokens = here.house.entrance.register.service_tokens
        async with connect(here.place) as connection:
            for change, statuses in (
                (SLOW, [200, 429]),
                (Quota(requests_per_second=0), [200, 200, 200]),
                (Quota(requests_per_second=0.002), [200, 429]),
                (Quota(requests_per_second=0.003), [200, 429]),
            ):
                await tokens.limit(2, partial(replace, **asdict(change)))
                for status in statuses:
                    await connection.send(here.request("GET", "/api/user", b"", token))
                    answer = await connection.answer()
                    assert answer.status == status, (change, answer)
        assert "0.003 requests a second" in json.loads(answer.body)["message"]
    async with site(tmp_path, monkeypatch) as here:
        assert [answer.status for answer in await here.ask("api", token, token)] == [200, 429]


async def test_the_settings_limit_tokens_that_say_nothing_of_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path, monkeypatch, "rates.token_requests_per_second=0.001") as here:
        token, free = await here.token(Quota()), await here.token(Quota(requests_per_second=0))
        assert [answer.status for answer in await here.ask("api", token, token)] == [200, 429]
        assert [answer.status for answer in await here.ask("api", free, free)] == [200, 200]


async def test_the_metric_names_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(tmp_path, monkeypatch) as here:
        token = await here.token()
        await here.ask("push", token, token)
        _, secret = await here.house.entrance.register.service_tokens.create(NewToken(1, "root", server_admin=True))
        async with connect(here.place) as connection:
            await connection.send(here.request("GET", "/metrics", b"", secret))
            page = (await connection.answer()).body.decode()
        assert 'framecast_rate_limited_total{limit="requests_per_second",outcome="refused",sender="token"}' in page
        assert "agent 1" not in page
