"""The unit of timestamps, by the words of the senders."""

import pytest
from recording import make_intake
from test_push_http import House, body_of, request, status_of
from test_push_websocket import SERVER, refusal_of

from framecast._core import describe_points
from framecast.errors import Refusal
from framecast.ingest.precision import PRECISIONS, PRECISIONS_V1, find_precision
from framecast.ingest.websocket import PushSockets


def test_the_core_knows_every_unit_that_a_sender_may_name() -> None:
    for unit in {*PRECISIONS.values(), *PRECISIONS_V1.values()}:
        assert describe_points(b"m f=1 1", unit)


def test_none_at_all_is_nanoseconds_and_version_1_has_words_of_its_own() -> None:
    assert find_precision("") == find_precision("", PRECISIONS_V1) == "ns"
    assert [find_precision(word, PRECISIONS_V1) for word in ("n", "u", "m", "h")] == ["ns", "us", "m", "h"]


@pytest.mark.parametrize("word", ["n", "m", "h", "NS", "ns ", "second", "\x1b[31m"])
def test_another_word_is_refused_and_the_known_ones_are_named(word: str) -> None:
    with pytest.raises(Refusal, match="this server has: ns, us, ms, s, auto") as refused:
        find_precision(word)
    assert refused.value.code == 400
    assert refused.value.message.endswith("auto")
    assert refused.value.message.isprintable()


async def test_a_push_over_http_names_its_precision() -> None:
    house = House()
    paths = [f"/api/live/push/cpu{query}" for query in ("", "?precision=s", "?precision=auto", "?precision=")]
    answer = await house.converse(b"".join(request(b"m f=1 1\n", path=path) for path in paths))
    assert answer.count(b"HTTP/1.1 204") == 4
    assert house.streams.precisions == ["ns", "s", "auto", "ns"]


async def test_an_unknown_precision_is_400_and_nothing_is_stored() -> None:
    house = House()
    answer = await house.converse(request(b"m f=1 1\n", path="/api/live/push/cpu?precision=d"))
    assert status_of(answer) == 400
    assert "'d'" in body_of(answer)["message"]
    assert house.streams.pushed == []


async def test_an_unknown_precision_is_refused_before_the_upgrade() -> None:
    intake, _ = make_intake()
    refusal = await refusal_of(PushSockets(intake, SERVER), "/api/live/push/cpu?precision=d")
    assert refusal.startswith(b"HTTP/1.1 400")
