"""The last to be asked of requests with an Authorization header: what nobody took is no good, whoever it is of."""

from framecast.accounts.attempts import Attempts, Kind
from framecast.accounts.identity import Identity
from framecast.door.head import RequestHead


class UnknownAuthorization:
    """Finds nobody."""

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts

    async def find(self, head: RequestHead) -> Identity | None:
        """None without the header; Refusal 401 or 429 with it."""
        if head.find(b"authorization") is None:
            return None
        raise self._attempts.wrong(
            Kind.OTHER, head.peer, "the Authorization header holds no token and no password that this server takes"
        )
