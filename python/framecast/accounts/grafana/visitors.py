"""Visitors of the Grafana beside this server: found by what they show, and asked about again while they stay."""

from collections.abc import Callable, Iterable
from functools import partial

import trio

from framecast.accounts.attempts import Attempts, Kind
from framecast.accounts.grafana.account import NO_GOOD, Account, ask_account
from framecast.accounts.grafana.answers import Answers, Ask, DenialError
from framecast.accounts.grafana.credential import Credential, Credentials
from framecast.accounts.grafana.questions import Questions
from framecast.accounts.identity import Identity
from framecast.door.head import RequestHead
from framecast.settings import Grafana

LOOKS_PER_LIFE = 4
"""How often, while an answer counts, connections are looked through for some that are not fresh any more."""

Connected = Callable[[], Iterable[Identity]]
"""Everybody who has a connection now, by whatever it was let in."""

End = Callable[[str], None]
"""Ends the connections of a credential (`Identity.credential`), so that their clients may come back at once: with a
newer cookie, or with other rights. Waits for nothing."""


class GrafanaVisitors:
    """The source of identities whom Grafana knows, by cookie, token or password.

    A connection ends when Grafana does not know its credential any more, or lets it do something else: `run` asks again
    for as long as it stands.
    """

    def __init__(
        self,
        settings: Grafana,
        questions: Questions,
        *,
        attempts: Attempts,
        connected: Connected,
        end: End,
    ) -> None:
        self._settings = settings
        self._questions = questions
        self._attempts = attempts
        self._connected = connected
        self._end = end
        self._credentials = Credentials(settings.cookies)
        self._standing: frozenset[str] = frozenset()
        self._answers: Answers[str, Account] = Answers(
            questions,
            settings,
            about="visitors",
            max_kept=settings.max_visitors,
            is_needed=self._stands,
            changed=end,
        )

    async def find(self, head: RequestHead) -> Identity | None:
        """Who Grafana says it is; None for a request with nothing that Grafana would look at, or with an ended session.

        Refusal 401 or 429 for a token or password that it does not know, 403 for an org in which the visitor is not,
        503 when it cannot be asked; 401 for a session whose cookie is to be renewed first.
        """
        credential = self._credentials.find(head)
        if credential is None:
            return None
        if credential.kind is Kind.PASSWORD and self._answers.peek(credential.name) is None:
            self._attempts.check_password_may_be_tried(credential.login, head.peer)
        try:
            account = await self._answers.find(credential.name, self._question(credential, head.peer))
        except DenialError as error:
            if error.denied is not NO_GOOD:
                raise
            self._note_wrong(credential, head.peer)
            return None
        return account.identity(credential, head)

    def _note_wrong(self, credential: Credential, peer: str) -> None:
        """Refusal 401 or 429, unless it is a cookie, which a browser shows whether anybody wants it or not."""
        if credential.kind is Kind.SESSION:
            self._attempts.note_ended_session(peer)
        elif credential.kind is Kind.PASSWORD:
            raise self._attempts.wrong_password(credential.login, peer) from None
        else:
            raise self._attempts.wrong(credential.kind, peer, "Grafana does not know this token") from None

    def doubt(self, credential: Credential) -> None:
        """Have Grafana asked anew: it refused this credential somewhere else."""
        self._answers.expire(credential.name)
        self._answers.renew(credential.name, self._question(credential, ""))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ask Grafana what is to be asked, and again about whoever stays, until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._answers.run)
            task_status.started()
            while True:
                await trio.sleep(self._settings.fresh_seconds / LOOKS_PER_LIFE)
                self._renew_connected()

    def _renew_connected(self) -> None:
        standing = [identity for identity in self._connected() if isinstance(identity.proof, Credential)]
        self._standing = frozenset(identity.credential for identity in standing)
        for identity in standing:
            # Not only by `changed`: the answer may have changed before the connection was there to be found.
            account = self._answers.peek(identity.credential)
            if account is not None and not account.is_still(identity):
                self._end(identity.credential)
            elif isinstance(identity.proof, Credential):
                self._answers.renew(identity.credential, self._question(identity.proof, ""))

    def _stands(self, name: str) -> bool:
        return name in self._standing

    def _question(self, credential: Credential, peer: str) -> Ask[Account]:
        return partial(ask_account, self._questions, credential, peer)
