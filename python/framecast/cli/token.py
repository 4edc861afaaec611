"""``framecast token create|list|limit|revoke``: what programs get in by."""

import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter

from framecast.cli.account_api import FORCE, AccountApi, Where, run
from framecast.cli.failure import CommandError
from framecast.cli.rows import cut, terminal_columns
from framecast.cli.stream_page import align
from framecast.logs import escape_controls

app = cyclopts.App(name="token", help_format="plaintext")

DAY_SECONDS = 86_400
EVERYWHERE = Where()

Org = Annotated[int | None, Parameter(help="The org's id; by default the one that you are in.")]


@Parameter(name="*", group="Limits")
@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a token may do, and for how long."""

    push: Annotated[
        list[str] | None,
        Parameter(help="A stream that it may push to, with * for any part; may be repeated.", negative=()),
    ] = None
    read: Annotated[
        list[str] | None,
        Parameter(help="Channels that it may subscribe to, as stream/telegraf/*; may be repeated.", negative=()),
    ] = None
    requests: Annotated[
        float | None, Parameter(help="So many requests, messages and commands a second on the average; 0 is no limit.")
    ] = None
    rate: Annotated[
        float | None, Parameter(help="So many bytes a second on the average that it may push; 0 is no limit.")
    ] = None
    body: Annotated[int | None, Parameter(help="The largest body or message in bytes that it may push.")] = None
    days: Annotated[float | None, Parameter(help="It expires after so many; by default never.")] = None


UNLIMITED = Limits()

DEFAULT = "default"
OTHERWISE = f"; {DEFAULT} is what the server's settings say."


@Parameter(name="*", group="Limits")
@dataclass(frozen=True, kw_only=True)
class NewLimits:
    """How much may be sent with a token from now on."""

    requests: Annotated[
        float | Literal["default"] | None,
        Parameter(help=f"So many requests, messages and commands a second on the average; 0 is no limit{OTHERWISE}"),
    ] = None
    rate: Annotated[
        float | Literal["default"] | None,
        Parameter(help=f"So many bytes a second on the average that it may push; 0 is no limit{OTHERWISE}"),
    ] = None
    body: Annotated[
        int | Literal["default"] | None,
        Parameter(help=f"The largest body or message in bytes that it may push{OTHERWISE}"),
    ] = None


UNCHANGED = NewLimits()


@app.command
def create(
    name: Annotated[str, Parameter(help="What it is for; no other token of the org has this name.")],
    /,
    *,
    role: Annotated[
        Literal["Viewer", "Editor", "Admin"] | None, Parameter(help="What it may do in the org; Viewer by default.")
    ] = None,
    server_admin: Annotated[bool, Parameter(help="It may manage orgs and users.", negative=())] = False,
    limits: Limits = UNLIMITED,
    org: Org = None,
    where: Where = EVERYWHERE,
) -> int:
    """Make a token, and print it. Nobody can show it again.

    With --push or --read it may do what these say and nothing else.
    """
    limited = limits.push is not None or limits.read is not None
    if limited and (role is not None or server_admin):
        raise CommandError("--push and --read say all that it may do: leave --role and --server-admin out", status=2)
    if limits.days is not None and limits.days <= 0:
        raise CommandError("--days must be more than 0", status=2)
    body: dict[str, Any] = {"name": name, "role": role or "Viewer", "serverAdmin": server_admin}
    if limited:
        body |= {"push": limits.push or [], "read": limits.read or []}
    if limits.days is not None:
        body["secondsToLive"] = limits.days * DAY_SECONDS
    body |= _named(limits)
    made = run(where, lambda api: api.ask("POST", _path(org), body))
    print(made["key"])
    print(_tell(made), file=sys.stderr)
    return 0


@app.command
def limit(
    *tokens: Annotated[str, Parameter(help="Ids or names.", required=True)],
    limits: NewLimits = UNCHANGED,
    org: Org = None,
    where: Where = EVERYWHERE,
) -> int:
    """Change how much may be sent with these tokens. It holds at once, and nothing that they let in is cut off."""
    body = {key: None if most == DEFAULT else most for key, most in _named(limits).items()}
    if not body:
        raise CommandError("say what is to change: --requests, --rate or --body", status=2)

    async def limit_all(api: AccountApi) -> list[dict[str, Any]]:
        known = await api.ask("GET", _path(org))
        numbers = [_find(known, token) for token in tokens]
        return [await api.ask("PATCH", f"/api/tokens/{number}", body) for number in numbers]

    for token in run(where, limit_all):
        print(_tell(token))
    return 0


@app.command(name="list")
def list_(*, org: Org = None, where: Where = EVERYWHERE) -> int:
    """The tokens of an org, without their secrets."""
    tokens = run(where, lambda api: api.ask("GET", _path(org)))
    head = ("id", "name", "may", "created", "until", "at most")
    rows = [
        (str(token["id"]), token["name"], _rights(token), token["created"][:10], _end(token), _quota(token))
        for token in tokens
    ]
    for line in align([head, *rows], left=6):
        print(cut(line, terminal_columns()))
    return 0


@app.command
def revoke(
    *tokens: Annotated[str, Parameter(help="Ids or names.", required=True)],
    org: Org = None,
    force: Annotated[bool, FORCE] = False,
    where: Where = EVERYWHERE,
) -> int:
    """Let nobody in by these tokens any more. What they let in is cut off."""

    async def revoke_all(api: AccountApi) -> None:
        known = await api.ask("GET", _path(org))
        for number in [_find(known, token) for token in tokens]:
            await api.ask("DELETE", f"/api/tokens/{number}")

    run(where, revoke_all, force=force)
    return 0


def _path(org: int | None) -> str:
    return "/api/tokens" if org is None else f"/api/orgs/{org}/tokens"


def _named(limits: Limits | NewLimits) -> dict[str, Any]:
    """What is said of how much may be sent, as the API calls it."""
    quota = {"requestsPerSecond": limits.requests, "bytesPerSecond": limits.rate, "bodyBytes": limits.body}
    return {key: most for key, most in quota.items() if most is not None}


def _find(known: list[dict[str, Any]], wanted: str) -> int:
    """The id of a token, by its name or its id. CommandError when there is none; then nothing is done to any."""
    for token in known:
        if token["name"] == wanted or str(token["id"]) == wanted:
            return int(token["id"])
    raise CommandError(f"the org has no token {wanted!r}: framecast token list shows them")


def _tell(token: dict[str, Any]) -> str:
    quota = _quota(token)
    most = f", at most {quota}" if quota else ""
    return escape_controls(f"token {token['id']} of org {token['orgId']}: {_rights(token)}, {_end(token)}{most}")


def _rights(token: dict[str, Any]) -> str:
    if token["push"] is None:
        return "server admin" if token["serverAdmin"] else str(token["role"])
    lists = [("push to", token["push"]), ("read", token["read"])]
    return "; ".join(f"{what} {', '.join(patterns)}" for what, patterns in lists if patterns) or "nothing"


def _end(token: dict[str, Any]) -> str:
    if token["hasExpired"]:
        return "expired"
    return "for ever" if token["expiration"] is None else f"until {token['expiration'][:16].replace('T', ' ')}"


def _quota(token: dict[str, Any]) -> str:
    """How much may be sent with it, as far as it says so itself. A server of the release before says nothing."""
    units = {"requestsPerSecond": "requests/s", "bytesPerSecond": "bytes/s", "bodyBytes": "bytes a body"}
    told = [(token.get(key), unit) for key, unit in units.items()]
    return ", ".join(f"{most:.12g} {unit}" if most else f"any {unit}" for most, unit in told if most is not None)
