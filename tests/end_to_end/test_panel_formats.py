"""What a Grafana panel shows of `series` and `wide` frames: Grafana's own buffer behind a stock client.

A `series` panel must survive whatever a sender does. A `wide` one keeps what the buffer can keep: with two label sets
of one field it mixes them up when a column is added, which is asserted as it is, so that we notice when it is mended.
"""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import trio

from end_to_end.programs import Program, panel
from end_to_end.server import RunningServer
from end_to_end.wire import Connection, connect
from patience import PATIENCE_SECONDS


@dataclass
class Panel:
    """A panel, and a sender to its stream."""

    program: Program
    pushing: Connection
    stream: str
    query: str

    async def push(self, body: str) -> None:
        await self.pushing.push(self.stream, body.encode(), query=self.query)

    async def shown(self, publications: int) -> list[dict[str, Any]]:
        """The fields of the panel once so many publications came."""
        channel = f"stream/{self.stream}/cpu"
        await self.program.wait_for_count("publication", publications, channel=channel)
        await self.program.do("show", channel=channel)
        state = await self.program.wait_for("panel", channel=channel)
        assert self.program.all("broken") == []
        fields: list[dict[str, Any]] = state["fields"]
        return fields


@asynccontextmanager
async def panel_of(server: RunningServer, stream: str, frame_format: str) -> AsyncIterator[Panel]:
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            connect(server.address) as pushing,
            panel(server.subscribe_url, f"stream/{stream}/cpu") as program,
        ):
            yield Panel(program, pushing, stream, f"?gf_live_frame_format={frame_format}")


def by_name(fields: list[dict[str, Any]]) -> dict[str, list[Any]]:
    assert len({field["name"] for field in fields}) == len(fields)
    return {field["name"]: field["values"] for field in fields}


async def test_series_survive_whatever_comes_and_goes(server: RunningServer, stream: str) -> None:
    async with panel_of(server, stream, "series") as here:
        bodies = [
            "cpu,host=a idle=1 1000000",
            "cpu,host=a idle=2,user=3 2000000\ncpu,host=b idle=4 2000000",
            "cpu,host=b user=5,idle=6 3000000",
            'cpu,host=a user=7,idle="text" 4000000',
            "cpu,cpu=0,host=a idle=8 5000000",
            "cpu,host=b,rack=r\\,\\ 1 busy=true 6000000\ncpu idle=9 6000000",
            "cpu,host=a busy=f,idle=10,user=11 7000000\ncpu,host=b idle=12 7000000",
        ]
        for body in bodies:
            await here.push(body)
        fields = await here.shown(len(bodies))
        assert by_name(fields) == {
            "time": [1, 2, 3, 4, 5, 6, 7],
            "idle{host=a}": [1, 2, None, None, None, None, 10],
            "user{host=a}": [None, 3, None, 7, None, None, 11],
            "idle{host=b}": [None, 4, 6, None, None, None, 12],
            "user{host=b}": [None, None, 5, None, None, None, None],
            "idle{cpu=0, host=a}": [None, None, None, None, 8, None, None],
            r"busy{host=b, rack=r\, 1}": [None, None, None, None, None, True, None],
            "idle": [None, None, None, None, None, 9, None],
            "busy{host=a}": [None, None, None, None, None, None, False],
        }
        labels = {field["name"]: field["labels"] for field in fields}
        assert labels["idle{cpu=0, host=a}"] == {"cpu": "0", "host": "a"}
        assert labels[r"busy{host=b, rack=r\, 1}"] == {"host": "b", "rack": "r, 1"}
        assert labels["idle"] == {}
        displayed = {field["name"]: field["display"] for field in fields}
        assert displayed["idle{cpu=0, host=a}"] == "idle {cpu=0, host=a}"
        assert displayed[r"busy{host=b, rack=r\, 1}"] == "busy {host=b, rack=r, 1}"
        assert displayed["idle"] == "idle"


LABEL_SETS: dict[str, tuple[str, dict[str, str]]] = {
    "": ("", {}),
    ",host=a": ("{host=a}", {"host": "a"}),
    ",host=b": ("{host=b}", {"host": "b"}),
    ",host=a,cpu=0": ("{cpu=0, host=a}", {"cpu": "0", "host": "a"}),
    r",host=a\,cpu\=0": (r"{host=a\,cpu\=0}", {"host": "a,cpu=0"}),
    ",{=}": (r"{\{=\}}", {"{": "}"}),
    r",p=C:\x": (r"{p=C:\\x}", {"p": r"C:\x"}),
}
"""Tags as pushed: what a column's name has behind the field key, and its labels."""
KEYS = {"idle": "idle", "user": "user", "time": "time", r"a{host\=a}": r"a\{host\=a\}"}
"""Field keys as pushed, and in a column's name."""


