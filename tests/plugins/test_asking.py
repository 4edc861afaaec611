"""Questions to plugins: what failed is told, once for each thing that was asked, and in few lines."""

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
import trio
from trio.testing import MockClock

from framecast.channels.outsiders import Outsiders
from framecast.errors import Refusal
from framecast.plugins import FrameError
from framecast.plugins.asking import Asking, Question
from framecast.settings import Sources


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[Asking, list[MutableMapping[str, Any]]]]:
    outsiders, limits = Outsiders(), Sources()
    with structlog.testing.capture_logs() as logs:
        async with outsiders.open(limits.stop_seconds, abandon=lambda: None):
            yield Asking(outsiders, limits), logs


async def fail(asking: Asking, question: Question, failure: Exception | None = None) -> Refusal:
    """The refusal that comes of it; of no answer at all where there is no failure."""

    async def answer() -> None:
        if failure is None:
            await trio.sleep_forever()
        else:
            raise failure

    with pytest.raises(Refusal) as caught:
        await asking.ask(question, answer)
    return caught.value


async def test_every_question_that_fails_has_a_line_of_its_own(autojump_clock: MockClock) -> None:
    questions = [
        Question("p", "subscribe", "plugin/p/a"),
        Question("p", "subscribe", "plugin/p/b"),
        Question("p", "publish", "plugin/p/a"),
        Question("p", "query", data_source="net", ref_ids=("A", "B")),
        Question("p", "check_health", data_source="net"),
    ]
    async with asking() as (asked, logs):
        for _ in range(2):
            for question in questions:
                await fail(asked, question, ValueError("x"))
        told = [{key: value for key, value in line.items() if key != "exc_info"} for line in logs]
        common = {"plugin": "p", "event": "a plugin failed to answer", "log_level": "warning", "unlogged": 0}
        assert told == [
            {"method": "subscribe", "channel": "plugin/p/a", **common},
            {"method": "subscribe", "channel": "plugin/p/b", **common},
            {"method": "publish", "channel": "plugin/p/a", **common},
            {"method": "query", "data_source": "net", "query": "A, B", **common},
            {"method": "check_health", "data_source": "net", **common},
        ]
        await trio.sleep(61)
        await fail(asked, questions[1], ValueError("x"))
        assert (logs[-1]["channel"], logs[-1]["unlogged"]) == ("plugin/p/b", 1)


async def test_one_plugin_with_many_channels_costs_few_lines_and_its_neighbour_none(autojump_clock: MockClock) -> None:
    async with asking() as (asked, logs):
        for number in range(30):
            await fail(asked, Question("p", "subscribe", f"plugin/p/{number}"), ValueError("x"))
        assert len(logs) == 20
        await fail(asked, Question("q", "subscribe", "plugin/q/a"), ValueError("x"))
        assert logs[-1]["plugin"] == "q"
        await trio.sleep(61)
        await fail(asked, Question("p", "subscribe", "plugin/p/new"), ValueError("x"))
        assert [(line["plugin"], line.get("count"), line.get("channel")) for line in logs[21:]] == [
            ("p", 10, None),
            ("p", None, "plugin/p/new"),
        ]


async def test_no_answer_names_the_method(autojump_clock: MockClock) -> None:
    async with asking() as (asked, logs):
        refusal = await fail(asked, Question("p", "publish", "plugin/p/a"))
        assert (refusal.code, refusal.message) == (
            504,
            "the plugin p did not answer about plugin/p/a in time (publish)",
        )
        assert (logs[0]["event"], logs[0]["method"]) == ("a plugin does not answer", "publish")


async def test_a_reason_is_told_where_its_words_are_ours_and_no_other(autojump_clock: MockClock) -> None:
    question = Question("p", "query", data_source="net", ref_ids=("A",))
    said = "the plugin p failed to answer about a query of the data source net"
    async with asking() as (asked, _):
        for failure in (
            FrameError("column 'x': a bad value"),
            ExceptionGroup("", [FrameError("column 'x': a bad value")]),
        ):
            assert (await fail(asked, question, failure)).message == f"{said}: column 'x': a bad value"
        assert (await fail(asked, question, ValueError("password=hunter2"))).message == said
