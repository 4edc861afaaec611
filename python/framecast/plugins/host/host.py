"""All backend plugins of one server, by their ids, each in a task of its own."""

from collections.abc import Iterable, Mapping

import structlog
import trio

from framecast.errors import ConfigurationError
from framecast.plugins.host.backend import BackendPlugin
from framecast.plugins.host.discovery import PluginPackage, discover, list_folders
from framecast.settings import Plugins

log = structlog.get_logger(__name__)


class PluginHost:
    """Owned by the task of `run`."""

    def __init__(self, packages: Iterable[PluginPackage], settings: Plugins) -> None:
        self._plugins = {package.id: BackendPlugin(package, settings) for package in packages}

    def leave_out(self, plugin_id: str) -> None:
        """Do not run this one after all. Not once `run` has begun."""
        del self._plugins[plugin_id]

    @property
    def plugins(self) -> Mapping[str, BackendPlugin]:
        """Every plugin that is run, whether it is up just now or not."""
        return self._plugins

    def find(self, plugin_id: str) -> BackendPlugin | None:
        """The plugin of this id; None where there is none."""
        return self._plugins.get(plugin_id)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run all plugins until cancelled, which stops them all at once, in an orderly way."""
        async with trio.open_nursery() as nursery:
            for plugin in self._plugins.values():
                nursery.start_soon(plugin.run)
            task_status.started()


def check_plugins(settings: Plugins) -> None:
    """ConfigurationError when the folder, or a limit, cannot be used; the plugins in it are not looked at."""
    if settings.path:
        list_folders(settings)
    if settings.held_bytes < settings.message_bytes:
        raise ConfigurationError(
            f"plugins.held_bytes = {settings.held_bytes} is less than plugins.message_bytes = "
            f"{settings.message_bytes}: not one such message would fit. Raise the former or lower the latter"
        )


async def load_plugins(settings: Plugins) -> PluginHost:
    """Find the plugins of `plugins.path`, and tell of those that cannot be run; nothing runs yet.

    ConfigurationError as of `check_plugins`.
    """
    check_plugins(settings)
    if not settings.path:
        return PluginHost((), settings)
    found = await trio.to_thread.run_sync(discover, settings)
    for problem in found.problems:
        log.warning("plugin not loaded", problem=problem)
    for package in found.packages:
        log.info("plugin found", plugin=package.id, version=package.version, signature=package.signature.value)
    return PluginHost(found.packages, settings)