@pytest.mark.parametrize("seed", range(3))
async def test_no_value_of_a_series_is_ever_under_another(server: RunningServer, stream: str, seed: int) -> None:
    chance = random.Random(seed)
    expected: dict[tuple[str, str], list[Any]] = {}
    families: dict[tuple[str, str], type] = {}
    async with panel_of(server, stream, "series") as here:
        for number in range(1, 41):
            lines = []
            for tags in chance.sample(list(LABEL_SETS), chance.randint(1, 4)):
                suffix, labels = LABEL_SETS[tags]
                fields = []
                for key in chance.sample(list(KEYS), chance.randint(1, 3)):
                    value = chance.choice([number, number, number % 2 == 0])
                    fields.append(f"{key}={str(value).lower()}")
                    name = KEYS[key] + ("{}" if (key, suffix) == ("time", "") else suffix)
                    column = (name, json.dumps(labels))
                    fits = families.setdefault(column, type(value)) is type(value)
                    expected.setdefault(column, [None] * 40)[number - 1] = value if fits else None
                lines.append(f"cpu{tags} {','.join(fields)} {number}000000")
            await here.push("\n".join(lines))
        time, *series = await here.shown(40)
        assert (time["name"], time["type"], time["values"]) == ("time", "time", list(range(1, 41)))
        assert len(series) == len(expected)
        assert {(field["name"], json.dumps(field["labels"])): field["values"] for field in series} == expected


async def test_a_panel_that_comes_late_or_again_goes_on_with_the_same_series(
    server: RunningServer, stream: str
) -> None:
    async with connect(server.address) as pushing:
        query = "?gf_live_frame_format=series"
        await pushing.push(stream, b"cpu,h=a x=1 1000000\ncpu,h=b x=2 1000000", query=query)
        await pushing.push(stream, b"cpu,h=a x=3 2000000", query=query)
        async with panel_of(server, stream, "series") as here:
            await here.push("cpu,h=b x=4,y=5 3000000")
            assert by_name(await here.shown(1)) == {
                "time": [1, 2, 3],
                "x{h=a}": [1, 3, None],
                "x{h=b}": [2, None, 4],
                "y{h=b}": [None, None, 5],
            }


@pytest.mark.parametrize("frame_format", ["wide", "series"])
async def test_integers_become_floats_without_a_trace(server: RunningServer, stream: str, frame_format: str) -> None:
    async with panel_of(server, stream, frame_format) as here:
        for number, value in enumerate(["1i", "2i", "1e3", "3i", "9223372036854775808u"], 1):
            await here.push(f"cpu,h=a x={value} {number}000000\ncpu,h=b x={number}i {number}000000")
        fields = await here.shown(5)
        assert [(field["labels"], field["values"]) for field in fields[1:]] == [
            ({"h": "a"}, [1, 2, 1000, 3, 9223372036854776000]),
            ({"h": "b"}, [1, 2, 3, 4, 5]),
        ]


async def test_wide_frames_of_one_label_set_may_grow(server: RunningServer, stream: str) -> None:
    async with panel_of(server, stream, "wide") as here:
        for body in ("cpu,h=a x=1 1000000", "cpu,h=a y=3,x=2 2000000", "cpu,h=a y=4 3000000"):
            await here.push(body)
        fields = await here.shown(3)
        assert by_name(fields) == {"time": [1, 2, 3], "x": [1, 2, None], "y": [None, 3, 4]}
        assert [field["labels"] for field in fields[1:]] == [{"h": "a"}, {"h": "a"}]


async def test_wide_frames_of_two_label_sets_are_right_while_nothing_grows(server: RunningServer, stream: str) -> None:
    async with panel_of(server, stream, "wide") as here:
        for number in range(1, 4):
            stamp = number * 1_000_000
            await here.push(f"cpu,h=a x={number} {stamp}\ncpu,h=b x={number * 10} {stamp}")
        await here.push("cpu,h=b x=40 4000000")
        fields = await here.shown(4)
        assert [(field["labels"], field["values"]) for field in fields[1:]] == [
            ({"h": "a"}, [1, 2, 3, None]),
            ({"h": "b"}, [10, 20, 30, 40]),
        ]


async def test_wide_frames_of_two_label_sets_are_mixed_up_by_the_panel_when_a_column_is_added(
    server: RunningServer, stream: str
) -> None:
    async with panel_of(server, stream, "wide") as here:
        await here.push("cpu,h=a x=1 1000000\ncpu,h=b x=10 1000000")
        await here.push("cpu,h=a x=2 2000000\ncpu,h=b x=20,y=5 2000000")
        fields = await here.shown(2)
        # The frames are right; the shipped buffer looks a column up by its name alone, and both share one array.
        first, second = (field["values"] for field in fields if field["name"] == "x")
        assert first == second == [1, 2, 20]
