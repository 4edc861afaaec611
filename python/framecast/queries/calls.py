"""``grafana.query``: what a subscriber may call, answered as ``/api/ds/query`` is (grafana-live §1.2)."""

from collections.abc import Awaitable, Callable, Mapping

from framecast.accounts.identity import Identity
from framecast.errors import Refusal
from framecast.protocol.codes import ErrorCode
from framecast.queries.desk import QueryDesk
from framecast.strict_json import parse_json

METHOD = "grafana.query"


class QueryCalls:
    """Where subscribers' calls come in."""

    def __init__(self, desk: QueryDesk, *, nesting: int) -> None:
        """`nesting` is what JSON may nest, as the bodies of requests may."""
        self._desk = desk
        self._nesting = nesting

    def methods(self) -> Mapping[str, Callable[[Identity, bytes], Awaitable[bytes]]]:
        """What may be called, by name."""
        return {METHOD: self.query}

    async def query(self, caller: Identity, data: bytes) -> bytes:
        """The results, with those of queries that failed.

        Refusal 107 for what `/api/ds/query` would not take as JSON, and as of `QueryDesk.answer`.
        """
        try:
            parse_json(data, nesting=self._nesting)
        except Refusal as refusal:
            raise ErrorCode.BAD_REQUEST.refusal(f"bad request: {METHOD}: {refusal.message}") from None
        return (await self._desk.answer(caller, data)).body
