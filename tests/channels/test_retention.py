"""What is kept of the past: always the newest, without a hole, within every limit, and recovery exact or none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import settings as run_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from framecast.channels.broker import Position, Publication
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ENTRY_BYTES, ChannelHistory
from framecast.channels.options import OptionsTable
from framecast.channels.retention import Histories
from framecast.settings import ChannelOverrides, History

CHANNELS = ["1/stream/s/a", "1/stream/s/b", "1/stream/t/a", "2/stream/s/a"]


def publication(channel: str, offset: int, size: int, *, rows: int = 1, epoch: str = "e") -> Publication:
    return Publication(channel, b"x" * size, None, rows, epoch, offset, offset - 1)


def keep(
    limits: History, clock: Callable[[], float], channels: Mapping[str, ChannelOverrides] | None = None
) -> Histories:
    return Histories(limits, OptionsTable(channels or {}, limits), clock)


def histories(limits: History, channel: str, sizes: list[int], *, rows: int = 1) -> tuple[Histories, ChannelHistory]:
    """One channel, with a publication of each size."""
    kept = keep(limits, lambda: 0.0)
    for offset, size in enumerate(sizes, start=1):
        kept.take(publication(channel, offset, size, rows=rows))
    found = kept.find(channel)
    assert found is not None
    return kept, found


def offsets(history: ChannelHistory) -> list[int]:
    return [kept.offset for kept in history.after(0)]


def test_rows_bound_a_channel() -> None:
    _, history = histories(History(rows=10), CHANNELS[0], [1] * 5, rows=4)
    assert (offsets(history), history.rows) == ([4, 5], 8)


def test_bytes_bound_a_channel() -> None:
    kept, history = histories(History(bytes=4_096), CHANNELS[0], [1_000] * 9)
    assert offsets(history) == [7, 8, 9]
    assert kept.bytes == history.bytes == 3 * (1_000 + ENTRY_BYTES)


def test_the_newest_publication_is_kept_whatever_its_size() -> None:
    kept, history = histories(History(rows=1, bytes=4_096), CHANNELS[0], [10, 10_000], rows=100)
    assert offsets(history) == [2]
    assert kept.evicted == 0


def test_what_is_too_old_goes_with_the_next_publication() -> None:
    now = 0.0
    kept = keep(History(seconds=60.0), lambda: now)
    for offset in (1, 2, 3):
        now = 40.0 * offset
        kept.take(publication(CHANNELS[0], offset, 1))
    found = kept.find(CHANNELS[0])
    assert found is not None
    assert offsets(found) == [2, 3]


def take_in_turn(kept: Histories, *channels: str, size: int = 1_000) -> None:
    """One publication more on each."""
    for channel in channels:
        found = kept.find(channel)
        kept.take(publication(channel, 1 + (found.position.offset if found else 0), size))


def offsets_by_channel(kept: Histories, *channels: str) -> dict[str, list[int]]:
    return {channel: offsets(found) for channel in channels if (found := kept.find(channel)) is not None}


def test_at_the_budget_the_stream_that_holds_most_loses_first() -> None:
    kept = keep(History(total_bytes=3 * (1_000 + ENTRY_BYTES)), lambda: 0.0)
    channels = ("1/stream/s/a", "1/stream/t/a", "1/stream/s/b", "1/stream/u/a")
    take_in_turn(kept, *channels)
    # t is idle longest, but s holds more.
    assert offsets_by_channel(kept, *channels) == {key: [1] for key in channels} | {"1/stream/s/a": []}
    assert kept.evicted == 1


def test_of_streams_that_hold_alike_the_longest_idle_loses_first() -> None:
    kept = keep(History(total_bytes=3 * (1_000 + ENTRY_BYTES)), lambda: 0.0)
    channels = ("1/stream/s/a", "1/stream/t/a", "1/stream/u/a")
    take_in_turn(kept, *channels, "1/stream/v/a", "1/stream/w/a")
    left = {"1/stream/s/a": [], "1/stream/t/a": [], "1/stream/u/a": [1]}
    assert offsets_by_channel(kept, *channels) == left


@pytest.mark.parametrize("limit", ["total_bytes", "stream_bytes"])
def test_who_loses_goes_on_losing_until_others_hold_more(limit: str) -> None:
    kept = keep(History(**{limit: 10 * (1_000 + ENTRY_BYTES)}), lambda: 0.0)
    stream = "1/stream/s/" if limit == "stream_bytes" else "1/stream/"
    channels = [f"{stream}{name}/m" for name in "abc"]
    take_in_turn(kept, *channels[:2] * 5, *channels[2:] * 2)
    assert offsets_by_channel(kept, *channels) == dict(zip(channels, [[3, 4, 5], [1, 2, 3, 4, 5], [1, 2]], strict=True))


def test_a_flood_of_streams_leaves_the_past_of_one_that_holds_little() -> None:
    kept = keep(History(total_bytes=64 * (1_000 + ENTRY_BYTES)), lambda: 0.0)
    take_in_turn(kept, *["1/stream/slow/m"] * 2)
    for _ in range(30):
        take_in_turn(kept, *(f"1/stream/fast{number}/m" for number in range(12)))
    assert offsets_by_channel(kept, "1/stream/slow/m") == {"1/stream/slow/m": [1, 2]}
    assert kept.evicted > 200


def test_at_a_streams_limit_the_channel_that_holds_most_loses_first() -> None:
    kept = keep(History(stream_bytes=3 * (1_000 + ENTRY_BYTES)), lambda: 0.0)
    take_in_turn(kept, *CHANNELS[:3], CHANNELS[0], CHANNELS[0])
    assert offsets_by_channel(kept, *CHANNELS[:3]) == {CHANNELS[0]: [2, 3], CHANNELS[1]: [1], CHANNELS[2]: [1]}
    take_in_turn(kept, *[CHANNELS[0]] * 9)
    assert offsets_by_channel(kept, *CHANNELS[:2]) == {CHANNELS[0]: [11, 12], CHANNELS[1]: [1]}


def test_a_channels_own_limits_win_over_those_of_all() -> None:
    now = 0.0
    a, b, other = CHANNELS[:3]
    channels: dict[str, ChannelOverrides] = {
        "stream/s": {"history_rows": 4, "history_seconds": 10.0},
        "stream/t": {"history_bytes": 4_096},
    }
    kept = keep(History(rows=8, seconds=100.0), lambda: now, channels)
    for offset in range(1, 7):
        kept.take(publication(a, offset, 10))
    kept.take(publication(b, 1, 10))
    for offset in range(1, 7):
        kept.take(publication(other, offset, 1_500))
    assert offsets_by_channel(kept, a, other) == {a: [3, 4, 5, 6], other: [5, 6]}
    now = 11.0
    kept.take(publication(a, 7, 10))
    list(kept.expire())
    assert offsets_by_channel(kept, a, b, other) == {a: [7], b: [], other: [5, 6]}
    now = 101.0
    list(kept.expire())
    assert offsets_by_channel(kept, other) == {other: []}
    assert (kept.bytes, kept._streams) == (0, {})


def test_a_channel_without_rows_keeps_its_position_alone() -> None:
    kept = keep(History(), lambda: 0.0, {"stream/s": {"history_rows": 0}})
    for offset in (1, 2):
        kept.take(Publication(CHANNELS[0], b"x", b"{}", 0, "e", offset, offset - 1))
    found = kept.find(CHANNELS[0])
    assert found is not None
    assert (offsets(found), found.position, found.schema) == ([], Position("e", 2), b"{}")
    assert (kept.bytes, kept._streams, kept.evicted) == (0, {}, 0)
    assert found.missed_since(Position("e", 2)) == []
    assert found.missed_since(Position("e", 1)) is None
    kept.forget(CHANNELS[0])
    assert kept.find(CHANNELS[0]) is None


def test_who_published_is_kept_and_counted() -> None:
    kept = keep(History(), lambda: 0.0)
    info = ClientInfo("jürgen", "c1", b'{"a":1}', b"[2]")
    kept.take(Publication(CHANNELS[0], b"x" * 10, None, 1, "e", 1, 0, info))
    found = kept.find(CHANNELS[0])
    assert found is not None
    assert [one.info for one in found.after(0)] == [info]
    assert kept.bytes == found.bytes == 10 + ENTRY_BYTES + 7 + 2 + 7 + 3
    found.drop_oldest()
    assert found.bytes == 0


def test_a_publication_larger_than_the_whole_budget_is_not_kept() -> None:
    kept, history = histories(History(total_bytes=500), CHANNELS[0], [10, 1_000])
    assert (offsets(history), kept.bytes, history.position.offset) == ([], 0, 2)
    kept.take(publication(CHANNELS[0], 3, 10))
    assert offsets(history) == [3]


def test_a_sweep_leaves_a_channel_alone_that_began_anew_meanwhile() -> None:
    now = 0.0
    kept = keep(History(seconds=10), lambda: now)
    for channel in CHANNELS[:2]:
        kept.take(publication(channel, 1, 1_000))
    now = 20.0
    sweep = kept.expire()
    next(sweep)
    kept.forget(CHANNELS[1])
    kept.take(publication(CHANNELS[1], 1, 500, epoch="f"))
    list(sweep)
    found = kept.find(CHANNELS[1])
    assert found is not None
    assert kept.bytes == found.bytes == 500 + ENTRY_BYTES
    kept.forget(CHANNELS[1])
    assert (kept.bytes, kept._streams) == (0, {})


def test_a_sweep_passes_over_a_past_that_is_nobodys_any_more() -> None:
    kept = keep(History(), lambda: 0.0)
    first, ended, anew = (kept.begin(channel, Position("e", 0)) for channel in CHANNELS[:3])
    sweep = kept.expire()
    assert next(sweep) is first
    for history in (ended, anew):
        kept.forget(history.channel)
    kept.take(publication(anew.channel, 1, 10, epoch="f"))
    assert list(sweep) == []


def test_a_hole_makes_a_new_beginning() -> None:
    kept, history = histories(History(), CHANNELS[0], [1, 1])
    kept.take(Publication(CHANNELS[0], b"x", None, 1, "e", 9, 7))
    assert offsets(history) == [9]
    assert history.missed_since(Position("e", 2)) is None
    kept.take(publication(CHANNELS[0], 1, 1, epoch="f"))
    assert (offsets(history), history.position) == ([1], Position("f", 1))
    assert kept.bytes == history.bytes


def test_offsets_may_jump() -> None:
    kept, history = histories(History(), CHANNELS[0], [1, 1])
    kept.take(Publication(CHANNELS[0], b"x", None, 1, "e", 2**32, 2))
    assert [missed.offset for missed in history.missed_since(Position("e", 1)) or ()] == [2, 2**32]
    # Nobody was ever told this offset; whoever names it missed what follows it all the same.
    assert [missed.offset for missed in history.missed_since(Position("e", 77)) or ()] == [2**32]


def test_the_future_and_foreign_epochs_are_unknown() -> None:
    _, history = histories(History(), CHANNELS[0], [1, 1])
    assert history.missed_since(Position("e", 3)) is None
    assert history.missed_since(Position("other", 2)) is None
    assert history.missed_since(Position("e", 2)) == []
    assert [missed.offset for missed in history.missed_since(Position("", 0)) or ()] == [1, 2]


@dataclass
class Channel:
    """All that was ever published, and when."""

    epoch: str
    publications: list[tuple[int, float]] = field(default_factory=list)
    """Size and time."""


class Keeping(RuleBasedStateMachine):
    """Random publications on a few channels, against the whole past."""

    @initialize(
        limits=st.builds(
            History,
            rows=st.integers(1, 40),
            seconds=st.sampled_from([1.0, 10.0, 1_000.0]),
            bytes=st.integers(4_096, 9_000),
            stream_bytes=st.sampled_from([600, 3_000, 10_000]),
            total_bytes=st.sampled_from([600, 5_000, 20_000]),
        )
    )
    def begin(self, limits: History) -> None:
        self.limits = limits
        self.now = 0.0
        self.histories = keep(limits, lambda: self.now)
        self.lives = 0
        self.channels: dict[str, Channel] = {}

    @rule(channel=st.sampled_from(CHANNELS), size=st.sampled_from([0, 10, 500, 3_000, 9_500]), rows=st.integers(0, 9))
    def publish(self, channel: str, size: int, rows: int) -> None:
        if channel not in self.channels:
            self.lives += 1
            self.channels[channel] = Channel(f"e{self.lives}")
        life = self.channels[channel]
        life.publications.append((size, self.now))
        offset = len(life.publications)
        self.histories.take(publication(channel, offset, size, rows=rows, epoch=life.epoch))

    @rule(seconds=st.sampled_from([0.1, 2.0, 500.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def sweep(self) -> None:
        for history in self.histories.expire():
            oldest = history.oldest
            assert oldest is None or oldest.received_at >= self.now - self.limits.seconds

    @rule(channel=st.sampled_from(CHANNELS))
    def forget(self, channel: str) -> None:
        self.histories.forget(channel)
        self.channels.pop(channel, None)

    @rule(channel=st.sampled_from(CHANNELS), offset=st.integers(0, 30))
    def recover(self, channel: str, offset: int) -> None:
        history = self.histories.find(channel)
        if history is None:
            return
        life = self.channels[channel]
        newest = len(life.publications)
        missed = history.missed_since(Position(life.epoch, offset))
        expected = list(range(offset + 1, newest + 1))
        if missed is not None:
            assert [kept.offset for kept in missed] == expected
            assert [len(kept.data) for kept in missed] == [life.publications[at - 1][0] for at in expected]
        else:
            assert offset > newest or not set(expected) <= set(offsets(history)), "all of it was there"

    @invariant()
    def what_is_kept_is_a_suffix_and_counted(self) -> None:
        if not hasattr(self, "histories"):
            return
        total, by_stream = 0, dict.fromkeys({channel.rsplit("/", 1)[0] for channel in CHANNELS}, 0)
        for channel, life in self.channels.items():
            history = self.histories.find(channel)
            assert history is not None
            kept = offsets(history)
            newest = len(life.publications)
            assert kept == list(range(newest - len(kept) + 1, newest + 1))
            assert history.position == Position(life.epoch, newest)
            size = sum(life.publications[offset - 1][0] + ENTRY_BYTES for offset in kept)
            assert history.bytes == size
            assert len(kept) <= 1 or (size <= self.limits.bytes and history.rows <= self.limits.rows)
            total += size
            by_stream[channel.rsplit("/", 1)[0]] += size
        assert self.histories.bytes == total <= self.limits.total_bytes
        assert max(by_stream.values()) <= self.limits.stream_bytes
        if not total:
            assert not self.histories._streams

    @invariant()
    def who_loses_first_is_sought_among_those_who_hold_something(self) -> None:
        if not hasattr(self, "histories"):
            return
        streams = self.histories._streams
        sizes = {name: stream.bytes.bit_length() for name, stream in streams.items()}
        assert self.histories._holders._class_of == sizes
        for stream in streams.values():
            held = {channel: history.bytes.bit_length() for channel, history in stream.filled.items()}
            assert stream.holders._class_of == held


TestKeeping = Keeping.TestCase
TestKeeping.settings = run_settings(deadline=None)
