"""What plugins return: an answer, or an error that names the method and what came instead."""

from typing import Any

import pytest
from trio.testing import MockClock

from framecast.errors import Refusal
from framecast.plugins import Context, DataSource, Frame, Health, Plugin, Query
from framecast.plugins.testing import hosted

WRONG_PACKETS = [(17, "int"), ({"x": 1}, "dict"), ("{}", "str"), ([], "list")]
WRONG_FRAMES = [
    (17, "int"),
    (None, "None"),
    ({"x": [1]}, "dict"),
    ("x", "str"),
    (b"{}", "bytes"),
    ([{"x": 1}], "list of dict"),
    ([None], "list of None"),
]


class Returning(Plugin):
    """Answers everything with one value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    async def subscribe(self, context: Context, path: str, data: bytes) -> Any:
        return self.value

    async def publish(self, context: Context, path: str, data: bytes) -> Any:
        return self.value

    async def query(self, context: Context, query: Query) -> Any:
        return self.value

    async def check_health(self, context: Context) -> Any:
        return self.value


@pytest.mark.parametrize(("value", "name"), WRONG_PACKETS, ids=repr)
async def test_a_wrong_packet_is_told_with_the_method(value: Any, name: str, autojump_clock: MockClock) -> None:
    async with hosted(Returning(value)) as host:
        for method, asked in (("subscribe", host.subscribe("a")), ("publish", host.publish("a", 1))):
            with pytest.raises(Refusal) as caught:
                await asked
            assert caught.value.code == 500
            assert "the plugin under-test failed to answer about " in caught.value.message
            assert caught.value.message.endswith(f"/a: {method} returned {name}: a Frame, JSON as bytes or None")


@pytest.mark.parametrize(("value", "name"), WRONG_FRAMES, ids=repr)
async def test_a_wrong_answer_to_a_query_is_told(value: Any, name: str, autojump_clock: MockClock) -> None:
    async with hosted(Returning(value), data_source=DataSource("net")) as host:
        answer = await host.query(Query("A", 0, 1))
        assert answer["status"] == 500
        assert answer["error"].endswith(f"net: query returned {name}: a Frame or several")


@pytest.mark.parametrize(
    ("value", "initial"), [(None, None), (b"", None), (b"[1]", [1]), (Frame([], name="f"), "f")], ids=repr
)
async def test_what_may_begin_a_subscription_is_taken(value: Any, initial: Any, autojump_clock: MockClock) -> None:
    async with hosted(Returning(value)) as host:
        begun = (await host.subscribe("a")).initial
        assert (begun["schema"]["name"] if initial == "f" else begun) == initial


@pytest.mark.parametrize("value", [Frame([]), [], (Frame([]), Frame([])), iter([Frame([])])], ids=repr)
async def test_frames_may_come_as_they_like(value: Any, autojump_clock: MockClock) -> None:
    async with hosted(Returning(value)) as host:
        assert (await host.query(Query("A", 0, 1)))["status"] == 200


async def test_a_health_that_is_none_is_told(autojump_clock: MockClock) -> None:
    for value, words in (
        ("fine", "check_health returned str: a Health or None"),
        (Health("ok", "", {"x": object()}), "check_health returned a Health that cannot be written as JSON"),
    ):
        async with hosted(Returning(value), data_source=DataSource("net")) as host:
            with pytest.raises(Refusal, match=words):
                await host.check_health()


def test_a_health_has_one_of_three_names() -> None:
    assert [Health(status).status for status in ("ok", "error", "unknown")] == ["ok", "error", "unknown"]
    with pytest.raises(ValueError, match="a Health is one of 'ok', 'error', 'unknown', not 'great'"):
        Health("great", "x")  # type: ignore[arg-type] # what an author without a type checker writes
