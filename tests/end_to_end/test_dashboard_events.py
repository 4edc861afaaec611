"""Real SDKs that follow a dashboard: over JSON and Protobuf, plain and with patches, through lost connections.

The server is a whole one; what it keeps of dashboards is played here.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from end_to_end.cutting import cutting_proxy
from end_to_end.programs import Program, Refused
from end_to_end.sdk_programs import Sdk, SdkPrograms
from framecast import house
from framecast.accounts.identity import Identity
from framecast.channels.hub import Hub
from framecast.dashboards.events import DashboardEvents, Deleted, Saved, dashboard_address
from framecast.scopes.table import ScopeTable, build_scopes
from framecast.settings import Settings
from patience import PATIENCE_SECONDS
from served import running, settings_for

CHANNEL = str(dashboard_address(1, "ab12"))
SDKS = [Sdk("javascript", "json"), Sdk("python", "protobuf"), Sdk("javascript", "json", "sse")]
Document = dict[str, Any]


@dataclass
class Shelf:
    """One dashboard, its committed versions, and the hub of the server that tells of them."""

    versions: list[Document] = field(default_factory=lambda: [{"title": "new"}])
    hubs: list[Hub] = field(default_factory=list)
    there: bool = True

    async def version(self, identity: Identity, uid: str, *, editing: bool = False) -> int | None:
        await trio.sleep(0.001)
        return len(self.versions) if self.there and (identity.org_id, uid) == (1, "ab12") else None

    async def save(self, changed: Document, *, patch: bool = True) -> None:
        """A new version in which these keys are other."""
        before = len(self.versions)
        operations = [{"op": "add", "path": f"/{key}", "value": value} for key, value in changed.items()]
        self.versions.append({**self.versions[-1], **changed})
        told = msgspec.json.encode(operations) if patch else None
        await self.tell(Saved(uid="ab12", version=before + 1, previous=before, patch=told))

    async def tell(self, change: Saved | Deleted) -> None:
        await DashboardEvents(self.hubs[-1], max_event_bytes=1 << 20).announce(1, change)


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf = Shelf()

    def build(hub: Hub, settings: Settings, **rooms: Any) -> ScopeTable:
        shelf.hubs.append(hub)
        return build_scopes(hub, settings, **rooms | {"dashboards": shelf})

    monkeypatch.setattr(house, "build_scopes", build)
    return shelf


@asynccontextmanager
async def followers(programs: SdkPrograms, address: str) -> AsyncIterator[list[tuple[Program, bool]]]:
    """Clients of every SDK of the list, plain and with patches."""
    async with AsyncExitStack() as stack:
        wanted = [(sdk, patch) for sdk in SDKS for patch in (False, True)]
        yield [(await stack.enter_async_context(programs.connected(sdk, address)), patch) for sdk, patch in wanted]


async def subscribe(program: Program, *, patch: bool) -> Any:
    await program.do("subscribe", channel=CHANNEL, **({"data": {"patch": True}} if patch else {}))
    return (await program.wait_for("subscribed", channel=CHANNEL))["data"]


def follow(shelf: Shelf, program: Program, first: int) -> Document:
    """What a client that began with version `first` shows, loading anew where it must."""
    shown, document = first, dict(shelf.versions[first - 1])
    for one in program.all("publication", channel=CHANNEL):
        event = one["data"]
        if event["action"] != "saved" or event["version"] <= shown:
            continue
        assert event["previous"] == shown, "a change was missed"
        shown = event["version"]
        if "patch" in event:
            document.update({operation["path"][1:]: operation["value"] for operation in event["patch"]})
        else:
            document = dict(shelf.versions[shown - 1])
    return document


async def test_every_client_shows_the_newest_version_and_is_told_in_its_own_form(
    shelf: Shelf, tmp_path: Path, sdk_programs: SdkPrograms
) -> None:
    async with (
        running(settings_for(tmp_path, "live.max_connections=-1"), patience_seconds=PATIENCE_SECONDS) as place,
        cutting_proxy(place) as proxy,
        followers(sdk_programs, proxy.address) as clients,
    ):
        for program, patch in clients:
            assert await subscribe(program, patch=patch) == {"uid": "ab12", "version": 1}
        for number in range(5):
            await shelf.save({f"k{number}": number}, patch=number != 2)
        await wait_for_version(clients, 6)
        counts = [len(program.all("connecting")) for program, _ in clients]
        proxy.cut()
        for number in range(5, 10):
            await shelf.save({"k0": number})
        await wait_for_version(clients, 11)
        for (program, patch), count in zip(clients, counts, strict=True):
            assert len(program.all("connecting")) > count
            assert follow(shelf, program, 1) == shelf.versions[-1]
            told = [one["data"] for one in program.all("publication", channel=CHANNEL)]
            assert [event["version"] for event in told] == list(range(2, 12)), "each once and in order"
            assert ["patch" in event for event in told] == [patch and event["version"] != 4 for event in told]
            offsets = [one["offset"] for one in program.all("publication", channel=CHANNEL)]
            assert offsets == list(range(1, 11))


async def wait_for_version(clients: list[tuple[Program, bool]], version: int) -> None:
    for program, _ in clients:
        while not any(one["data"].get("version") == version for one in program.all("publication", channel=CHANNEL)):
            await program.wait_for_news()


@pytest.mark.parametrize("sdk", SDKS, ids=str)
async def test_who_cannot_recover_is_told_the_version_and_notices_reach_everybody(
    shelf: Shelf, tmp_path: Path, sdk_programs: SdkPrograms, sdk: Sdk
) -> None:
    async with running(settings_for(tmp_path)) as place, sdk_programs.connected(sdk, place) as program:
        assert await subscribe(program, patch=True) == {"uid": "ab12", "version": 1}
        notice = {"uid": "ab12", "action": "editing-started", "sessionId": "s"}
        await program.ask("publish", channel=CHANNEL, data=notice | {"timestamp": 1})
        assert (await program.wait_for("publication", channel=CHANNEL))["data"] == notice
        for wrong, code in ((notice | {"action": "saved"}, 403), (notice | {"uid": "x"}, 400)):
            with pytest.raises(Refused) as refused:
                await program.ask("publish", channel=CHANNEL, data=wrong)
            assert refused.value.code == code
        # Its positions become void, as after a restart.
        shelf.versions.append({"title": "newer"})
        shelf.hubs[-1].forget(dashboard_address(1, "ab12"))
        reply = await program.wait_for("subscribed", channel=CHANNEL, recovered=False)
        assert reply["data"] == {"uid": "ab12", "version": 2}
        shelf.there = False
        await shelf.tell(Deleted(uid="ab12"))
        assert (await program.wait_for("publication", channel=CHANNEL))["data"] == {"uid": "ab12", "action": "deleted"}
        await program.do("subscribe", channel=str(dashboard_address(1, "gone")))
        assert (await program.wait_for("unsubscribed", channel=str(dashboard_address(1, "gone"))))["code"] == 404
