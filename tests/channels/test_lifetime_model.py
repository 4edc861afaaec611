"""Whatever happens to channels, in whatever order: a source runs exactly while it should, and never twice at once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from framecast.channels.outsiders import Run
from framecast.errors import Refusal
from framecast.settings import Sources
from lived import Place, Scripted, channel, place

CHANNELS = [channel(name) for name in ("a", "b", "c")]
LIMITS = Sources(grace_seconds=15, stop_seconds=2)

Step = tuple[str, int, float]
steps = st.lists(
    st.tuples(
        st.sampled_from(["join", "join", "leave", "fail", "return", "renew", "stop", "wait"]),
        st.integers(0, len(CHANNELS) - 1),
        st.sampled_from([0.05, 1.0, 7.0, 14.0, 16.0]),
    ),
    max_size=40,
)


@dataclass
class Told(Scripted):
    """Does what it is told while it runs; slow to end."""

    order: str = ""
    bell: trio.Event = field(default_factory=trio.Event)
    slow: float = 0.0

    def tell(self, order: str) -> None:
        if self.running:
            self.order = order
            self.bell.set()

    async def obey(self, run: Run) -> None:
        self.bell = trio.Event()
        try:
            await self.bell.wait()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(self.slow)
        if self.order == "fail":
            raise ValueError("told to")


def make(slow: float) -> Told:
    source = Told(slow=slow)
    source.work = source.obey
    return source


async def play(script: list[Step], slow: float) -> None:
    sources = [make(slow) for _ in CHANNELS]
    finished = [False for _ in CHANNELS]
    async with place(LIMITS) as here:
        for what, number, seconds in script:
            address, source = CHANNELS[number], sources[number]
            if what == "join":
                try:
                    here.subscribe(address, source)
                    finished[number] = False
                except Refusal as refusal:
                    assert (refusal.code, refusal.temporary) == (503, True)
            elif what == "leave":
                if here.board.counts[address]:
                    here.board.leave(address)
            elif what == "wait":
                await trio.sleep(seconds)
            else:
                await ACTIONS[what](here, number, source, finished)
        await trio.sleep(LIMITS.restart_max_seconds + slow + 0.1)
        for number, (address, source) in enumerate(zip(CHANNELS, sources, strict=True)):
            if here.board.counts[address]:
                assert source.running == (not finished[number]), (address, script)
            assert source.most_running <= 1
        for address in CHANNELS:
            while here.board.counts[address]:
                here.board.leave(address)
        await trio.sleep(LIMITS.grace_seconds + LIMITS.restart_max_seconds + slow + 0.1)
        assert [source.running for source in sources] == [0, 0, 0]
        assert here.lifetimes.count == 0
    assert here.abandoned == 0


async def _fail(here: Place, number: int, source: Told, finished: list[bool]) -> None:
    source.tell("fail")
    await trio.sleep(0.01)


async def _return(here: Place, number: int, source: Told, finished: list[bool]) -> None:
    if source.running and not source.bell.is_set():
        source.tell("return")
        await trio.sleep(source.slow + 0.01)
        finished[number] = not source.running


async def _renew(here: Place, number: int, source: Told, finished: list[bool]) -> None:
    here.lifetimes.renew(lambda address: address == CHANNELS[number])
    finished[number] = False
    await trio.sleep(source.slow + 0.01)


async def _stop(here: Place, number: int, source: Told, finished: list[bool]) -> None:
    here.lifetimes.stop(lambda address: address == CHANNELS[number])
    await trio.sleep(source.slow + 0.01)


ACTIONS: dict[str, Callable[[Place, int, Told, list[bool]], Awaitable[None]]] = {
    "fail": _fail,
    "return": _return,
    "renew": _renew,
    "stop": _stop,
}


@given(steps, st.sampled_from([0.0, 0.5]))
def test_a_source_runs_exactly_while_somebody_is_there(script: list[Step], slow: float) -> None:
    trio.run(play, script, slow, clock=MockClock(autojump_threshold=0))
    assert True, "what must hold is asserted while it plays"
