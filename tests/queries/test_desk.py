"""Requests and what becomes of them: every query is answered or fails by itself, within every limit."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from framecast import _core, metrics
from framecast.accounts.identity import Reach
from framecast.errors import Refusal
from framecast.plugins import (
    Column,
    Context,
    Frame,
    NotFoundError,
    PermissionDeniedError,
    Plugin,
    Query,
    QueryError,
    grafana_queries,
    querying,
)
from framecast.plugins.grafana import GrafanaPlugin
from framecast.plugins.host import backend
from framecast.plugins.host.context import CallContext
from queries.place import NOW_SECONDS, VIEWER, of, query_place

GOLDEN = Path(__file__).parent.parent / "data" / "arrow"
LABELS = (GOLDEN / "labels.arrow").read_bytes()


class Obliging(Plugin):
    """Does what a query's type says."""

    def __init__(self) -> None:
        self.asked: list[tuple[Context, Query]] = []
        self.running = 0
        self.most_running = 0
        self.made = 0

    async def query(self, context: Context, query: Query) -> Frame | Iterable[Frame]:
        self.asked.append((context, query))
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            answer: Frame | Iterable[Frame] = await self._answer(query)
            return answer
        finally:
            self.running -= 1

    async def _answer(self, query: Query) -> Any:
        match query.query_type:
            case "slow":
                await trio.sleep(query.model["seconds"])
            case "none":
                return []
            case "two":
                return (one_frame(name) for name in ("x", "y"))
            case "named":
                return replace_ref(one_frame("x"), "theirs")
            case "refused":
                raise QueryError("no such table", 422)
            case "missing":
                raise NotFoundError("no such metric")
            case "forbidden":
                raise PermissionDeniedError("not for you")
            case "broken":
                raise RuntimeError("the plugin's own secret")
            case "no frame":
                return [{"time": 1}]
            case "long":
                return (self._make("x" * query.model["bytes"]) for _ in range(query.model.get("frames", 1)))
        return one_frame("x")

    def _make(self, name: str) -> Frame:
        self.made += 1
        return one_frame(name)


def one_frame(name: str) -> Frame:
    return Frame([Column("value", [1.5], "float64")], name=name)


def replace_ref(frame: Frame, ref_id: str) -> Frame:
    return Frame(frame.columns, name=frame.name, ref_id=ref_id)


class Backend:
    """A backend plugin that gives the same answers to all."""

    def __init__(self, answers: dict[str, backend.QueryAnswer] | Exception) -> None:
        self.answers = answers
        self.asked: list[tuple[CallContext, list[backend.Query]]] = []

    async def query(self, context: CallContext, queries: Iterable[backend.Query]) -> dict[str, backend.QueryAnswer]:
        self.asked.append((context, list(queries)))
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers


def grafana(answers: dict[str, backend.QueryAnswer] | Exception) -> tuple[GrafanaPlugin, Backend]:
    fake = Backend(answers)
    return GrafanaPlugin(fake), fake  # type: ignore[arg-type]  # streams are not asked for here


def outcomes() -> list[float]:
    """How many queries were answered, failed, and were left out."""
    return [metrics.queries.labels(outcome)._value.get() for outcome in ("answered", "failed", "unanswered")]


def arrow(*frames: bytes, status: int = 200, error: str = "", source: str = "") -> backend.QueryAnswer:
    return backend.QueryAnswer(frames, status, error, source)


async def test_each_query_is_answered_with_its_frames(autojump_clock: trio.testing.MockClock) -> None:
    plugin = Obliging()
    async with query_place({"p": plugin}) as place:
        results, failed = await place.ask(
            of("p", "A", maxDataPoints=3), of("p", "B", queryType="two"), of("p", "C", queryType="none"),
            of("p", "D", queryType="named"),
        )  # fmt: skip
    assert not failed
    schema = {"name": "x", "refId": "A", "fields": [{"name": "value", "type": "number"}]}
    [frame] = results["A"]["frames"]
    del frame["schema"]["fields"][0]["typeInfo"]
    assert results["A"] == {"status": 200, "frames": [{"schema": schema, "data": {"values": [[1.5]]}}]}
    assert [(one["schema"]["name"], one["schema"]["refId"]) for one in results["B"]["frames"]] == [
        ("x", "B"),
        ("y", "B"),
    ]
    assert results["C"] == {"status": 200, "frames": []}
    assert results["D"]["frames"][0]["schema"]["refId"] == "theirs"
    [(context, query)] = [asked for asked in plugin.asked if asked[1].ref_id == "A"]
    assert (context.org_id, context.plugin_id, context.channel) == (1, "p", "")
    assert (context.user and context.user.login, context.data_source and context.data_source.url) == ("vic", "http://p")
    assert (query.from_ms, query.to_ms, query.max_data_points, query.model["maxDataPoints"]) == (1_000, 2_000, 3, 3)


