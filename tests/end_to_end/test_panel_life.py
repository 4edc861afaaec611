"""What becomes of a Grafana panel, whatever a sender does: the three formats side by side.

`series` must be right in every case. So must the others, but for what the shipped buffer cannot do: that is asserted as
it is, so that we notice when it is mended (docs/compatibility.md names it).
"""

import pytest

from end_to_end.dashboard import dashboard
from end_to_end.server import RunningServer

HARMLESS = {
    "two hosts": [
        "cpu,host=a x=1 1\ncpu,host=b x=2 1",
        "cpu,host=a x=3 2\ncpu,host=b x=4 2",
        "cpu,host=b x=5 3\ncpu,host=a x=6 3",
    ],
    "fields in another order": ["cpu,host=a x=1,y=2 1", "cpu,host=a y=3,x=4 2", "cpu,host=a x=5,y=6 3"],
    "tags in another order": ["cpu,host=a,cpu=0 x=1 1", "cpu,cpu=0,host=a x=2 2"],
    "values of another type": [
        'cpu,host=a n=1,b=t,i=1i,s="one" 1',
        'cpu,host=a n="two",b=2,i=2.5,s=3i 2',
        "cpu,host=a n=3,b=f,i=3i,s=true 3",
    ],
    "integers and then floats of two hosts": [
        "cpu,host=a i=1i 1\ncpu,host=b i=1i 1",
        "cpu,host=a i=2.5 2\ncpu,host=b i=2i 2",
        "cpu,host=a i=3i 3\ncpu,host=b i=3.5 3",
    ],
    "fields that are missing": [
        "cpu,host=a x=1,y=2 1\ncpu,host=b x=3,y=4 1",
        "cpu,host=a x=5 2\ncpu,host=b y=6 2",
        "cpu,host=b y=7,x=8 3",
    ],
    "late rows": [
        "cpu,host=a x=1 10\ncpu,host=b x=1 10",
        "cpu,host=a x=2 20",
        "cpu,host=a x=3 5\ncpu,host=b x=4 30\ncpu,host=a x=5 15",
        "cpu,host=a x=6 31",
        "cpu,host=b x=7 1",
    ],
    "a point split over lines": [
        "cpu,host=a x=1 1\ncpu,host=b x=2,y=2 1\ncpu,host=a y=4 1\ncpu,host=b x=5 2",
        "cpu,host=a y=6 3\ncpu,host=b x=7 3\ncpu,host=a x=8 3\ncpu,host=a y=9 3",
    ],
}


@pytest.mark.parametrize("bodies", HARMLESS.values(), ids=HARMLESS.keys())
async def test_all_panels_are_right_then_and_anew(server: RunningServer, stream: str, bodies: list[str]) -> None:
    async with dashboard(server, stream) as here:
        await here.push_all(bodies)
        await here.check_panels()
        await here.reopen()
        await here.check_panels()


async def test_what_is_no_number_is_refused_and_all_panels_go_on(server: RunningServer, stream: str) -> None:
    async with dashboard(server, stream) as here:
        await here.push("cpu,host=a x=1 1\ncpu,host=b x=1 1")
        for number, word in enumerate(["NaN", "nan", "+Inf", "-Inf", "inf", "Infinity"], 2):
            refused = {f"cpu,host=b x={word} {number}": "bad_value", f"cpu,host=b x=1e999 {number}": "number_range"}
            await here.push(f"cpu,host=a x={number} {number}", refused)
        await here.check_panels()


async def test_fields_grow_on_one_host(server: RunningServer, stream: str) -> None:
    async with dashboard(server, stream) as here:
        await here.push_all(["cpu,host=a x=1 1", "cpu,host=a x=2,y=3 2", "cpu,host=a y=5 3"])
        await here.check_panels("series", "wide")
        # The past is dropped, and the labels with it.
        assert await here.shown("labels_column") == {
            ("time", ""): [2, 3],
            ("x", ""): [2, None],
            ("y", ""): [3, 5],
        }
        assert here.broken("labels_column") == []
        await here.reopen()
        await here.check_panels()


