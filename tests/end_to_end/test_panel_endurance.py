"""A thousand random batches, and a connection that is cut at any byte of the frames: the panel shows exactly the rows
of which no reply said that they are gone.
"""

import random
from collections.abc import Iterator
from itertools import count

from end_to_end.conftest import ServerStarter
from end_to_end.dashboard import Dashboard, dashboard
from end_to_end.server import RunningServer

TAG_SETS = [
    {"host": "a"},
    {"host": "b"},
    {},
    {"host": "a", "cpu": "0"},
    {"host": "a,cpu=0"},
    {"rack": "r 1"},
    {"p": "C:\\x"},
    {"{": "}"},
]
READABLE_TAG_SETS = TAG_SETS[:-1]
"""What the panel finds in the text of a labels column."""
FIELDS = ["x", "y", "busy", "text", "n", "m"]
VALUES = ["1i", "2", "2.5", "-7i", "0.125", "t", "false", '"one"', '"a, b=c"', '"{x}"', "300u"]
BAD_LINES = {
    "cpu,host=a x=NaN 1": "bad_value",
    "cpu,host=b x=-Inf 2": "bad_value",
    "cpu,host=a x=1e999 3": "number_range",
    "cpu,host= x=1 4": "missing_tag_value",
    "cpu,host=a 5": "missing_value",
    "cpu,host=a x=1 1.5": "bad_time",
}


def escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in ", =" else character for character in text)


def line(tags: dict[str, str], fields: dict[str, str], time_ms: int) -> str:
    labels = "".join(f",{escaped(key)}={escaped(value)}" for key, value in tags.items())
    return f"cpu{labels} {','.join(f'{key}={value}' for key, value in fields.items())} {time_ms}"


def wild_batches(chance: random.Random) -> Iterator[str]:
    """Tags and fields that come with time, values of any type, rows late and at equal times."""
    for number in count(1):
        tag_sets = TAG_SETS[: 1 + number // 60]
        names = FIELDS[: 1 + number // 90]
        lines = []
        for _ in range(chance.randint(1, 5)):
            fields = {
                name: chance.choice(VALUES) for name in chance.sample(names, chance.randint(1, min(3, len(names))))
            }
            late = chance.choice([0, 0, 0, 1, 50])
            lines.append(line(chance.choice(tag_sets), fields, 1_000 + number * 2 - late + chance.randint(0, 1)))
        yield "\n".join(lines)


def tame_batches(chance: random.Random) -> Iterator[str]:
    """All columns from the first batch on, and no two rows of one time: what the panel can take in every format."""
    names = FIELDS[:3]
    for number in count(1):
        time = number * 100 - chance.choice([0, 0, 0, 1_050])
        if number == 1:
            yield "\n".join(line(tags, dict.fromkeys(names, "1"), time) for tags in READABLE_TAG_SETS)
            continue
        tag_sets = chance.sample(READABLE_TAG_SETS, chance.randint(1, 4))
        fields = dict.fromkeys(chance.sample(names, chance.randint(1, 3)), f"{number}.5")
        yield "\n".join(line(tags, fields, time + step) for step, tags in enumerate(tag_sets))


async def push_through_cuts(
    here: Dashboard, chance: random.Random, batches: Iterator[str], *, total: int, away_too_long: bool
) -> None:
    """Push in rounds, each with a cut somewhere; in some there is no connection at all for a while."""
    pushed = 0
    for round_number in count(1):
        some = [next(batches) for _ in range(min(chance.randint(1, 40), total - pushed))]
        if not some:
            break
        pushed += len(some)
        if away_too_long and round_number % 5 == 0:
            async with here.absence():
                await push(here, chance, some)
        else:
            here.proxy.cut_after(chance.randint(1, 8_000))
            await push(here, chance, some)
        await here.wait_until_given()
        if round_number == 4:
            await here.reopen()


async def push(here: Dashboard, chance: random.Random, bodies: list[str]) -> None:
    for body in bodies:
        bad = chance.sample(list(BAD_LINES), 2) if chance.random() < 0.1 else []
        await here.push(body, {text: BAD_LINES[text] for text in bad})


async def test_a_series_panel_misses_nothing_in_a_thousand_batches(server: RunningServer, stream: str) -> None:
    chance = random.Random(11)
    async with dashboard(server, stream, ("series",)) as here:
        await push_through_cuts(here, chance, wild_batches(chance), total=1_000, away_too_long=False)
        await here.check_panels()
        given = here.given["series"]
        assert here.proxy.cuts >= 25
        assert given.recovered >= 20
        assert (given.not_recovered, given.lost) == (0, 0)
        assert len(here.expected("series")) == 1 + len(TAG_SETS) * len(FIELDS)


async def test_a_series_panel_misses_only_what_it_was_told_is_gone(start_server: ServerStarter, stream: str) -> None:
    chance = random.Random(12)
    server = start_server("history.rows=30")
    async with dashboard(server, stream, ("series",), history_rows=30) as here:
        await push_through_cuts(here, chance, wild_batches(chance), total=1_000, away_too_long=True)
        await here.check_panels()
        given = here.given["series"]
        assert here.proxy.cuts >= 25
        assert given.recovered >= 5
        assert given.not_recovered >= 5
        assert given.lost > 0


async def test_panels_of_the_other_formats_endure_while_no_column_is_new(
    start_server: ServerStarter, stream: str
) -> None:
    chance = random.Random(13)
    server = start_server("history.rows=60")
    async with dashboard(server, stream, ("labels_column", "wide"), history_rows=60) as here:
        await push_through_cuts(here, chance, tame_batches(chance), total=300, away_too_long=True)
        await here.check_panels()
        assert here.proxy.cuts >= 8
        assert all(given.recovered and given.not_recovered for given in here.given.values())
