"""What the operator is told of refusals: who, what, why; few lines, and never what was shown."""

from typing import Any

import pytest
import structlog

from framecast.accounts.attempts import Attempts, Kind
from framecast.accounts.denials import Denials
from framecast.accounts.gate import build_gate, let_strangers_pass
from framecast.accounts.identity import Identity, Role
from framecast.accounts.permissions import Action, check, check_push
from framecast.errors import Refusal
from framecast.settings import Accounts
from heads import head_of

AGENT = Identity(1, "token:edge", Role.VIEWER, credential="token:7")
ANN = Identity(2, "ann", Role.VIEWER, credential="session:9")
NOBODY = Identity(1, "", Role.VIEWER)


class Desk:
    def __init__(self, **limits: Any) -> None:
        self.now = 0.0
        self.denials = Denials(Accounts(**limits), lambda: self.now)

    def push(self, identity: Identity, stream: str = "cpu", address: str = "203.0.113.1") -> None:
        try:
            check_push(identity, stream)
        except Refusal as refusal:
            self.denials.note(identity, address, "push", stream, refusal)

    def told(self, *identities: Identity) -> list[Any]:
        with structlog.testing.capture_logs() as logs:
            for identity in identities:
                self.push(identity)
        return logs


def test_a_line_says_who_wanted_what_and_why_not() -> None:
    [line] = Desk().told(AGENT)
    assert line == {
        "event": "permission refused",
        "log_level": "info",
        "kind": "token",
        "name": "edge",
        "org": 1,
        "credential": "token:7",
        "address": "203.0.113.1",
        "wanted": "push",
        "resource": "cpu",
        "status": 403,
        "reason": "Forbidden: you may not push to streams (cpu): it takes the role Editor, and yours is Viewer",
        "unlogged": 0,
    }
    [user, nobody] = Desk().told(ANN, NOBODY)
    assert (user["kind"], user["name"], user["org"]) == ("user", "ann", 2)
    assert (nobody["kind"], nobody["name"]) == ("anonymous", "")


def test_who_repeats_it_is_told_of_once_a_minute_with_how_often() -> None:
    desk = Desk()
    assert len(desk.told(*[AGENT] * 500, ANN)) == 2
    desk.now += 60
    [line] = desk.told(AGENT)
    assert line["unlogged"] == 499


def test_however_many_there_are_there_are_few_lines() -> None:
    desk = Desk(complaint_lines=3)
    many = [Identity(1, f"u{number}", Role.VIEWER) for number in range(100)]
    assert len(desk.told(*many)) == 3
    desk.now += 60
    lines = desk.told(ANN)
    assert [line["event"] for line in lines] == ["more was refused to others", "permission refused"]
    assert lines[0]["refused"] == 97


def test_what_is_no_denial_is_not_told() -> None:
    desk = Desk()
    with structlog.testing.capture_logs() as logs:
        for code in (400, 404, 409, 413, 429, 500, 503, 100, 106, 111):
            desk.denials.note(ANN, "", "GET", "/", Refusal(code, "no"))
        desk.denials.note(ANN, "", "GET", "/", Attempts(Accounts(), lambda: 0.0).judge("", "told by the attempts"))
    assert logs == []
    with structlog.testing.capture_logs() as logs:
        desk.denials.note(ANN, "", "GET", "/api/user", Refusal(429, "too fast", reason="rate_limit"))
    assert [(line["event"], line["status"]) for line in logs] == [("rate limit met", 429)]


def test_what_senders_choose_is_cut() -> None:
    desk = Desk()
    with structlog.testing.capture_logs() as logs:
        refusal = Refusal(403, "x" * 10_000)
        desk.denials.note(Identity(1, "n" * 10_000, Role.VIEWER), "", "GET", "/" * 10_000, refusal)
    assert all(len(str(value)) <= 400 for value in logs[0].values())


async def test_a_gate_tells_of_strangers_and_of_orgs_that_one_is_no_member_of_and_of_nothing_twice() -> None:
    desk = Desk()
    attempts = Attempts(Accounts(), lambda: 0.0)

    class Wrong:
        async def find(self, head: object) -> Identity | None:
            raise attempts.wrong(Kind.TOKEN, "", "this token is unknown")

    class Foreign:
        async def find(self, head: object) -> Identity | None:
            raise Refusal(403, "Forbidden: you are no member of org 3")

    head = head_of("/api/user", (b"authorization", b"Bearer fct_secret"), query="auth_token=secret", peer="203.0.113.9")
    lines = []
    for sources in ([], [Foreign()], [Wrong()]):
        with structlog.testing.capture_logs() as logs, pytest.raises(Refusal):
            await desk.denials.watching(build_gate(sources))(head)
        lines.append([(line["event"], line.get("status")) for line in logs])
        assert "secret" not in str(logs)
        desk.now += 60
    assert lines[:2] == [[("permission refused", 401)], [("permission refused", 403)]]
    assert lines[2] == [("credentials refused", None)]
    with structlog.testing.capture_logs() as logs:
        assert await desk.denials.watching_visitors(let_strangers_pass(build_gate([])))(head) is None
    assert logs == [], "who may show a token later was refused nothing"


@pytest.mark.parametrize("action", Action)
def test_a_missing_permission_is_refused_for_good(action: Action) -> None:
    nobody = Identity(1, "x", Role.VIEWER)
    try:
        check(nobody, action)
    except Refusal as refusal:
        assert (refusal.code, refusal.temporary) == (403, False)
    else:
        assert action in {
            Action.SUBSCRIBE,
            Action.PUBLISH,
            Action.LIST,
            Action.READ_DASHBOARDS,
            Action.READ_DATASOURCES,
            Action.QUERY_DATASOURCES,
        }
