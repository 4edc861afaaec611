"""The bench's load across the Python border: plans that are no plans, findings in the shapes that the command reads."""

import socket

import msgspec
import pytest

from framecast._core import Load
from framecast.cli.bench.findings import Findings, Progress
from framecast.cli.bench.plan import Audience, Connect, Plan, Server, Work

PATIENCE_SECONDS = 120.0


def plan(address: str, *, threads: int = 1) -> bytes:
    audience = Audience(
        path="/ws",
        protocol="json",
        token=None,
        subscribers=2,
        channels=["a"],
        threads=threads,
        at_once=1,
        handshake_seconds=5.0,
    )
    return msgspec.json.encode(
        Plan(
            run=1,
            server=Server(address, "nobody", []),
            audience=audience,
            work=Work(connect=Connect(0.0)),
            warm_up_seconds=0.0,
            seconds=0.1,
            drain_seconds=0.0,
        )
    )


def closed_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def test_findings_and_progress_have_the_shapes_that_the_command_reads() -> None:
    load = Load(plan(closed_address()))
    progress = load.progress()
    assert msgspec.json.decode(
        msgspec.json.encode(msgspec.json.decode(progress, type=Progress))
    ) == msgspec.json.decode(progress)
    found = load.wait(PATIENCE_SECONDS)
    assert found is not None
    findings = msgspec.json.decode(found, type=Findings)
    assert msgspec.json.decode(msgspec.json.encode(findings)) == msgspec.json.decode(found)
    assert (findings.subscribers.asked, findings.subscribers.ready) == (2, 0)
    [failure] = findings.subscribers.failures
    assert (failure.what, failure.words, failure.count) == ("cannot_connect", "Connection refused", 2)
    # What was found is told again.
    assert load.wait(0) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "EOF"),
        (b"{}", "missing field"),
        (plan("localhost:1"), "address"),
        (plan("127.0.0.1:1", threads=0), "threads"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_a_value_error(text: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Load(text)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_nobody_waits_for_ever(seconds: float) -> None:
    load = Load(plan(closed_address()))
    with pytest.raises(ValueError, match="seconds"):
        load.wait(seconds)
