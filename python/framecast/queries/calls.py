"""``grafana.query``: what a subscriber may call, answered as ``/api/ds/query`` is (grafana-live §1.2)."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from framecast.accounts.identity import Identity
from framecast.protocol.codes import ErrorCode
from framecast.queries.desk import QueryDesk

METHOD = "grafana.query"


class QueryCalls:
    """Where subscribers' calls come in."""

    def __init__(self, desk: QueryDesk) -> None:
        self._desk = desk

    def methods(self) -> Mapping[str, Callable[[Identity, bytes], Awaitable[bytes]]]:
        """What may be called, by name."""
        return {METHOD: self.query}

    async def query(self, caller: Identity, data: bytes) -> bytes:
        """The results, with those of queries that failed. Refusal 107 for no JSON, and as of `QueryDesk.answer`."""
        try:
            msgspec.json.decode(data, type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError):
            raise ErrorCode.BAD_REQUEST.refusal(f"bad request: the data of {METHOD} is no JSON") from None
        return (await self._desk.answer(caller, data)).body
