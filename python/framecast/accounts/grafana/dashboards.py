"""What a visitor may do with a dashboard of the Grafana beside this server: that Grafana is asked, as the visitor."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec
import trio
from msgspec import Struct

from framecast.accounts.grafana.account import judge_no
from framecast.accounts.grafana.answers import Answers, Deferred, DenialError, Denied, Outcome, Told
from framecast.accounts.grafana.credential import Credential
from framecast.accounts.grafana.questions import Questions, TooLongError, UnreachableError
from framecast.accounts.identity import Identity
from framecast.errors import Refusal
from framecast.settings import Grafana

FORBIDDEN = Denied(403, "Forbidden: Grafana does not show you this dashboard")
NOT_FOUND = Denied(404, "Not Found: Grafana has no such dashboard")
TOO_LONG = Denied(
    403, "Forbidden: this dashboard is larger than grafana.dashboard_bytes, so nobody asks Grafana for it"
)
UNSETTLED = Denied(
    503, "Grafana takes this connection's session no more, or wants its cookie renewed; try again", temporary=True
)


_UID = re.compile(r"(?!\.+\Z)[A-Za-z0-9_.\-]{1,253}")
"""What may be a uid in some Grafana. Dots alone would lead to another path, as anything that is encoded might."""


class _Meta(Struct, frozen=True, rename="camel"):
    can_edit: bool = False
    version: int = 0


class _Dashboard(Struct, frozen=True):
    meta: _Meta


@dataclass(frozen=True, slots=True)
class DashboardView:
    """What a visitor may do with a dashboard that it may see."""

    may_edit: bool

    version: int
    """The dashboard's."""


class GrafanaDashboards:
    """Asks Grafana about dashboards. A right to one counts for `grafana.fresh_seconds`, as all answers do."""

    def __init__(
        self,
        settings: Grafana,
        questions: Questions,
        *,
        doubt: Callable[[Credential], None],
    ) -> None:
        """`doubt` is told of a credential that Grafana refuses here, though it knew it a short time ago."""
        self._settings = settings
        self._questions = questions
        self._doubt = doubt
        self._answers: Answers[tuple[str, int, str], DashboardView] = Answers(
            questions, settings, about="dashboards", max_kept=settings.max_dashboards, deferred=UNSETTLED
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ask what is to be asked, until cancelled."""
        await self._answers.run(task_status=task_status)

    async def find(self, identity: Identity, uid: str) -> DashboardView:
        """What `identity` may do with this dashboard of its org. Waits for `grafana.ask_seconds` at most.

        Refusal 403 or 404, for good, where Grafana shows it none; 503, to try again, where it cannot be asked.
        """
        if _UID.fullmatch(uid) is None:
            raise DenialError(NOT_FOUND)
        credential = identity.proof
        if not isinstance(credential, Credential):
            raise Refusal(
                403,
                "Forbidden: dashboards here are Grafana's, which is asked as you: bring its cookie or a token of it",
            )
        ask = partial(self._ask, credential, identity.org_id, uid)
        return await self._answers.find((credential.name, identity.org_id, uid), ask)

    async def look(self, identity: Identity, uid: str) -> DashboardView:
        """As `find`, but Grafana is asked now, unless it cannot be."""
        self._answers.expire((identity.credential, identity.org_id, uid))
        return await self.find(identity, uid)

    async def version(self, identity: Identity, uid: str, *, editing: bool = False) -> int | None:
        """The version of a dashboard that `identity` may see, or edit where it asks for `editing`; never None.

        Refusal as `find`, and 403 for one who may see and not edit it.
        """
        view = await self.find(identity, uid)
        if editing and not view.may_edit:
            raise Refusal(403, "Forbidden: Grafana does not let you edit this dashboard")
        return view.version

    async def _ask(self, credential: Credential, org_id: int, uid: str) -> Outcome[DashboardView]:
        path = f"/api/dashboards/uid/{uid}"
        try:
            reply = await self._questions.get(path, credential, org_id=org_id, max_bytes=self._settings.dashboard_bytes)
        except TooLongError:
            return TOO_LONG
        match reply.status:
            case 200:
                return Told(_read(reply.body))
            case 403:
                return FORBIDDEN
            case 404:
                return NOT_FOUND
        no = judge_no(reply)
        if isinstance(no, Deferred):
            return no
        self._doubt(credential)
        return UNSETTLED


def _read(body: bytes) -> DashboardView:
    """UnreachableError for what is no dashboard; its size is bounded, and only the head of it is kept."""
    try:
        meta = msgspec.json.decode(body, type=_Dashboard).meta
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreachableError(f"/api/dashboards/uid is not what Grafana answers: {type(error).__name__}") from None
    return DashboardView(meta.can_edit, meta.version)
