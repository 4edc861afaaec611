"""Every SDK, in every form of the protocol: connecting, subscribing, publishing, presence and history."""

from collections.abc import Iterator

import pytest
import trio

from end_to_end.programs import Program, Refused
from end_to_end.sdk_programs import EVERY_SDK, Sdk, SdkPrograms
from end_to_end.server import RunningServer, running_server
from end_to_end.wire import connect
from patience import PATIENCE_SECONDS

SDKS = pytest.mark.parametrize("sdk", EVERY_SDK, ids=str)
SETTINGS = (
    "live.max_connections=-1",
    "channels.grafana/broadcast.publish=everybody",
    "channels.grafana/broadcast.presence=true",
    "channels.grafana/broadcast.ask_presence=true",
    "channels.grafana/broadcast.join_leave=asked",
    "channels.grafana/broadcast.recovery=stream",
    "channels.grafana/broadcast.ask_history=true",
)


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server on whose broadcast channels everything is allowed."""
    with running_server(tmp_path_factory.mktemp("open-server"), *SETTINGS) as server:
        yield server


@SDKS
async def test_subscribing_and_being_refused(
    open_server: RunningServer, sdk_programs: SdkPrograms, stream: str, sdk: Sdk
) -> None:
    channel = f"stream/{stream}/m"
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            connect(open_server.address) as pushing,
            sdk_programs.connected(sdk, open_server.address, data={"session": 1}) as program,
        ):
            for number in range(1, 4):
                await pushing.push(stream, b"m n=%di %d000000" % (number, number))
            await program.do("subscribe", channel=channel, data={"rows": 2})
            reply = await program.wait_for("subscribed", channel=channel)
            assert reply["data"]["data"]["values"][2] == [2, 3]
            assert (reply["returned"], reply["recovered"]) == (False, False)
            assert (reply["recoverable"], reply["position"]["offset"]) == (True, 3)
            await pushing.push(stream, b"m n=4i 4000000")
            publication = await program.wait_for("publication", channel=channel)
            assert publication["data"]["data"]["values"][2] == [4]
            assert (publication["offset"], publication.get("info")) == (4, None)
            for refused, code in (("nowhere/a/b", 404), ("stream/a", 400), ("2/stream/a/b", 103)):
                await program.do("subscribe", channel=refused)
                end = await program.wait_for("unsubscribed", channel=refused)
                assert end["code"] == code
                assert end["reason"]
            with pytest.raises(Refused, match="403"):
                await program.ask("publish", channel=channel, data={})
            with pytest.raises(Refused, match="103"):
                await program.ask("history", channel=f"stream/{stream}/other", limit=1)
            with pytest.raises(Refused, match="104"):
                await program.ask("rpc", method="unknown", data={})
            assert len(program.all("connecting")) == 1
            assert not program.all("disconnected")


@SDKS
async def test_what_a_client_publishes_comes_whole_and_in_order(
    open_server: RunningServer, sdk_programs: SdkPrograms, stream: str, sdk: Sdk
) -> None:
    channel = f"grafana/broadcast/{stream}"
    messages = [{"n": number, "text": "é 漢 🙂 \n \u2028"} for number in range(1_000)]
    with trio.fail_after(PATIENCE_SECONDS):
        async with sdk_programs.connected(sdk, open_server.address) as program:
            client = program.all("connected")[0]["client"]
            await program.subscribe(channel)
            await program.ask("publish", channel=channel, data=messages[0], by="subscription")
            await program.ask("publish_all", channel=channel, data=messages[1:])
            publications = await program.wait_for_count("publication", 1_000, channel=channel)
            assert [one["data"] for one in publications] == messages
            assert [one["offset"] for one in publications] == list(range(1, 1_001))
            assert {one["info"]["client"] for one in publications} == {client}


async def test_every_sdk_hears_every_other(open_server: RunningServer, sdk_programs: SdkPrograms, stream: str) -> None:
    channel = f"grafana/broadcast/{stream}"
    everybody = trio.Event()
    heard: dict[Sdk, list[list[str | int]]] = {}
    subscribed = 0

    async def talk(sdk: Sdk) -> None:
        nonlocal subscribed
        async with sdk_programs.connected(sdk, open_server.address) as program:
            await program.subscribe(channel)
            subscribed += 1
            if subscribed == len(EVERY_SDK):
                everybody.set()
            await everybody.wait()
            await program.ask("publish_all", channel=channel, data=[[str(sdk), number] for number in range(100)])
            publications = await program.wait_for_count("publication", 100 * len(EVERY_SDK), channel=channel)
            heard[sdk] = [one["data"] for one in publications]

    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            for sdk in EVERY_SDK:
                nursery.start_soon(talk, sdk)
    [first, *others] = heard.values()
    assert all(other == first for other in others)
    for sdk in EVERY_SDK:
        assert [number for name, number in first if name == str(sdk)] == list(range(100))


@SDKS
async def test_who_is_there(open_server: RunningServer, sdk_programs: SdkPrograms, stream: str, sdk: Sdk) -> None:
    channel = f"grafana/broadcast/{stream}"
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            sdk_programs.connected(sdk, open_server.address) as stays,
            sdk_programs.connected(sdk, open_server.address) as leaves,
        ):
            staying, leaving = (one.all("connected")[0]["client"] for one in (stays, leaves))
            await stays.do("subscribe", channel=channel, join_leave=True)
            await stays.wait_for("subscribed", channel=channel)
            assert (await stays.wait_for("join", channel=channel))["info"]["client"] == staying
            await leaves.subscribe(channel)
            assert (await stays.wait_for("join", channel=channel))["info"]["client"] == leaving
            await check_present(stays, channel, {staying, leaving}, by="subscription")
            await leaves.do("unsubscribe", channel=channel)
            assert (await stays.wait_for("leave", channel=channel))["info"]["client"] == leaving
            await check_present(stays, channel, {staying}, by="client")
            with pytest.raises(Refused, match="103"):
                await leaves.ask("presence", channel=channel)
            assert not leaves.all("join"), "only who asks is told"


async def check_present(program: Program, channel: str, expected: set[str], *, by: str) -> None:
    clients = (await program.ask("presence", channel=channel, by=by))["clients"]
    assert set(clients) == {info["client"] for info in clients.values()} == expected
    counts = await program.ask("presence_stats", channel=channel, by=by)
    assert (counts["clients"], counts["users"]) == (len(expected), len({info["user"] for info in clients.values()}))


@SDKS
async def test_history_is_read_in_pages_both_ways(
    open_server: RunningServer, sdk_programs: SdkPrograms, stream: str, sdk: Sdk
) -> None:
    channel = f"grafana/broadcast/{stream}"
    with trio.fail_after(PATIENCE_SECONDS):
        async with sdk_programs.connected(sdk, open_server.address) as program:
            await program.subscribe(channel)
            await program.ask("publish_all", channel=channel, data=list(range(1, 11)))
            position = await program.ask("history", channel=channel)
            assert (position["publications"], position["offset"]) == ([], 10)
            epoch = position["epoch"]
            forward = await read_pages(program, channel, {"offset": 0, "epoch": epoch}, reverse=False)
            assert forward == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10]]
            backward = await read_pages(program, channel, None, reverse=True)
            assert backward == [[10, 9, 8], [7, 6, 5], [4, 3, 2], [1]]
            beyond = await program.ask("history", channel=channel, limit=3, since={"offset": 10, "epoch": epoch})
            assert beyond["publications"] == []
            with pytest.raises(Refused, match="112"):
                await program.ask("history", channel=channel, limit=3, since={"offset": 1, "epoch": "another"})


async def read_pages(
    program: Program, channel: str, since: dict[str, object] | None, *, reverse: bool
) -> list[list[int]]:
    """Pages of three until a short one; the offset of each publication is its number."""
    pages: list[list[int]] = []
    while True:
        arguments = {"since": since} if since else {}
        answer = await program.ask("history", channel=channel, limit=3, reverse=reverse, by="subscription", **arguments)
        publications = answer["publications"]
        assert [one["offset"] for one in publications] == [one["data"] for one in publications]
        pages.append([one["data"] for one in publications])
        if len(publications) < 3:
            return pages
        since = {"offset": publications[-1]["offset"], "epoch": answer["epoch"]}
