"""Programs with a token that this server made. One hash and one look: nothing waits, however many agents push."""

from framecast.accounts.attempts import Attempts, Kind
from framecast.accounts.authorization import ShownToken, read_authorization
from framecast.accounts.directory.directory import Directory
from framecast.accounts.identity import Identity
from framecast.accounts.secret import is_token
from framecast.accounts.which_org import choose_org
from framecast.door.head import RequestHead


class ServiceTokenSource:
    """Takes every token that begins as ours do, and no other."""

    def __init__(self, directory: Directory, attempts: Attempts) -> None:
        self._directory = directory
        self._attempts = attempts

    async def find(self, head: RequestHead) -> Identity | None:
        """The token's identity. Refusal 401 or 429 for one that is no good, 403 for another org than the token's."""
        shown = read_authorization(head)
        if not isinstance(shown, ShownToken) or not is_token(shown.token):
            return None
        identity = self._directory.tokens.find_secret(shown.token, self._directory.clock())
        if identity is None:
            raise self._attempts.wrong(Kind.TOKEN, head.peer, "this token is unknown, revoked or expired")
        choose_org(head, {identity.org_id}, identity.org_id)
        return identity
