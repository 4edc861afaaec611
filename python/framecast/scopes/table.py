"""The one list of scopes: which rules a channel has by its first word, or its first two."""

from collections.abc import Mapping

from framecast.channels.address import Address
from framecast.channels.hub import Hub
from framecast.channels.options import OptionsTable
from framecast.errors import ConfigurationError, Refusal
from framecast.scopes.dashboard import DashboardRules, DashboardScope
from framecast.scopes.last_messages import LastMessages
from framecast.scopes.open import OpenScope
from framecast.scopes.permitted import Permitted
from framecast.scopes.scope import Scope
from framecast.scopes.stream import StreamScope
from framecast.settings import BUILT_IN_SCOPES, Settings

STREAM = "stream"


class ScopeTable:
    """Finds the rules of an address."""

    def __init__(self, scopes: Mapping[str, Scope]) -> None:
        """By ``scope``, or by ``scope/namespace`` where only some namespaces exist."""
        self._scopes = {name: Permitted(scope) for name, scope in scopes.items()}

    def find(self, address: Address) -> Permitted:
        """The channel's rules, behind the permissions. Refusal 404, which clients take as final, if there are none."""
        named = f"{address.scope}/{address.namespace}"
        scope = self._scopes.get(named) or self._scopes.get(address.scope)
        if scope is None:
            known = ", ".join(sorted(self._scopes))
            raise Refusal(404, f"Not Found: no channels {named}/… on this server (known: {known})")
        return scope


def build_scopes(
    hub: Hub,
    settings: Settings,
    *,
    last_messages: LastMessages,
    dashboards: DashboardRules | None = None,
    plugins: Scope | None = None,
) -> ScopeTable:
    """All scopes of a server: its own, and one for each name in `settings.channels` that means nothing else.

    `last_messages` are those of broadcasts. Without `dashboards`, and without `plugins`, there are no channels of any;
    `plugins` are those of data sources, too.
    ConfigurationError as of `check_publishers`.
    """
    check_publishers(hub.options, settings)
    max_message_bytes = settings.live.room_bytes
    messages = OpenScope(hub, max_message_bytes=max_message_bytes)
    named = {name: messages for name in settings.channels if name.partition("/")[0] not in BUILT_IN_SCOPES}
    scopes: dict[str, Scope] = {
        **named,
        STREAM: StreamScope(hub, max_frame_bytes=settings.streams.packet_bytes),
        "grafana/broadcast": OpenScope(hub, max_message_bytes=max_message_bytes, last_messages=last_messages),
    }
    if dashboards is not None:
        scopes["grafana/dashboard"] = DashboardScope(hub, dashboards)
    if plugins is not None:
        scopes["plugin"] = scopes["ds"] = plugins
    return ScopeTable(scopes)


def check_publishers(options: OptionsTable, settings: Settings) -> None:
    """ConfigurationError for a stream's channels that clients may publish on."""
    for name in settings.channels:
        publish = options.find(_any_channel(name)).publish
        if name.partition("/")[0] == STREAM and publish != "nobody":
            raise ConfigurationError(
                f"channels.{name}.publish = {publish!r} cannot be used: streams take pushes only "
                "(POST /api/live/push/{stream}); clients may publish on grafana/broadcast/… and in scopes of your own"
            )


def _any_channel(name: str) -> Address:
    scope, _, namespace = name.partition("/")
    return Address(1, scope, namespace, "")