async def test_fields_grow_on_two_hosts(server: RunningServer, stream: str) -> None:
    async with dashboard(server, stream) as here:
        await here.push_all(
            [
                "cpu,host=a x=1 1\ncpu,host=b x=10 1",
                "cpu,host=a x=2,y=3 2\ncpu,host=b x=20 2",
                "cpu,host=b y=4 3",
            ]
        )
        await here.check_panels("series")
        await here.check_dead("labels_column", messages=2)
        # Columns of one name share their values, twice as many as there are rows.
        mixed = await here.shown("wide")
        assert mixed["time", ""] == [1, 2, 3]
        assert mixed["x", "host=a"] == mixed["x", "host=b"] == [1, 2, 20, None, None]
        await here.reopen()
        await here.check_panels()


async def test_a_field_and_tags_that_are_new_in_one_push(server: RunningServer, stream: str) -> None:
    async with dashboard(server, stream) as here:
        await here.push_all(["cpu,host=a x=1 1", "cpu,host=a x=2 2", "cpu,host=b x=3,y=4 3"])
        await here.check_panels("series")
        mixed = await here.shown("wide")
        assert mixed["x", "host=a"] == mixed["x", "host=b"] == [1, 2, None, 3]
        # The new series has rows that the panel has dropped: its values are at no time at all.
        assert await here.shown("labels_column") == {
            ("time", ""): [3],
            ("x", ""): [None],
            ("y", ""): [None],
            ("x", "host=b"): [None, None, 3],
            ("y", "host=b"): [None, None, 4],
        }
        await here.reopen()
        await here.check_panels()


async def test_tags_alternate(server: RunningServer, stream: str) -> None:
    async with dashboard(server, stream) as here:
        tags = [",host=a", ",host=b", ",cpu=0,host=a", "", ",host=a", ",host=b", "", ",cpu=0,host=a"]
        await here.push_all(f"cpu{text} x={number} {number}" for number, text in enumerate(tags))
        await here.check_panels("series", "labels_column")
        mixed = await here.shown("wide")
        assert mixed["time", ""] == list(range(8))
        columns = [mixed["x", labels] for labels in ("", "host=a", "host=b", "cpu=0, host=a")]
        assert columns == [columns[0]] * 4
        assert len(columns[0]) > 8
        await here.reopen()
        await here.check_panels()


async def test_pushes_of_one_time(server: RunningServer, stream: str) -> None:
    async with dashboard(server, stream) as here:
        await here.push_all(
            [
                "cpu,host=a x=1,y=1 1\ncpu,host=b x=2,y=2 1",
                "cpu,host=a x=3 1",
                "cpu,host=b y=4 1\ncpu,host=a x=5 2",
                "cpu,host=a x=6 2",
            ]
        )
        await here.check_panels()
        await here.reopen()
        await here.check_panels("series", "wide")
        # Of rows of one time and labels in one frame, the last is left, its nulls too.
        assert await here.shown("labels_column") == {
            ("time", ""): [1, 2],
            ("x", "host=a"): [3, 6],
            ("y", "host=a"): [None, None],
            ("x", "host=b"): [None, None],
            ("y", "host=b"): [4, None],
        }
        assert here.broken("labels_column") == []


async def test_points_of_one_millisecond(server: RunningServer, stream: str) -> None:
    async with dashboard(server, stream) as here:
        await here.push("cpu,host=a x=1 1100\ncpu,host=b x=2 1200\ncpu,host=a x=3 1300", precision="us")
        await here.check_panels("series", "wide")
        # The panel reads milliseconds, and joins by them: as above.
        assert await here.shown("labels_column") == {
            ("time", ""): [1],
            ("x", "host=a"): [3],
            ("x", "host=b"): [2],
        }
        assert here.broken("labels_column") == []
