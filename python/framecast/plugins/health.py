"""How data sources are, as their plugins say."""

from functools import partial

from framecast.accounts.identity import Identity
from framecast.errors import Refusal
from framecast.plugins.answers import health_of_answer
from framecast.plugins.asking import Asking, Question
from framecast.plugins.instances import Instances
from framecast.plugins.plugin import Context, Health, Plugin


class HealthChecks:
    """Asks the plugin of a data source. Who may is asked before."""

    def __init__(self, instances: Instances, asking: Asking) -> None:
        self._instances = instances
        self._asking = asking

    async def check(self, identity: Identity, uid: str) -> Health:
        """How it is, in values that are JSON.

        Refusal as of `Instances.of_data_source` and `Asking.ask`; 404, final, where the plugin does not tell.
        """
        instance = await self._instances.of_data_source(identity.org_id, uid)
        question = Question(instance.plugin_id, "check_health", data_source=uid)
        health = await self._asking.ask(question, partial(ask_health, instance.plugin, instance.context(identity)))
        if health is None:
            raise Refusal(404, f"Not Found: the plugin {instance.plugin_id} does not tell how its data sources are")
        return health


async def ask_health(plugin: Plugin, context: Context) -> Health | None:
    """What it says. Whatever is raised here is the plugin's failure."""
    return health_of_answer(await plugin.check_health(context))
