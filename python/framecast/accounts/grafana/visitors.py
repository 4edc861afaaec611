"""Visitors of the Grafana beside this server: found by what they show, and asked about again while they stay."""

from collections.abc import Callable, Iterable
from functools import partial

import trio

from framecast.accounts.grafana.account import Account, ask_account
from framecast.accounts.grafana.answers import Answers, Ask
from framecast.accounts.grafana.credential import Credential, Credentials
from framecast.accounts.grafana.questions import Questions
from framecast.accounts.identity import Identity
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.settings import Grafana

ORG_HEADER = b"x-grafana-org-id"
_ORG_DIGITS = 18

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
        connected: Connected,
        end: End,
    ) -> None:
        self._settings = settings
        self._questions = questions
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
        """Who Grafana says it is; None for a request with nothing that Grafana would look at.

        Refusal 401 when it knows nobody by that, or not in the org that the request names; 503 when it cannot be asked.
        """
        credential = self._credentials.find(head)
        if credential is None:
            return None
        org_id = _find_org(head)
        account = await self._answers.find(credential.name, self._question(credential, head.peer))
        return account.identity(credential, org_id)

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


def _find_org(head: RequestHead) -> int | None:
    """The org that the request is for; None for the one in which the visitor is. Refusal 401 for what is no org."""
    values = [value for name, value in head.headers if name == ORG_HEADER]
    if not values:
        return None
    if len(values) > 1 or not values[0].isdigit() or len(values[0]) > _ORG_DIGITS:
        raise Refusal(401, "X-Grafana-Org-Id is no org's id")
    return int(values[0])
