"""bench/plugins: how it counts, what it takes for off the beat, and that a fault in one part costs no other."""

from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from bench.comparison import Round
from bench.machine import Machine
from bench.plugins.beating import find_missed
from bench.plugins.delivering import find_hold
from bench.plugins.figures import Marks, find_deviations, spread
from bench.plugins.frames import EndedError, FrameReader, encode_commands
from bench.plugins.measuring import measure
from bench.plugins.question import Goal, Measured, Place, Question
from bench.plugins.questions import GRPCIO, Shape, ask
from bench.plugins.report import Answer, PluginsRecord, find_answer, write_page
from bench.rows.row import Figure
from hypothesis import given
from hypothesis import strategies as st

NOWHERE = Place(0, 1, 1, Path("/nowhere"), Path("/nowhere"))
RATE, LATE = Figure("packets_s", "packets/s", 1.0, more_is_better=True), Figure("p99", "p99 ms", 1.0)


def server_frame(payload: bytes, kind: int = 0x1) -> bytes:
    if len(payload) < 126:
        return bytes([0x80 | kind, len(payload)]) + payload
    if len(payload) < 65_536:
        return bytes([0x80 | kind, 126]) + len(payload).to_bytes(2, "big") + payload
    return bytes([0x80 | kind, 127]) + len(payload).to_bytes(8, "big") + payload


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(bounds)]


def test_a_stream_on_the_beat_is_nowhere_off_it_whenever_it_began() -> None:
    arrivals = [7.123 + number * 0.05 for number in range(100)]
    assert max(find_deviations(arrivals, 0.05)) == pytest.approx(0.0, abs=1e-9)


def test_one_late_packet_is_off_by_its_delay_and_no_other_is() -> None:
    arrivals = [number * 0.05 for number in range(100)]
    arrivals[40] += 0.02
    deviations = find_deviations(arrivals, 0.05)
    assert deviations[40] == pytest.approx(0.02)
    assert max(deviations[:40] + deviations[41:]) == pytest.approx(0.0, abs=1e-9)


def test_a_stream_that_drifts_or_leaves_out_a_beat_is_off_it() -> None:
    drifting = [number * 0.0505 for number in range(400)]
    assert max(find_deviations(drifting, 0.05)) == pytest.approx(0.1, rel=0.01)
    skipping = [number * 0.05 + (0.05 if number >= 75 else 0.0) for number in range(100)]
    assert find_deviations(skipping, 0.05)[-1] == pytest.approx(0.05)
    assert find_deviations([], 0.05) == []


def test_a_spread_is_of_what_was_seen_in_any_order() -> None:
    assert spread([float(number) for number in range(100, -1, -1)], 2.0) == {"p50": 25.0, "p99": 49.5, "max": 50.0}
    with pytest.raises(ValueError, match="nothing"):
        spread([], 1.0)


@given(st.lists(st.binary(max_size=12), max_size=20), st.lists(st.integers(0, 1_000), max_size=20))
def test_marks_are_counted_once_wherever_the_stream_is_cut(between: list[bytes], places: list[int]) -> None:
    stream = b'"padding"'.join(between)
    marks = Marks(b'"padding"')
    for piece in cut(stream, places):
        marks.take(piece)
    assert marks.seen == stream.count(b'"padding"')


@given(st.lists(st.sampled_from([0, 1, 125, 126, 300, 65_535, 65_536]), max_size=4), st.lists(st.integers(0, 200_000)))
def test_messages_come_whole_wherever_the_stream_is_cut(sizes: list[int], places: list[int]) -> None:
    messages = [b"m" * size for size in sizes]
    reader, read = FrameReader(), list[bytes]()
    for piece in cut(b"".join(map(server_frame, messages)), places):
        read += reader.take(piece)
    assert read == messages


def test_a_server_that_closes_says_why_and_what_is_said_to_it_is_a_masked_frame() -> None:
    with pytest.raises(EndedError, match="slow"):
        FrameReader().take(server_frame(b"\x0b\xc0slow", kind=0x8))
    said = encode_commands([{"id": 1}, {"id": 2}])
    assert said == b"\x81\x93" + bytes(4) + b'{"id": 1}\n{"id": 2}'
    assert encode_commands([{"id": "x" * 200}])[:4] == b"\x81\xfe\x00\xd2"


