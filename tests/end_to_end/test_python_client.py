"""The stock centrifuge-python."""

import pytest
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.programs import Refused, python_subscriber
from end_to_end.server import RunningServer
from end_to_end.wire import connect
from patience import PATIENCE_SECONDS


async def test_it_gets_the_snapshot_and_what_follows(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/cpu"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, python_subscriber(server.subscribe_url) as program:
            await pushing.push(stream, b"cpu,host=a idle=0.5 1000000\n")
            subscribed = await program.subscribe(channel)
            assert subscribed["data"]["data"]["values"] == [["host=a"], [1], [0.5]]
            await pushing.push(stream, b"cpu,host=a idle=0.25 2000000\n")
            publication = await program.wait_for("publication", channel=channel)
            assert publication["data"] == {"data": {"values": [["host=a"], [2], [0.25]]}}


async def test_numbers_arrive_as_they_were_pushed(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/n"
    body = (
        b"n big=18446744073709551615u,small=-9223372036854775808i,long=0.1000000000000000055511151231257827,f=1e21 1\n"
    )
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, python_subscriber(server.subscribe_url) as program:
            await program.subscribe(channel)
            await pushing.push(stream, body)
            frame = (await program.wait_for("publication", channel=channel))["data"]
            names = [field["name"] for field in frame["schema"]["fields"]]
            row = {name: column[0] for name, column in zip(names, frame["data"]["values"], strict=True)}
            assert (row["big"], row["small"]) == (18446744073709551615, -9223372036854775808)
            assert float(row["long"]) == 0.1
            assert row["f"] == 10**21


async def test_awkward_text_arrives_as_it_was_pushed(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/t"
    text = 'line\nfeed\ttab "quote" back\\slash é 漢 🙂 \u2028 </script> \x01'
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    body = f't,tag=a\\ b\\,c\\=d,other=ü s="{quoted}" 1\n'.encode()
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, python_subscriber(server.subscribe_url) as program:
            await program.subscribe(channel)
            await pushing.push(stream, body)
            frame = (await program.wait_for("publication", channel=channel))["data"]
            assert frame["data"]["values"] == [['{other="ü", tag="a b,c=d"}'], [0], [text]]


async def test_a_measurement_of_any_name_has_a_channel(server: RunningServer, stream: str) -> None:
    names = {"app gauge": "app=20gauge", "a/b": "a/b", "é": "=C3=A9", "/x/": "=2Fx=2F", "a=b": "a=3Db", "a:b": "a=3Ab"}
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, python_subscriber(server.subscribe_url) as program:
            for path in names.values():
                await program.subscribe(f"stream/{stream}/{path}")
            for number, name in enumerate(names):
                escaped = name.replace(" ", "\\ ")
                await pushing.push(stream, f"{escaped} n={number}i 1\n".encode())
            for number, (name, path) in enumerate(names.items()):
                frame = (await program.wait_for("publication", channel=f"stream/{stream}/{path}"))["data"]
                assert frame["schema"]["name"] == name
                assert frame["data"]["values"][2] == [number]


async def test_rows_of_one_push_are_in_time_order(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/m"
    body = b"m n=3i 3000000\nm n=1i 1000000\nm,h=a n=4i 3000000\nm n=2i 2000000\n"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, python_subscriber(server.subscribe_url) as program:
            await program.subscribe(channel)
            await pushing.push(stream, body)
            values = (await program.wait_for("publication", channel=channel))["data"]["data"]["values"]
            assert values[1:] == [[1, 2, 3, 3], [1, 2, 3, 4]]


async def test_of_a_tag_or_field_given_twice_the_last_wins(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/m"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, python_subscriber(server.subscribe_url) as program:
            await program.subscribe(channel)
            await pushing.push(stream, b"m,b=1,a=2,a=3 n=1i,n=2i 1000000\n")
            values = (await program.wait_for("publication", channel=channel))["data"]["data"]["values"]
            assert values == [["a=3, b=1"], [1], [2]]


@pytest.mark.parametrize(("channel", "code"), [("nowhere/a/b", 404), ("2/stream/a/b", 103), ("stream/a", 400)])
async def test_a_refused_channel_leaves_the_connection(server: RunningServer, channel: str, code: int) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with python_subscriber(server.subscribe_url) as program:
            await program.do("subscribe", channel=channel)
            assert (await program.wait_for("unsubscribed", channel=channel))["code"] == code
            await program.subscribe("stream/a/b")
            assert len(program.all("connecting")) == 1


async def test_publishing_to_a_stream_is_refused(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with python_subscriber(server.subscribe_url) as program:
            with pytest.raises(Refused, match="403"):
                await program.ask("publish", channel=f"stream/{stream}/m", data={"x": 1})


async def test_it_comes_back_after_a_restart(start_server: ServerStarter, stream: str) -> None:
    channel = f"stream/{stream}/m"
    server = start_server()
    with trio.fail_after(PATIENCE_SECONDS):
        async with python_subscriber(server.subscribe_url) as program:
            await program.subscribe(channel)
            server.begin_stop()
            await program.wait_for("connecting", code=3001)
            await server.stopped()
            again = start_server(listen=server.address)
            await program.wait_for("connected")
            await program.wait_for("subscribed", channel=channel)
            async with connect(again.address) as pushing:
                await pushing.push(stream, b"m n=2i 2\n")
            assert (await program.wait_for("publication"))["data"]["data"]["values"][2] == [2]


async def test_eight_subscribers_all_get_everything(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/m"
    counts = []

    async def watch(*, task_status: trio.TaskStatus[None]) -> None:
        async with python_subscriber(server.subscribe_url) as program:
            await program.subscribe(channel)
            task_status.started()
            found = await program.wait_for_count("publication", 100, channel=channel)
            assert [one["data"]["data"]["values"][2] for one in found] == [[n] for n in range(100)]
            counts.append(len(found))

    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, trio.open_nursery() as nursery:
            for _ in range(8):
                await nursery.start(watch)
            for number in range(100):
                await pushing.push(stream, b"m n=%di %d\n" % (number, number))
    assert counts == [100] * 8