async def test_times_are_relative_to_now(autojump_clock: trio.testing.MockClock) -> None:
    plugin = Obliging()
    async with query_place({"p": plugin}) as place:
        await place.ask(of("p"), begin="now-1s", end="now")
    [(_, query)] = plugin.asked
    assert (query.from_ms, query.to_ms) == (NOW_SECONDS * 1_000 - 1_000, NOW_SECONDS * 1_000)


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("refused", 422, "no such table"),
        ("missing", 404, "Not Found: no such metric"),
        ("forbidden", 403, "Forbidden: not for you"),
        ("broken", 500, "failed to answer about a query of the data source p"),
        ("no frame", 500, "failed to answer"),
    ],
)
async def test_a_query_that_fails_fails_alone(
    autojump_clock: trio.testing.MockClock, kind: str, status: int, words: str
) -> None:
    async with query_place({"p": Obliging()}) as place:
        results, failed = await place.ask(of("p", "A", queryType=kind), of("p", "B"))
    assert failed
    assert (results["A"]["status"], results["A"]["errorSource"], "frames" in results["A"]) == (status, "plugin", False)
    assert words in results["A"]["error"]
    assert "secret" not in results["A"]["error"]
    assert results["B"]["status"] == 200


async def test_a_plugin_that_answers_no_queries_says_so(autojump_clock: trio.testing.MockClock) -> None:
    async with query_place({"p": Plugin()}) as place:
        results, _ = await place.ask(of("p"))
    assert (results["A"]["status"], results["A"]["error"]) == (404, "the plugin p answers no queries")


