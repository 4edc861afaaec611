"""What a Grafana panel shows: Grafana's own buffer behind a stock client.

Only what that buffer can do is asked of it: with frames of the labels column it loses a panel whose columns grow
after a second set of labels was seen, whatever the server does.
"""

from typing import Any

import trio

from end_to_end.programs import Program, panel
from end_to_end.server import RunningServer
from end_to_end.wire import connect
from patience import PATIENCE_SECONDS

Shown = dict[tuple[str, str], list[Any]]


async def shown_after(program: Program, channel: str, publications: int) -> Shown:
    """What the panel shows once so many publications came: values by field name and labels."""
    await program.wait_for_count("publication", publications, channel=channel)
    await program.do("show", channel=channel)
    state = await program.wait_for("panel", channel=channel)
    assert program.all("broken") == []
    shown: Shown = {}
    for field in state["fields"]:
        labels = ", ".join(f"{key}={value}" for key, value in sorted((field["labels"] or {}).items()))
        assert len(field["values"]) == state["length"]
        shown[field["name"], labels] = field["values"]
    return shown


async def test_two_label_sets_become_two_series(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/cpu"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, panel(server.subscribe_url, channel) as program:
            for second in range(1, 4):
                stamp = second * 1_000_000_000
                body = f"cpu,host=a idle={second}.5 {stamp}\ncpu,host=b idle={second}.25 {stamp}\n"
                await pushing.push(stream, body.encode())
            assert await shown_after(program, channel, 3) == {
                ("time", ""): [1000, 2000, 3000],
                ("idle", "host=a"): [1.5, 2.5, 3.5],
                ("idle", "host=b"): [1.25, 2.25, 3.25],
            }


async def test_a_third_label_set_that_comes_later_is_a_new_series(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/cpu"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, panel(server.subscribe_url, channel) as program:
            await pushing.push(stream, b"cpu,h=a x=1 1000000\ncpu,h=b x=2 1000000\n")
            await pushing.push(stream, b"cpu,h=b x=4 2000000\ncpu,h=c x=5 2000000\n")
            assert await shown_after(program, channel, 2) == {
                ("time", ""): [1, 2],
                ("x", "h=a"): [1, None],
                ("x", "h=b"): [2, 4],
                ("x", "h=c"): [None, 5],
            }


async def test_columns_may_grow_before_the_second_label_set(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/cpu"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, panel(server.subscribe_url, channel) as program:
            await pushing.push(stream, b"cpu,h=a x=1 1000000\n")
            await pushing.push(stream, b"cpu,h=a x=2,y=3 2000000\n")
            await pushing.push(stream, b"cpu,h=a y=5,x=4 3000000\n")
            shown = await shown_after(program, channel, 3)
            # The shipped buffer forgets the labels and what was before the growth; what follows must be right.
            assert {name: values[-2:] for (name, _), values in shown.items()} == {
                "time": [2, 3],
                "x": [2, 4],
                "y": [3, 5],
            }


async def test_fields_that_come_and_go_leave_the_panel_alive(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/cpu"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, panel(server.subscribe_url, channel) as program:
            await pushing.push(stream, b"cpu,h=a x=1,y=2 1000000\ncpu,h=b x=3,y=4 1000000\n")
            await pushing.push(stream, b"cpu,h=a y=5 2000000\n")
            await pushing.push(stream, b"cpu,h=b y=7,x=6 3000000\n")
            shown = await shown_after(program, channel, 3)
            assert shown["time", ""] == [1, 2, 3]
            assert shown["x", "h=a"] == [1, None, None]
            assert shown["y", "h=a"] == [2, 5, None]
            assert shown["x", "h=b"] == [3, None, 6]
            assert shown["y", "h=b"] == [4, None, 7]


async def test_a_late_subscriber_begins_with_the_past(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/cpu"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing:
            await pushing.push(stream, b"cpu,h=a x=1 1000000\ncpu,h=b x=2 1000000\n")
            await pushing.push(stream, b"cpu,h=a x=3 2000000\ncpu,h=b x=4 2000000\n")
            async with panel(server.subscribe_url, channel) as program:
                await pushing.push(stream, b"cpu,h=b x=6 3000000\n")
                assert await shown_after(program, channel, 1) == {
                    ("time", ""): [1, 2, 3],
                    ("x", "h=a"): [1, 3, None],
                    ("x", "h=b"): [2, 4, 6],
                }


async def test_every_type_of_value_is_shown(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/all"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, panel(server.subscribe_url, channel) as program:
            await pushing.push(stream, b'all i=-1i,u=2u,f=0.5,t="a, b",b=true 1000000\n')
            await pushing.push(stream, b'all i=-2i,u=3u,f=1.5,t="c",b=false 2000000\n')
            assert await shown_after(program, channel, 2) == {
                ("time", ""): [1, 2],
                ("i", ""): [-1, -2],
                ("u", ""): [2, 3],
                ("f", ""): [0.5, 1.5],
                ("t", ""): ["a, b", "c"],
                ("b", ""): [True, False],
            }


async def test_a_thousand_packets_are_all_in_the_panel(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/m"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, panel(server.subscribe_url, channel) as program:
            for number in range(1000):
                await pushing.push(stream, b"m,h=a n=%di %d\nm,h=b n=%di %d\n" % ((number, number * 1_000_000) * 2))
            shown = await shown_after(program, channel, 1000)
            assert shown["time", ""] == list(range(1000))
            assert shown["n", "h=a"] == shown["n", "h=b"] == list(range(1000))


async def test_tags_with_commas_and_equals_signs_are_one_label_each(server: RunningServer, stream: str) -> None:
    channel = f"stream/{stream}/disk"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, panel(server.subscribe_url, channel) as program:
            await pushing.push(stream, b"disk,h=a,p=C:/x\\=1\\,\\ q free=1 1000000\ndisk,h=a free=2 1000000\n")
            assert await shown_after(program, channel, 1) == {
                ("time", ""): [1],
                ("free", "h=a, p=C:/x=1, q"): [1],
                ("free", "h=a"): [2],
            }
