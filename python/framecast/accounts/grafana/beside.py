"""The Grafana beside this server, put together: the one way to it, and what is asked by that way."""

import trio

from framecast.accounts.attempts import Attempts
from framecast.accounts.connected import Connected
from framecast.accounts.grafana.dashboards import GrafanaDashboards
from framecast.accounts.grafana.questions import Questions
from framecast.accounts.grafana.visitors import GrafanaVisitors
from framecast.settings import Grafana


class GrafanaBeside:
    """`visitors` is a source for the gate, `dashboards` the rules of their channels; neither answers without `run`."""

    def __init__(self, settings: Grafana, connected: Connected, attempts: Attempts) -> None:
        """ConfigurationError for a URL that cannot be asked."""
        self._questions = Questions(settings)
        self._connected = connected
        self.visitors = GrafanaVisitors(
            settings, self._questions, attempts=attempts, connected=connected.identities, end=self._end
        )
        self.dashboards = GrafanaDashboards(settings, self._questions, doubt=self.visitors.doubt)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ask what is to be asked, until cancelled. Never fails because of Grafana."""
        async with self._questions.open(), trio.open_nursery() as nursery:
            await nursery.start(self.visitors.run)
            await nursery.start(self.dashboards.run)
            task_status.started()

    def _end(self, credential: str) -> None:
        self._connected.end(lambda identity: identity.credential == credential, may_return=True)


def find_grafana(settings: Grafana, connected: Connected, attempts: Attempts) -> GrafanaBeside | None:
    """None where none is configured."""
    return GrafanaBeside(settings, connected, attempts) if settings.url else None
