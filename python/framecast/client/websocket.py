"""A subscriber's WebSocket as a transport."""

from trio_websocket import ConnectionClosed, WebSocketConnection

from framecast.client.transport import PeerLeft

TOO_BIG = 1009


class WebSocketTransport:
    """One accepted WebSocket. Its owner closes the stream beneath."""

    def __init__(self, websocket: WebSocketConnection) -> None:
        self._websocket = websocket

    async def receive(self) -> bytes:
        """One message; text as its bytes, as a character can take four of them. PeerLeft when it is closed."""
        try:
            message = await self._websocket.get_message()
            return message.encode() if isinstance(message, str) else bytes(message)
        except ConnectionClosed as closed:
            too_big = closed.reason is not None and closed.reason.code == TOO_BIG
            raise PeerLeft(too_big=too_big) from None

    async def close(self, code: int, reason: str) -> None:
        """The closing handshake."""
        await self._websocket.aclose(code, reason)
