"""Keeps one plugin running: life after life, with a rest between them that grows while they are short.

The boundary around a plugin: whatever is wrong with it, or with what we do for it, ends here.
"""

import os
from collections.abc import Mapping

import structlog
import trio

from framecast.errors import Refusal
from framecast.plugins.host import metrics
from framecast.plugins.host.discovery import PluginPackage
from framecast.plugins.host.grpc.bell import Bell
from framecast.plugins.host.grpc.channel import Channel
from framecast.plugins.host.life import Ending, Life
from framecast.settings import Plugins

log = structlog.get_logger(__name__)


class Supervisor:
    """Owned by the task of `run`; callers ask for the channel of the life that is on."""

    def __init__(self, package: PluginPackage, settings: Plugins) -> None:
        self.package = package
        self._settings = settings
        self._channel: Channel | None = None
        self._down_because: str | None = None
        """Why there is no channel, and none will be for a while; None while one is there or on its way."""
        self._news = Bell()

    @property
    def running(self) -> bool:
        """Whether the plugin is started and healthy."""
        return self._channel is not None and not self._channel.over

    @property
    def down_because(self) -> str | None:
        """Why it does not run; None while it does, or starts."""
        return self._down_because

    async def find_channel(self) -> Channel:
        """The channel of a plugin that runs; one that just starts, or ends, is waited for, within its deadlines.

        Refusal, 503 and temporary, when it does not run.
        """
        while self._channel is None or self._channel.over:
            if self._down_because is not None:
                raise Refusal(503, f"the plugin {self.package.id} does not run: {self._down_because}", temporary=True)
            await self._news.wait_rung()
        return self._channel

    async def run(self) -> None:
        """Start the plugin, and start it again whenever it ends, until cancelled; then it is stopped."""
        seconds = self._settings.restart_seconds
        try:
            while True:
                self._note(down_because=None)
                began = trio.current_time()
                ending = await self._run_once()
                if trio.current_time() - began >= self._settings.stable_seconds:
                    seconds = self._settings.restart_seconds
                metrics.ENDS.labels(ending.reason).inc()
                told = {"reason": ending.reason, "text": ending.text, "again_in_seconds": seconds}
                log.warning("plugin ended", plugin=self.package.id, **told)
                self._note(down_because=f"{ending.text} (it is started again)")
                await trio.sleep(seconds)
                seconds = min(2 * seconds, self._settings.restart_max_seconds)
        finally:
            self._note(down_because="it was stopped")

    async def _run_once(self) -> Ending:
        ending = Ending("bug", "a bug of ours, which stands in the log")
        try:
            life = Life(self.package, pass_environment(self._settings), self._settings, self._take_channel)
            ending = await life.run()
        except* Exception:
            log.exception("plugin failed because of a bug of ours", plugin=self.package.id)
        finally:
            if self._channel is not None:
                self._channel = None
                metrics.RUNNING.dec()
        return ending

    def _take_channel(self, channel: Channel) -> None:
        self._channel = channel
        metrics.RUNNING.inc()
        self._news.ring()

    def _note(self, *, down_because: str | None) -> None:
        self._down_because = down_because
        self._news.ring()


def pass_environment(settings: Plugins, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What plugins get of the server's environment."""
    return {name: environment[name] for name in settings.environment if name in environment}
