"""A subscriber's WebSocket as a transport."""

from framecast.client.transport import PeerLeft
from framecast.door.websocket import TOO_BIG, WebSocket, WebSocketEnded


class WebSocketTransport:
    """One accepted WebSocket. Its owner closes the stream beneath."""

    __slots__ = ("_websocket",)

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> bytes:
        """One message; text as its bytes, as a character can take four of them. PeerLeft when it is closed."""
        try:
            return await self._websocket.receive()
        except WebSocketEnded as ended:
            raise PeerLeft(too_big=ended.code == TOO_BIG) from None

    async def close(self, code: int, reason: str) -> None:
        """The closing handshake."""
        await self._websocket.close(code, reason)
