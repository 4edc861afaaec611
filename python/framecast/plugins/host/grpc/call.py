"""One call as its consumer sees it: message after message, until None or an error."""

import trio

from framecast.plugins.host.grpc.bell import Bell
from framecast.plugins.host.grpc.exchange import Exchange
from framecast.plugins.host.grpc.session import Session
from framecast.plugins.host.grpc.status import GrpcError, StatusCode

_MESSAGES_PER_TURN = 64
"""Taken by one consumer before it lets other tasks run."""


class Call:
    """A call that was begun; its connection ends it when the consumer's block is left. One consumer."""

    def __init__(self, session: Session, exchange: Exchange, news: Bell, output: Bell) -> None:
        self._session = session
        self._exchange = exchange
        self._news = news
        self._output = output
        self._taken_in_turn = 0

    async def receive(self) -> bytes | None:
        """The next message; None once the plugin has ended the call with OK.

        GrpcError when it ended otherwise, after the messages that came before. Messages that are here are not waited
        for, except for the consumer's turn now and then: a task switch for each would cost more than the message.
        Being cancelled loses none.
        """
        if self._taken_in_turn >= _MESSAGES_PER_TURN:
            self._taken_in_turn = 0
            await trio.lowlevel.checkpoint()
        while True:
            message = self._session.take_message(self._exchange)
            if message is not None:
                self._taken_in_turn += 1
                if self._session.output_due:
                    self._output.ring()
                return message
            if self._exchange.ended:
                if self._exchange.error is not None:
                    self._exchange.error.again()
                return None
            self._taken_in_turn = 0
            await self._news.wait_rung()

    async def receive_only(self) -> bytes:
        """The one message of a call that has one; GrpcError for none or several of them."""
        message = await self.receive()
        if message is None:
            raise GrpcError(StatusCode.INTERNAL, "the plugin answered OK, without an answer")
        if await self.receive() is not None:
            raise GrpcError(StatusCode.INTERNAL, "the plugin answered twice")
        return message
