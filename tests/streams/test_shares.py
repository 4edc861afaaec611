"""What all streams hold together is bounded, and each has its share whatever the others do."""

from framecast.settings import Streams
from framecast.streams.shares import Budget
from live_world import live_world

LIMITS = Streams(max_streams=10, schemas_bytes=100_000, series_bytes=20_000)


def body(measurement: str, columns: int) -> bytes:
    return "".join(f"{measurement} a_field_{number}=1i\n" for number in range(columns)).encode()


def test_a_budget_gives_what_is_free_and_at_least_a_share() -> None:
    budget = Budget(1_000, streams=10, most_bytes=600)
    assert budget.allow(0) == 600
    budget.held_bytes = 700
    assert (budget.allow(0), budget.allow(200)) == (300, 500)
    budget.held_bytes = 2_000
    assert (budget.allow(0), budget.allow(90), budget.allow(300)) == (100, 100, 300)


async def test_a_stream_that_fills_the_budget_leaves_the_others_their_share() -> None:
    async with live_world(streams=LIMITS) as world:
        refused = 0
        for number in range(20):
            result = await world.streams.push(1, "greedy", body(f"m{number}", 100), 0)
            refused += result.reasons.get("schemas_limit", 0)
            assert result.accepted + result.rejected == 100
        held = world.streams.budgets.schemas.held_bytes
        assert refused > 500
        assert 90_000 < held <= 100_000
        assert await world.push("late", body("m", 40)) == 40
        result = await world.streams.push(1, "late", body("n", 100), 0)
        assert result.rejected == result.reasons["schemas_limit"] > 0
        assert held + 9_000 < world.streams.budgets.schemas.held_bytes <= held + 10_000
        # What is there goes on.
        assert await world.push("greedy", body("m0", 100)) == 100


async def test_spellings_of_series_are_remembered_within_the_budget() -> None:
    async with live_world(streams=LIMITS) as world:
        for stream in ("s", "t"):
            lines = "".join(f"m,host=a_host_named_{number} n=1i\n" for number in range(2_000))
            assert await world.push(stream, lines.encode()) == 2_000
            assert 0 < world.streams.budgets.series.held_bytes <= 22_000


async def test_a_forgotten_stream_gives_its_share_back() -> None:
    now = [0.0]
    async with live_world(streams=Streams(max_streams=1, evict_seconds=1), clock=lambda: now[0]) as world:
        await world.push("s", body("m,h=a", 50))
        before = (world.streams.budgets.schemas.held_bytes, world.streams.budgets.series.held_bytes)
        now[0] += 2
        await world.push("t", body("m,h=a", 50))
        after = (world.streams.budgets.schemas.held_bytes, world.streams.budgets.series.held_bytes)
        assert min(before) > 0
        assert before == after
        await world.push("t", b"bad")
        await world.streams.push(1, "t", b"m,h=a a_field_1=1i", 0)
        assert (world.streams.budgets.schemas.held_bytes, world.streams.budgets.series.held_bytes) == after
