"""Pages of the past and the newest of a cache, against a plain list of all that was published."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.channels.broker import Position, Publication
from framecast.channels.history import ALL, ChannelHistory, Kept
from framecast.errors import Refusal
from framecast.settings import ChannelOptions

CHANNEL = "1/grafana/broadcast/a"


def history_of(published: int, dropped: int = 0, *, epoch: str = "e") -> ChannelHistory:
    """A channel on which 1…`published` were published, of which the oldest are not kept any more."""
    history = ChannelHistory(CHANNEL, Position(epoch, 0), options=ChannelOptions())
    for offset in range(1, published + 1):
        history.append(Publication(CHANNEL, b"%d" % offset, None, 1, epoch, offset, offset - 1), 0.0)
    for _ in range(dropped):
        history.drop_oldest()
    return history


def offsets(page: list[Kept]) -> list[int]:
    return [kept.offset for kept in page]


@given(
    published=st.integers(0, 12),
    dropped=st.integers(0, 12),
    since=st.none() | st.tuples(st.sampled_from(["", "e", "other"]), st.integers(0, 15)),
    limit=st.integers(-3, 14),
    reverse=st.booleans(),
)
def test_pages_are_cuts_of_the_list_of_what_is_kept(
    published: int, dropped: int, since: tuple[str, int] | None, limit: int, reverse: bool
) -> None:
    dropped = min(dropped, published)
    history = history_of(published, dropped)
    position = None if since is None else Position(*since)
    expected_code = None
    if limit < -1 or (reverse and since is not None and since[1] == 0):
        expected_code = 107
    elif since is not None and since[0] == "other":
        expected_code = 112
    if expected_code is not None:
        with pytest.raises(Refusal) as caught:
            history.page(since=position, limit=limit, reverse=reverse)
        assert (caught.value.code, caught.value.temporary) == (expected_code, False)
        return
    all_of_it = list(range(dropped + 1, published + 1))
    if reverse:
        all_of_it = [offset for offset in all_of_it[::-1] if since is None or offset < since[1]]
    elif since is not None:
        all_of_it = [offset for offset in all_of_it if offset > since[1]]
    page = history.page(since=position, limit=limit, reverse=reverse)
    assert offsets(page) == (all_of_it if limit == ALL else all_of_it[:limit])
    assert [kept.data for kept in page] == [b"%d" % kept.offset for kept in page]


def test_a_page_since_what_is_not_kept_any_more_begins_with_the_oldest() -> None:
    assert offsets(history_of(9, 6).page(since=Position("e", 2), limit=2, reverse=False)) == [7, 8]


def test_a_page_since_the_future_is_empty() -> None:
    assert history_of(9).page(since=Position("e", 99), limit=ALL, reverse=False) == []


def test_offsets_that_jump_stand_in_pages_as_they_are() -> None:
    history = history_of(2)
    history.append(Publication(CHANNEL, b"x", None, 1, "e", 2**32, 2), 0.0)
    assert offsets(history.page(since=Position("e", 1), limit=ALL, reverse=False)) == [2, 2**32]
    assert offsets(history.page(since=Position("e", 2**32), limit=1, reverse=True)) == [2]


@pytest.mark.parametrize(
    ("published", "dropped", "position", "expected"),
    [
        (3, 0, Position("e", 1), [3]),
        (3, 0, Position("", 0), [3]),
        (3, 0, Position("other", 3), [3]),
        (3, 0, Position("e", 3), []),
        (3, 3, Position("e", 3), []),
        (3, 0, Position("e", 9), [3]),
        (3, 3, Position("e", 2), None),
        (0, 0, Position("e", 0), None),
        (0, 0, Position("", 0), None),
    ],
)
def test_a_cache_gives_its_newest_publication_and_nothing_twice(
    published: int, dropped: int, position: Position, expected: list[int] | None
) -> None:
    newest = history_of(published, dropped).newest_since(position)
    assert (None if newest is None else offsets(list(newest))) == expected
