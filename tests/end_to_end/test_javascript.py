"""The stock centrifuge-js, as Grafana's front end uses it."""

import json

import pytest
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.programs import JAVASCRIPT_SUBSCRIBER, Program, Refused, javascript_subscriber, run_program
from end_to_end.server import RunningServer
from end_to_end.wire import connect
from patience import PATIENCE_SECONDS


def columns_of(frame: dict[str, dict[str, list[dict[str, str]]]]) -> list[str]:
    return [field["name"] for field in frame["schema"]["fields"]]


async def test_the_subscribe_reply_holds_all_rows_in_time_order(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/cpu"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, javascript_subscriber(server.subscribe_url) as program:
            await pushing.push(stream, b"cpu,host=a idle=1 1000000\n")
            await pushing.push(stream, b"cpu,host=a idle=3 3000000\ncpu,host=b idle=2 2000000\n")
            reply = await program.subscribe(channel)
            assert (reply["returned"], reply["recovered"]) == (False, False)
            data = reply["data"]
            assert columns_of(data) == ["labels", "time", "idle"]
            assert data["data"]["values"] == [["host=a", "host=b", "host=a"], [1, 2, 3], [1, 2, 3]]
            await pushing.push(stream, b"cpu,host=a idle=4 4000001\n")
            publication = (await program.wait_for("publication", channel=channel))["data"]
            assert publication == {"data": {"values": [["host=a"], [4], [4]], "nanos": [None, [1], None]}}


async def test_subscribing_before_the_first_push_is_allowed_and_empty(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/cpu"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, javascript_subscriber(server.subscribe_url) as program:
            assert (await program.subscribe(channel)).get("data") is None
            await pushing.push(stream, b"cpu idle=1 1000000\n")
            first = (await program.wait_for("publication", channel=channel))["data"]
            assert columns_of(first) == ["labels", "time", "idle"]
            assert first["data"]["values"] == [[""], [1], [1]]


async def test_connect_and_subscriptions_in_one_frame_are_answered(server: RunningServer, stream: str) -> None:
    channels = [f"stream/{stream}/m{number}" for number in range(5)]
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            connect(server.address) as pushing,
            run_program(JAVASCRIPT_SUBSCRIBER, server.subscribe_url) as program,
        ):
            for channel in channels:
                await program.do("subscribe", channel=channel)
            await program.do("connect")
            await program.wait_for("connected")
            for channel in channels:
                await program.wait_for("subscribed", channel=channel)
            first_frame = (await program.wait_for("sent"))["text"].split("\n")
            assert ["connect", *["subscribe"] * 5] == [next(iter(json.loads(line))) for line in first_frame]
            await pushing.push(stream, b"".join(b"m%d n=%di 1\n" % (n, n) for n in range(5)))
            for number, channel in enumerate(channels):
                publication = await program.wait_for("publication", channel=channel)
                assert publication["data"]["data"]["values"][2] == [number]


async def test_a_thousand_publications_come_in_order(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/m"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, javascript_subscriber(server.subscribe_url) as program:
            await program.subscribe(channel)
            for number in range(1000):
                await pushing.push(stream, b"m n=%di %d\n" % (number, number))
            publications = await program.wait_for_count("publication", 1000, channel=channel)
            assert [one["data"]["data"]["values"][2] for one in publications] == [[n] for n in range(1000)]
            offsets = [one["offset"] for one in publications if one.get("offset")]
            assert offsets == sorted(set(offsets))


async def test_nothing_comes_after_unsubscribing(server: RunningServer, stream: str) -> None:
    left, kept = f"stream/{stream}/left", f"stream/{stream}/kept"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, javascript_subscriber(server.subscribe_url) as program:
            await program.subscribe(left)
            await program.subscribe(kept)
            await pushing.push(stream, b"left n=1i 1\nkept n=1i 1\n")
            await program.wait_for("publication", channel=kept)
            await program.do("unsubscribe", channel=left)
            await program.wait_for("unsubscribed", channel=left)
            # centrifuge-js does not tell of the reply; commands of one connection are answered in order.
            with pytest.raises(Refused):
                await program.ask("publish", channel=kept, data={})
            await pushing.push(stream, b"left n=2i 2\nkept n=2i 2\n")
            await program.wait_for("publication", channel=kept)
            assert len(program.all("publication", channel=left)) == 1
            # The SDK kept its position: it asks for what it missed.
            again = await program.subscribe(left)
            assert (again["returned"], again["recovered"], again.get("data")) == (True, True, None)
            missed = await program.wait_for_count("publication", 2, channel=left)
            assert (missed[1]["data"]["data"]["values"][2], missed[1]["offset"]) == ([2], 2)


async def test_a_client_may_ask_for_less_of_the_past(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/m"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, javascript_subscriber(server.subscribe_url) as program:
            for number in range(1, 6):
                await pushing.push(stream, b"m n=%di %d000000" % (number, number))
            await program.do("subscribe", channel=channel, data={"rows": 2})
            reply = await program.wait_for("subscribed", channel=channel)
            assert reply["data"]["data"]["values"][2] == [4, 5]
            refused = f"stream/{stream}/other"
            await program.do("subscribe", channel=refused, data={"rows": "two"})
            assert (await program.wait_for("unsubscribed", channel=refused))["code"] == 400


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        ("nowhere/a/b", 404),
        ("stream/a", 400),
        ("stream/a/b c", 400),
        ("stream/a/" + "b" * 200, 400),
        ("2/stream/a/b", 103),
    ],
)
async def test_a_refused_channel_is_refused_for_good(server: RunningServer, channel: str, code: int) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with javascript_subscriber(server.subscribe_url) as program:
            await program.do("subscribe", channel=channel)
            refused = await program.wait_for("unsubscribed", channel=channel)
            assert refused["code"] == code
            assert refused["reason"]
            assert not program.all("disconnected")
            assert len(program.all("connecting")) == 1


async def test_publishing_to_a_stream_is_refused(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with javascript_subscriber(server.subscribe_url) as program:
            with pytest.raises(Refused, match="403"):
                await program.ask("publish", channel=f"stream/{stream}/m", data={"x": 1})
            await program.subscribe(f"stream/{stream}/m")


async def test_a_second_spelling_of_a_channel_is_already_subscribed(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with javascript_subscriber(server.subscribe_url) as program:
            await program.subscribe(f"1/stream/{stream}/m")
            await program.do("subscribe", channel=f"stream/{stream}/m")
            assert (await program.wait_for("unsubscribed", channel=f"stream/{stream}/m"))["code"] == 105


async def test_every_subscriber_sees_its_own_spelling(server: RunningServer, stream: str) -> None:
    spellings = [f"1/stream/{stream}/m", f"default/stream/{stream}/m", f"stream/{stream}/m"]
    seen = {}

    async def watch(spelling: str, *, task_status: trio.TaskStatus[Program]) -> None:
        async with javascript_subscriber(server.subscribe_url) as program:
            await program.subscribe(spelling)
            task_status.started(program)
            seen[spelling] = (await program.wait_for("publication"))["channel"]

    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, trio.open_nursery() as nursery:
            for spelling in spellings:
                await nursery.start(watch, spelling)
            await pushing.push(stream, b"m n=1i 1\n")
    assert seen == {spelling: spelling for spelling in spellings}


async def test_pings_keep_the_connection_for_many_intervals(start_server: ServerStarter, stream: str) -> None:
    server = start_server("live.ping_seconds=1", "live.pong_seconds=3")
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, javascript_subscriber(server.subscribe_url) as program:
            await program.subscribe(f"stream/{stream}/m")
            await program.wait_for_count("ping", 2)
            await pushing.push(stream, b"m n=1i 1\n")
            await program.wait_for_count("ping", 6)  # without pongs it would be closed before the fifth
            await program.wait_for("publication")
            assert len(program.all("sent", text="{}")) >= 5
            assert len(program.all("connecting")) == 1


async def test_a_client_comes_back_after_a_restart(start_server: ServerStarter, stream: str) -> None:
    channel = f"stream/{stream}/m"
    server = start_server()
    with trio.fail_after(PATIENCE_SECONDS):
        async with javascript_subscriber(server.subscribe_url) as program:
            await program.subscribe(channel)
            async with connect(server.address) as pushing:
                await pushing.push(stream, b"m n=1i 1\n")
            await program.wait_for("publication")
            server.begin_stop()
            closed = await program.wait_for("closed")
            assert (closed["code"], closed["reason"]) == (3001, "shutdown")
            assert (await program.wait_for("connecting", code=3001))["reason"] == "shutdown"
            await server.stopped()
            again = start_server(listen=server.address)
            await program.wait_for("connected")
            await program.wait_for("subscribed", channel=channel)
            async with connect(again.address) as pushing:
                await pushing.push(stream, b"m n=2i 2\n")
            publication = (await program.wait_for("publication"))["data"]
            assert columns_of(publication) == ["labels", "time", "n"]
            assert publication["data"]["values"] == [[""], [0], [2]]


async def test_a_grown_schema_is_sent_once_and_before_its_rows(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/m"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, javascript_subscriber(server.subscribe_url) as program:
            await program.subscribe(channel)
            for body in (b"m a=1i 1\n", b"m a=2i 2\n", b"m b=3i 3\n", b"m b=4i,a=5i 4\n", b"m c=t,a=6i 5\n"):
                await pushing.push(stream, body)
            seen = [one["data"] for one in await program.wait_for_count("publication", 5, channel=channel)]
            assert ["schema" in one for one in seen] == [True, False, True, False, True]
            assert columns_of(seen[4]) == ["labels", "time", "a", "b", "c"]
            assert [one["data"]["values"][2:] for one in seen] == [
                [[1]],
                [[2]],
                [[None], [3]],
                [[5], [4]],
                [[6], [None], [True]],
            ]
