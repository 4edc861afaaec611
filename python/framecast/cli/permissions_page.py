"""Writes docs/permissions.md from the table that is asked and the routes that are served: ``make docs``."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import structlog
import trio

from framecast._core import Fanout
from framecast.accounts.entrance import open_entrance
from framecast.accounts.identity import Role
from framecast.accounts.permissions import RULES, TO_PUBLISH, TO_SUBSCRIBE, Action, Rule
from framecast.api.app import OPEN_PATHS, list_routes
from framecast.api.routing import ApiRoute
from framecast.channels.outsiders import Outsiders
from framecast.house import Ground, build_house, find_outside
from framecast.plugins.host.host import PluginHost
from framecast.settings import MIB, Server, Settings
from framecast.store.database import open_database
from framecast.store.sealing import KEY_BYTES, KeyRing

HEAD = """\
# Who may do what

Made by `make docs` from the table that the server asks, and from the routes that it serves.

Everybody is of one org at a time, as a Viewer, an Editor or an Admin; some are server admins besides (accounts.md).
What is of another org is not there: its streams and dashboards are answered like those that never were, and a channel
with that org's prefix is refused. Who is nobody gets 401, who may not gets 403 with what it takes; SDKs take both as
final. The same holds whatever the way: HTTP, WebSocket, HTTP streams, JSON or Protobuf.

A token with lists does what its lists say, and nothing else: its role means nothing then.
"""

ASK_THEMSELVES = {
    "/api/live/push/{stream:path}": Action.PUSH,
    "/api/v2/write": Action.PUSH,
    "/write": Action.PUSH,
    "/api/live/list": Action.LIST,
    "/api/live/streams": Action.LIST,
    "/api/live/streams/{stream:path}": Action.LIST,
    "/api/live/publish": Action.PUBLISH,
    "/api/live/sse": Action.SUBSCRIBE,
    "/api/live/http_stream": Action.SUBSCRIBE,
    "/api/live/uni_sse": Action.SUBSCRIBE,
    "/api/tokens/{token_id}": Action.MANAGE_ORG,
}
"""Routes whose answer hangs on what they are asked about, and the action that they then ask for."""

SOCKETS = (("/api/live/ws", Action.SUBSCRIBE), ("/api/live/push/{stream}", Action.PUSH))


def render() -> str:
    """The whole page."""
    parts = [HEAD, _actions(), _channels(), _routes(trio.run(_list_routes))]
    return "\n".join(parts)


def _actions() -> str:
    lines = [
        "## By role\n",
        "| who may | Viewer | Editor | Admin | server admin | a token with lists |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for action, rule in RULES.items():
        roles = ["yes" if rule.role is not None and role.covers(rule.role) else "no" for role in Role]
        server = "yes" if rule.role is None else "as the role"
        lines.append(f"| {action} | {' | '.join(roles)} | {server} | {_of_lists(rule)} |")
    return "\n".join([*lines, ""])


def _of_lists(rule: Rule) -> str:
    return f"what `{rule.by_list}` names" if rule.by_list else "no"


def _channels() -> str:
    lines = ["## By channel\n", "| channels | to subscribe | to publish |", "| --- | --- | --- |"]
    for name in ("stream", "plugin", "ds", "grafana/broadcast", "grafana/dashboard"):
        subscribe = _takes(TO_SUBSCRIBE.get(name, Action.SUBSCRIBE))
        publish = "nobody: push" if name == "stream" else _takes(TO_PUBLISH.get(name, Action.PUBLISH))
        if name in {"plugin", "ds"}:
            subscribe, publish = f"{subscribe}, and what the plugin says", f"{publish}, and what the plugin says"
        lines.append(f"| `{name}/…` | {subscribe} | {publish} |")
    subscribe = _takes(Action.SUBSCRIBE)
    lines.append(f"| of a scope that the settings name | {subscribe} | {_takes(Action.PUBLISH)}, as its options say |")
    return "\n".join([*lines, ""])


def _routes(routes: list[ApiRoute]) -> str:
    lines = ["## By route\n", "| route | takes |", "| --- | --- |"]
    lines += [f"| `GET {path}` as a WebSocket | {_takes(action)} |" for path, action in SOCKETS]
    lines += [f"| `{name}` | {takes} |" for name, takes in _rows(routes)]
    return "\n".join([*lines, ""])


def _rows(routes: list[ApiRoute]) -> Iterator[tuple[str, str]]:
    for route in routes:
        action = route.needs or ASK_THEMSELVES.get(route.path)
        path = route.path.replace(":path", "")
        methods = ", ".join(sorted(set(route.methods or ()) - {"HEAD", "OPTIONS"}))
        others = "nothing" if path in OPEN_PATHS else "to be let in"
        yield f"{methods} {path}", others if action is None else _takes(action)


def _takes(action: Action) -> str:
    role = RULES[action].role
    return "server admin" if role is None else str(role)


async def _list_routes() -> list[ApiRoute]:
    """Those of a server with nothing set, which is built and not run."""
    with tempfile.TemporaryDirectory() as folder, closing(Fanout(max_total_bytes=MIB)) as fanout:
        settings = Settings(server=Server(data=folder, dev=True))
        async with open_database(Path(folder), settings.store) as database:
            outside = find_outside(settings)
            entrance = await open_entrance(
                settings, database, outside.connected, outside.attempts, verifier=None, grafana=None
            )
            ring = KeyRing([bytes(KEY_BYTES)])  # for secrets that are never there
            host = PluginHost((), settings.plugins)
            ground = Ground(fanout, database, ring, outside, entrance, Outsiders(), host)
            return list_routes(build_house(settings, ground).api)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is the page
    print(render(), end="")
