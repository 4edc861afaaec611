"""Who may do what: the one table, and the questions that the rooms ask of it.

It is Grafana Live's, with its surprises mended: a push needs the same of its sender over HTTP and WebSocket, and who
is refused is told so for good (403), with what it takes. Which channels exist, and what of them is switched on, is not
decided here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from framecast.accounts.identity import Identity, Role
from framecast.channels.address import Address
from framecast.errors import Refusal


class Action(StrEnum):
    """What somebody may do, in the words of a refusal."""

    PUSH = "push to streams"
    SUBSCRIBE = "subscribe to channels"
    PUBLISH = "publish where a channel's options let clients publish"
    ANNOUNCE_EDITING = "tell that a dashboard is being edited"
    LIST = "see which channels and streams there are, and what becomes of a stream's pushes"
    READ_DASHBOARDS = "read dashboards and folders"
    WRITE_DASHBOARDS = "create, change and delete dashboards and folders"
    READ_DATASOURCES = "receive what data sources stream"
    QUERY_DATASOURCES = "query data sources"
    WRITE_DATASOURCES = "see, create, change and delete data sources"
    MANAGE_ORG = "manage the tokens and users of the org"
    MANAGE_SERVER = "manage orgs and the server's users"
    OBSERVE_SERVER = "read the server's figures and the description of its API"


@dataclass(frozen=True, slots=True)
class Rule:
    """What it takes."""

    role: Role | None
    """In the org, at least; None: a server admin."""

    by_list: str = ""
    """Which list of a limited token allows it, ``push`` or ``read``; "" where no limited token may."""


RULES: Mapping[Action, Rule] = {
    Action.PUSH: Rule(Role.EDITOR, "push"),
    Action.SUBSCRIBE: Rule(Role.VIEWER, "read"),
    Action.PUBLISH: Rule(Role.VIEWER),
    Action.ANNOUNCE_EDITING: Rule(Role.EDITOR),
    Action.LIST: Rule(Role.VIEWER, "push or read"),
    Action.READ_DASHBOARDS: Rule(Role.VIEWER),
    Action.WRITE_DASHBOARDS: Rule(Role.EDITOR),
    Action.READ_DATASOURCES: Rule(Role.VIEWER, "read"),
    Action.QUERY_DATASOURCES: Rule(Role.VIEWER),
    Action.WRITE_DATASOURCES: Rule(Role.ADMIN),
    Action.MANAGE_ORG: Rule(Role.ADMIN),
    Action.MANAGE_SERVER: Rule(None),
    Action.OBSERVE_SERVER: Rule(None),
}


TO_SUBSCRIBE: Mapping[str, Action] = {"ds": Action.READ_DATASOURCES}
"""What subscribing takes, by scope, where it is not `Action.SUBSCRIBE`."""

TO_PUBLISH: Mapping[str, Action] = {"grafana/dashboard": Action.ANNOUNCE_EDITING}
"""What publishing takes, by scope and namespace, where it is not `Action.PUBLISH`."""


def may(identity: Identity, action: Action) -> bool:
    """Whether the role allows it; a token that is limited to lists may do nothing by its role."""
    if identity.reach is not None:
        return False
    needed = RULES[action].role
    return identity.server_admin if needed is None else identity.role.covers(needed)


def check(identity: Identity, action: Action) -> None:
    """Refusal 403, which says what it takes, unless the role allows it."""
    if not may(identity, action):
        raise _refusal(identity, action)


def check_push(identity: Identity, stream_id: str) -> None:
    """Refusal 403 unless `identity` may push to this stream of its org."""
    reach = identity.reach
    allowed = may(identity, Action.PUSH) if reach is None else _matches(stream_id, reach.push)
    if not allowed:
        raise _refusal(identity, Action.PUSH, stream_id)


def check_subscribe(identity: Identity, address: Address) -> None:
    """Refusal 403 unless `identity` may subscribe to this channel."""
    reach = identity.reach
    action = TO_SUBSCRIBE.get(address.scope, Action.SUBSCRIBE)
    allowed = may(identity, action) if reach is None else _matches(str(address), reach.read)
    if not allowed or address.org_id != identity.org_id:
        raise _refusal(identity, action, str(address))


def check_publish(identity: Identity, address: Address) -> None:
    """Refusal 403 unless `identity` may publish on this channel, if its options let clients."""
    action = TO_PUBLISH.get(f"{address.scope}/{address.namespace}", Action.PUBLISH)
    if not may(identity, action) or address.org_id != identity.org_id:
        raise _refusal(identity, action, str(address))


def may_see_stream(identity: Identity, stream_id: str, channels: Iterable[str]) -> bool:
    """Whether `identity` may know of this stream of its org, which has these channels (``scope/namespace/path``).

    A limited token knows those that it may push to, and those of which it may subscribe to a channel.
    """
    reach = identity.reach
    if reach is None:
        return may(identity, Action.LIST)
    return _matches(stream_id, reach.push) or any(_matches(channel, reach.read) for channel in channels)


def may_ask_about_stream(identity: Identity, stream_id: str) -> bool:
    """Whether `identity` may be told that there is no such stream, or none that it may see: its lists name it."""
    reach = identity.reach
    if reach is None:
        return may(identity, Action.LIST)
    of_streams = ("/".join(pattern.split("/")[:2]) for pattern in reach.read)
    return _matches(stream_id, reach.push) or _matches(f"stream/{stream_id}", of_streams)


def may_see_channel(identity: Identity, channel: str) -> bool:
    """Whether `identity` may know of this channel (``scope/namespace/path``) of its org."""
    return may(identity, Action.LIST) if identity.reach is None else _matches(channel, identity.reach.read)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _refusal(identity: Identity, action: Action, what: str = "") -> Refusal:
    rule = RULES[action]
    target = f" ({what})" if what else ""
    if identity.reach is not None:
        needs = f"this token's list ({rule.by_list}) does not hold it" if rule.by_list else "this token has lists only"
    elif rule.role is None:
        needs = "it takes a server admin"
    else:
        needs = f"it takes the role {rule.role}, and yours is {identity.role}"
    return Refusal(403, f"Forbidden: you may not {action}{target}: {needs}")
