"""Requests behind proxies, for the app: the same client as the door would have named."""

from starlette.types import ASGIApp, Receive, Scope, Send

from framecast.api.late import NEIGHBOUR
from framecast.door.proxies import TrustedProxies


class SeeThroughProxies:
    """Puts the client in the place of a trusted proxy, for all that comes after; hypercorn knows its socket only."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, under the client's address."""
        if scope.get("client"):
            neighbour, port = scope["client"]
            scope.setdefault("state", {})[NEIGHBOUR] = neighbour
            scope["client"] = (self._proxies.find_client(neighbour, scope["headers"]), port)
        await self._app(scope, receive, send)
