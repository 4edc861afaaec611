"""What to do about a run that came to nothing, where that can be guessed from how it did."""

from dataclasses import dataclass

from framecast.cli.bench.findings import Ending, EndingKind, Problem
from framecast.cli.bench.plan import Plan


@dataclass(frozen=True)
class Hint:
    """What ends of these kinds and codes have in common. `{channel}` and `{path}` are filled in."""

    kinds: frozenset[EndingKind]
    codes: frozenset[int]
    words: str


def _hint(kinds: tuple[EndingKind, ...], codes: tuple[int, ...], words: str) -> Hint:
    return Hint(frozenset(kinds), frozenset(codes), words)


HINTS = (
    _hint(
        ("closed",),
        (3504,),
        "the server's limit of connections: live.max_connections of Framecast, max_connections of Grafana",
    ),
    _hint(
        ("refused", "connect_refused"),
        (101, 103, 109, 401, 403),
        "the server wants to know who this is: --token, or $FRAMECAST_TOKEN",
    ),
    _hint(
        ("closed",),
        (3013,),
        "more clients come at once than the server has places for: live.max_connections of Framecast, or --at-once",
    ),
    _hint(("closed",), (3500,), "the token is not one that this server takes"),
    _hint(
        ("refused",),
        (404, 405),
        "there is no such thing at {path}: a WebSocket elsewhere is named by the URL "
        "(Centrifugo: http://HOST:8000/connection/websocket), and without pushes there is --publish command",
    ),
    _hint(
        ("subscribe_refused",),
        (100, 102, 103, 400, 403, 404),
        "is '{channel}' a channel of this server? Grafana wants --prefix 1, "
        "Centrifugo a --channel of a namespace that it has",
    ),
    _hint(("subscribe_refused",), (106,), "the server's limit of channels for one client: fewer --channels"),
    _hint(
        ("publish_refused",),
        (103, 403),
        "clients may not publish there: another --channel, or --publish push",
    ),
    _hint(
        ("cannot_connect",),
        (99,),
        "this machine has no port left for one address: see net.ipv4.ip_local_port_range",
    ),
)
NOTHING_HEARD = (
    "is it published on what they hear, '{channel}'? Channels of Grafana begin with the organisation: --prefix 1"
)


def find_hint(problem: Problem, plan: Plan) -> str | None:
    """What to do about it; None where there is no telling."""
    words = NOTHING_HEARD if problem.what == "nothing_heard" else _words_for(problem.endings)
    if words is None:
        return None
    publishing = plan.publishing
    pushes = problem.what == "refused" and publishing is not None and publishing.way != "command"
    path = publishing.path if publishing is not None and pushes else plan.audience.path
    if plan.work.ingest is not None and problem.what == "refused":
        path = plan.work.ingest.path
    channel = plan.audience.channels[0] if plan.audience.channels else ""
    return words.format(channel=channel, path=path)


def _words_for(endings: list[Ending]) -> str | None:
    found = (
        hint.words for ending in endings for hint in HINTS if ending.what in hint.kinds and ending.code in hint.codes
    )
    return next(found, None)