@pytest.mark.parametrize(
    ("load", "plugin", "server", "shared", "words"),
    [
        (0.3, 0.2, 0.95, True, ""),
        (0.9, 0.0, 0.95, False, "the load could not keep up"),
        (0.5, 0.4, 0.95, True, "share a core"),
        (0.5, 0.4, 0.95, False, ""),
        (0.1, 0.9, 0.3, False, "the plugin could not keep up"),
        (0.1, 0.1, 0.3, True, "the server ran for 30%"),
    ],
)
def test_who_set_the_pace_is_told(load: float, plugin: float, server: float, shared: bool, words: str) -> None:
    told = find_hold({"load_busy": load, "plugin_busy": plugin, "server_busy": server}, shared=shared)
    assert words in told
    assert bool(told) == bool(words)


def test_a_stream_that_sends_less_than_was_due_is_a_fault() -> None:
    whole, poor = [0.0] * 100, [0.0] * 90
    assert find_missed({b"a": whole}, 5.0) == []
    [told] = find_missed({b"a": whole, b"b": poor}, 5.0)
    assert told.startswith("1 streams sent less than was due, b 90 packets")


def answer(goal: Goal | None, figure: Figure, *rounds: Round) -> Answer:
    names = dict.fromkeys(each.server for each in rounds)
    question = Question("q", "question", (figure,), {name: lambda _: Measured({}) for name in names}, goal)
    return find_answer(question, rounds)


def seen(server: str, value: float, figure: str = "packets_s", *, held_back: str = "", fault: str = "") -> Round:
    return Round(server=server, number=1, figures={figure: value}, held_back=held_back, faults=[fault] if fault else [])


@pytest.mark.parametrize(
    ("ours", "held_back", "outcome"),
    [
        (400.0, "", "met"),
        (399.0, "", "missed"),
        (401.0, "by the plugin", "met"),
        (300.0, "by the plugin", "not judged"),
    ],
)
def test_the_ratio_to_grpcio_is_judged_as_far_as_it_was_seen(ours: float, held_back: str, outcome: str) -> None:
    goal = Goal("packets_s", 4.0, GRPCIO)
    [finding] = answer(goal, RATE, seen("framecast", ours, held_back=held_back), seen(GRPCIO, 100.0)).findings
    assert finding.goal is not None
    assert (finding.goal.outcome, finding.ratio) == (outcome, ours / 100)


def test_a_figure_may_have_a_goal_by_itself() -> None:
    for value, held_back, outcome in ((10.0, "", "met"), (10.1, "", "missed"), (10.1, "busy", "not judged")):
        [finding] = answer(Goal("p99", 10.0), LATE, seen("framecast", value, "p99", held_back=held_back)).findings
        assert finding.goal is not None
        assert finding.goal.outcome == outcome


def test_rounds_with_faults_count_for_nothing_and_the_page_tells_of_them() -> None:
    found = answer(Goal("packets_s", 4.0, GRPCIO), RATE, seen("framecast", 9.0), seen(GRPCIO, 1.0, fault="it broke"))
    [finding] = found.findings
    assert (set(finding.medians), finding.ratio) == ({"framecast"}, None)
    page = write_page(record_of(found))
    assert "| question | packets/s | 9.00 [9.00-9.00] | not valid ! | - | ≥ 4 | not judged |" in page
    assert "- question, grpcio, round 1: it broke" in page
    assert "Not complete" in page


def record_of(*answers: Answer) -> PluginsRecord:
    return PluginsRecord(
        command="python -m bench.plugins",
        commit="abc",
        began="2026-01-01",
        machine=Machine(name="m", processor="p", cores=2, memory_bytes=1, system="Linux"),
        versions={},
        rounds=1,
        shape=Shape(),
        server_core=0,
        load_core=1,
        plugin_core=1,
        answers=list(answers),
    )


def test_what_goes_wrong_with_one_answer_costs_no_other() -> None:
    turns: list[str] = []

    def reply(name: str, place: Place) -> Measured:
        turns.append(name)
        if name == "broken":
            raise EndedError("the disk is on fire")
        return Measured({"packets_s": 1.0})

    contenders = {name: partial(reply, name) for name in ("broken", "whole")}
    kept: dict[str, list[Round]] = {}
    questions = [Question(name, name, (RATE,), contenders) for name in ("first", "second")]
    measure(questions, NOWHERE, 2, lambda question, rounds: kept.update({question.name: rounds}))
    assert turns == ["broken", "whole", "whole", "broken"] * 2
    for rounds in kept.values():
        assert [each.faults for each in rounds if each.server == "broken"] == [["the disk is on fire"]] * 2
        assert [each.figures for each in rounds if each.server == "whole"] == [{"packets_s": 1.0}] * 2


def test_every_goal_is_of_a_figure_that_its_question_has() -> None:
    questions = ask(Shape())
    assert len({question.name for question in questions}) == len(questions)
    for question in questions:
        if question.goal is not None:
            assert question.goal.figure in {figure.name for figure in question.figures}
            assert question.goal.against in {"", *question.contenders}
