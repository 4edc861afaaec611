"""What is said of a run: faults, whose figures they are, and what to do."""

import msgspec
import pytest

from framecast.cli.bench.findings import Busy, Problem
from framecast.cli.bench.plan import Plan
from framecast.cli.bench.verdict import judge

from .examples import INGEST, MACHINE, NO_DURATIONS, PLAN, PUBLICATIONS, audience, ending, findings


def command_plan() -> Plan:
    replace = msgspec.structs.replace
    latency = PLAN.work.latency
    assert latency is not None
    publishing = replace(latency.publishing, way="command", path="/api/live/ws", names=["x"])
    return replace(PLAN, work=replace(PLAN.work, latency=replace(latency, publishing=publishing)))


def test_a_run_that_is_well_has_nothing_to_say() -> None:
    verdict = judge(PLAN, findings(), MACHINE)
    assert (verdict.faults, verdict.remarks, verdict.client_saturated, verdict.valid) == ([], [], False, True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"subscribers": audience(missing=3)}, "3 deliveries never arrived"),
        ({"subscribers": audience(duplicated=1)}, "1 delivery arrived twice"),
        ({"subscribers": audience(reordered=2)}, "2 deliveries arrived after a later one"),
        (
            {"subscribers": audience(losses=[ending("closed", 3008, "slow", 4)])},
            "subscribers that were lost: closed by the server with 3008 (slow), 4 times",
        ),
        (
            {"publications": msgspec.structs.replace(PUBLICATIONS, refused=[ending("refused", 429, "", 2)])},
            "publications that were not accepted: answered with HTTP 429, 2 times",
        ),
        ({"publications": msgspec.structs.replace(PUBLICATIONS, unsent=7)}, "7 publications were due and never sent"),
        (
            {"ingest": msgspec.structs.replace(INGEST, refused=[ending("lost", 104, "Connection reset")])},
            "bodies that were not accepted: connection lost: Connection reset, once",
        ),
    ],
)
def test_whatever_was_lost_or_refused_makes_a_run_invalid(changes: dict[str, object], words: str) -> None:
    verdict = judge(PLAN, findings(**changes), MACHINE)
    assert not verdict.valid
    [fault] = verdict.faults
    assert fault.startswith(words)


@pytest.mark.parametrize(
    ("what", "end", "words", "hint"),
    [
        ("not_all_ready", ending("closed", 3504, "connection limit", 4), "4 of 10 subscribers", "max_connections"),
        ("not_all_ready", ending("closed", 3013, "too many requests", 4), "with 3013", "--at-once"),
        ("not_all_ready", ending("refused", 401, "", 4), "answered with HTTP 401", "--token"),
        ("not_all_ready", ending("connect_refused", 109, "token expired", 4), "refused with 109", "--token"),
        ("not_all_ready", ending("refused", 404, "", 4), "HTTP 404", "no such thing at /api/live/ws"),
        ("not_all_ready", ending("subscribe_refused", 100, "internal", 4), "with 100", "--prefix 1"),
        ("not_all_ready", ending("subscribe_refused", 106, "limit exceeded", 4), "with 106", "fewer --channels"),
        ("not_all_ready", ending("cannot_connect", 99, "Cannot assign", 4), "Cannot assign", "ip_local_port_range"),
        ("refused", ending("refused", 404, "", 1), "refuses what is published", "at /api/live/push/bench"),
        ("refused", ending("publish_refused", 103, "permission denied"), "with 103", "--publish push"),
        ("publisher_lost", ending("closed", 3500, "invalid token"), "nothing can be published", "takes"),
        ("all_lost", ending("lost", 0, "gone", 10), "all 10 subscribers were lost", ""),
    ],
)
def test_a_problem_is_told_with_what_to_do(what: str, end: object, words: str, hint: str) -> None:
    problem = msgspec.convert({"what": what, "endings": [msgspec.to_builtins(end)], "seconds": None}, Problem)
    found = findings(problem=problem, latencies=None, subscribers=audience(ready=6))
    [fault] = judge(PLAN, found, MACHINE).faults
    assert words in fault
    assert hint in fault


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nothing_heard", "within 10 s; is it published on what they hear, 'stream/bench/load'"),
        ("stuck", "for 10 s"),
        ("stopped", "stopped before its end"),
    ],
)
def test_a_problem_of_patience_names_it(what: str, words: str) -> None:
    problem = msgspec.convert({"what": what, "endings": [], "seconds": 10.0}, Problem)
    [fault] = judge(PLAN, findings(problem=problem, latencies=None), MACHINE).faults
    assert words in fault


def test_a_refused_command_is_not_looked_for_at_the_path_of_pushes() -> None:
    problem = Problem("refused", [ending("refused", 404)], None)
    [fault] = judge(command_plan(), findings(problem=problem, latencies=None), MACHINE).faults
    assert "at /api/live/ws" in fault


def test_what_explains_the_problem_is_not_told_twice() -> None:
    failures = [ending("refused", 401, "no", 4)]
    found = findings(problem=Problem("not_all_ready", failures, None), subscribers=audience(ready=6, failures=failures))
    assert len(judge(PLAN, found, MACHINE).faults) == 1


@pytest.mark.parametrize(("cpu", "waited", "saturated"), [(0.95, 0.0, True), (0.3, 0.5, True), (0.4, 0.3, False)])
def test_a_busy_client_owns_the_figures(cpu: float, waited: float, *, saturated: bool) -> None:
    busy = [Busy("publisher", 0.1, 0.0, []), Busy("subscribers 1", cpu, waited, [])]
    verdict = judge(PLAN, findings(busy=busy), MACHINE)
    assert verdict.client_saturated == saturated
    assert [remark for remark in verdict.remarks if "these figures are the client's" in remark] == verdict.remarks
    assert bool(verdict.remarks) == saturated
    assert verdict.valid


def test_a_load_that_was_late_itself_and_a_busy_machine_are_told() -> None:
    late = msgspec.structs.replace(NO_DURATIONS, count=100, p99_us=20_000.0)
    found = findings(publications=msgspec.structs.replace(PUBLICATIONS, lateness=late), subscribers=audience(others=5))
    machine = msgspec.structs.replace(MACHINE, load_average=6.0)
    remarks = judge(PLAN, found, machine).remarks
    assert [word for word in ("by 20.0 ms", "load average 6", "5 deliveries") if word in " ".join(remarks)] == [
        "by 20.0 ms",
        "load average 6",
        "5 deliveries",
    ]