async def test_data_sources_are_asked_at_the_same_time_and_one_that_hangs_costs_its_own_queries(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with query_place({"p": Obliging(), "q": Obliging()}, seconds=60.0) as place:
        began = trio.current_time()
        queries = [
            of(uid, ref_id, queryType="slow", seconds=10) for uid, ref_id in (("p", "A"), ("q", "B"), ("p", "C"))
        ]
        results, failed = await place.ask(*queries)
        assert trio.current_time() - began == pytest.approx(10, abs=0.1)
        assert (failed, sorted(results)) == (False, ["A", "B", "C"])
        results, failed = await place.ask(of("p", "A", queryType="slow", seconds=1_000), of("p", "B"), of("q", "C"))
        assert trio.current_time() - began == pytest.approx(70, abs=0.1)
    assert failed
    assert (results["A"]["status"], "did not answer" in results["A"]["error"]) == (504, True)
    assert (results["B"]["status"], results["C"]["status"]) == (200, 200)


async def test_who_goes_away_ends_the_questions(autojump_clock: trio.testing.MockClock) -> None:
    plugin = Obliging()
    async with query_place({"p": plugin}) as place:
        with trio.move_on_after(1):
            await place.ask(of("p", queryType="slow", seconds=1_000))
        await trio.testing.wait_all_tasks_blocked()
        assert plugin.running == 0
        results, _ = await place.ask(of("p"))
        assert results["A"]["status"] == 200


async def test_more_queries_than_one_source_may_have_fail_and_others_are_answered(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with query_place({"p": Obliging(), "q": Obliging()}, max_running_of_one=2, max_running=4) as place:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(place.ask, of("p", queryType="slow", seconds=10))
            await trio.testing.wait_all_tasks_blocked()
            results, failed = await place.ask(of("p", "A"), of("q", "B"))
            assert (failed, results["A"]["status"], results["B"]["status"]) == (True, 503, 200)
            assert "queries.max_running_of_one" in results["A"]["error"]
            for _ in range(2):
                nursery.start_soon(place.ask, of("q", queryType="slow", seconds=10))
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(Refusal, match=r"queries\.max_running") as caught:
                await place.ask(of("q"))
            assert (caught.value.code, caught.value.temporary) == (503, True)
        results, failed = await place.ask(of("p", "A"), of("q", "B"))
        assert not failed


async def test_frames_that_do_not_fit_fail_their_query_and_others_are_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with query_place({"p": Obliging()}, response_bytes=5_000) as place:
        results, _ = await place.ask(
            of("p", "A", queryType="long", bytes=6_000), of("p", "B", queryType="long", bytes=10)
        )
        assert (results["A"]["status"], "queries.response_bytes" in results["A"]["error"]) == (413, True)
        assert results["B"]["status"] == 200
        results, _ = await place.ask(*(of("p", letter, queryType="long", bytes=2_000) for letter in "ABC"))
        assert sorted(result["status"] for result in results.values()) == [200, 200, 413]


@pytest.mark.parametrize(("frames", "answered"), [(3, 1), (1_000, 0)])
async def test_no_more_frames_are_made_than_fit(
    autojump_clock: trio.testing.MockClock, frames: int, answered: int
) -> None:
    """However many queries want that: who is first has the room, and nothing is made beyond it but one frame each."""
    plugin = Obliging()
    async with query_place({"p": plugin}, response_bytes=5_000) as place:
        queries = [of("p", letter, queryType="long", frames=frames, bytes=1_000) for letter in "ABCDEFGHIJ"]
        results, _ = await place.ask(*queries)
    statuses = [result["status"] for result in results.values()]
    assert (statuses.count(200), statuses.count(413)) == (answered, len(queries) - answered)
    assert plugin.made <= 4 + len(queries)


@pytest.mark.parametrize("backend_plugin", [False, True])
async def test_others_have_a_turn_after_each_frame_however_many_are_made(backend_plugin: bool) -> None:
    """Frames are counted in every turn of somebody who only ever wants the next one."""
    frames, in_a_turn, most = 0, 0, 0

    def count(make: Any) -> Any:
        def made(*args: Any, **options: Any) -> Any:
            nonlocal frames, in_a_turn
            frames, in_a_turn = frames + 1, in_a_turn + 1
            return make(*args, **options)

        return made

    async def watch() -> None:
        nonlocal in_a_turn, most
        while True:
            most, in_a_turn = max(most, in_a_turn), 0
            await trio.lowlevel.checkpoint()

    plugin: Plugin = grafana({"A": arrow(*[LABELS] * 50)})[0] if backend_plugin else Obliging()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(grafana_queries, "arrow_to_frame", count(_core.arrow_to_frame))
        patched.setattr(querying, "_spell", count(querying._spell))
        async with query_place({"p": plugin}) as place, trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            queries = [of("p", letter, queryType="long", frames=10, bytes=10) for letter in "ABCDE"]
            await place.ask(*queries)
            nursery.cancel_scope.cancel()
    assert frames == 50
    assert most <= 2  # one before and one behind the turn of who watches: Trio shuffles


@pytest.mark.parametrize(
    ("caller", "code"),
    [
        (replace(VIEWER, org_id=2), 404),
        (replace(VIEWER, reach=Reach(push=("*",), read=("*",))), 403),
    ],
)
async def test_who_may_not_and_whose_it_is_not_are_refused_before_a_plugin_is_asked(
    autojump_clock: trio.testing.MockClock, caller: Any, code: int
) -> None:
    plugin = Obliging()
    async with query_place({"p": plugin}) as place:
        with pytest.raises(Refusal) as caught:
            await place.ask(of("p"), caller=caller)
    assert (caught.value.code, plugin.asked) == (code, [])


async def test_a_source_that_is_not_there_refuses_the_request(autojump_clock: trio.testing.MockClock) -> None:
    plugin = Obliging()
    async with query_place({"p": plugin}) as place:
        for query in (of("q", "B"), {"datasourceId": 8, "refId": "B"}):
            with pytest.raises(Refusal) as caught:
                await place.ask(of("p", "A"), query)
            assert caught.value.code == 404
        place.sources.set("orphan", type="nobody's")
        with pytest.raises(Refusal, match="no plugin of that id") as caught:
            await place.ask(of("orphan"))
        assert (caught.value.code, plugin.asked) == (404, [])


async def test_one_source_by_its_uid_and_by_its_number_is_one(autojump_clock: trio.testing.MockClock) -> None:
    plugin, fake = grafana({"A": arrow(), "B": arrow()})
    async with query_place({"seven": plugin}) as place:
        await place.ask({"refId": "A", "datasourceId": 7}, of("seven", "B"))
    [(context, queries)] = fake.asked
    assert [query.ref_id for query in queries] == ["A", "B"]
    assert context.data_source is not None
    assert (context.data_source.uid, context.user and context.user.login) == ("seven", "vic")


async def test_a_backend_plugin_is_asked_once_for_all_and_its_frames_are_told_as_json(
    autojump_clock: trio.testing.MockClock,
) -> None:
    answers = {
        "A": arrow(LABELS, LABELS),
        "B": arrow(LABELS, status=502, error="half of it", source="downstream"),
        "C": arrow(status=400, error="no such metric"),
        "someone else's": arrow(LABELS),
    }
    plugin, fake = grafana(answers)
    counted = outcomes()
    async with query_place({"p": plugin}) as place:
        results, failed = await place.ask(*(of("p", letter, queryType="t", intervalMs=5) for letter in "DCBA"))
    assert failed
    assert [count - before for count, before in zip(outcomes(), counted, strict=True)] == [1, 2, 1]
    assert list(results) == ["A", "B", "C"]  # one left out by the plugin, and one that nobody asked
    assert [frame["schema"]["refId"] for frame in results["A"]["frames"]] == ["A", "A"]
    told = results["B"]
    assert (told["status"], told["error"], told["errorSource"], len(told["frames"])) == (
        502,
        "half of it",
        "downstream",
        1,
    )
    assert results["C"] == {"status": 400, "error": "no such metric", "errorSource": "plugin"}
    [(_, queries)] = fake.asked
    assert [(query.ref_id, query.query_type, query.interval_ms, query.from_ms) for query in queries] == [
        (letter, "t", 5, 1_000) for letter in "DCBA"
    ]


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize(("file", "words"), [(b"garbage", "it is no Arrow file"), (LABELS[:-1], "no Arrow file")])
async def test_a_frame_that_is_none_fails_its_query(file: bytes, words: str, in_thread: bool) -> None:
    plugin, _ = grafana({"A": arrow(LABELS, file), "B": arrow(LABELS)})
    async with query_place({"p": plugin}, thread_frame_bytes=1 if in_thread else 1_000_000) as place:
        results, failed = await place.ask(of("p", "A"), of("p", "B"))
    assert (failed, results["A"]["status"], results["B"]["status"]) == (True, 500, 200)
    assert "frame 2 of 2" in results["A"]["error"]
    assert words in results["A"]["error"]


async def test_frames_of_a_backend_plugin_share_the_room_of_their_request(
    autojump_clock: trio.testing.MockClock,
) -> None:
    plugin, _ = grafana({"A": arrow(LABELS), "B": arrow(LABELS, LABELS), "C": arrow(LABELS)})
    async with query_place({"p": plugin}, response_bytes=1_300) as place:
        results, _ = await place.ask(*(of("p", letter) for letter in "ABC"))
    assert [results[letter]["status"] for letter in "ABC"] == [200, 200, 500]
    assert "larger than" in results["C"]["error"]


async def test_a_backend_plugin_that_fails_fails_all_of_its_queries_and_no_others(
    autojump_clock: trio.testing.MockClock,
) -> None:
    plugin, _ = grafana(Refusal(503, "the plugin p: not ready", temporary=True))
    async with query_place({"p": plugin, "q": Obliging()}) as place:
        results, _ = await place.ask(of("p", "A"), of("q", "B"), of("p", "C"))
    failure = {"status": 503, "error": "the plugin p: not ready", "errorSource": "plugin"}
    assert (results["A"], results["B"]["status"], results["C"]) == (failure, 200, failure)
