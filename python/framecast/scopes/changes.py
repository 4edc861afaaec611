"""What a changed or deleted data source means to its streams (grafana-live §7): they begin anew, or are over.

Whoever is subscribed stays when it is changed, and is told when it is gone. A subscription that is only being made is
overtaken, and made again by its client: it would begin with what the plugin said of settings that are not those.
"""

from framecast.channels.address import Address
from framecast.channels.lifetime import Lifetimes
from framecast.datasources.registry import Became, News
from framecast.plugins.instances import DATA_SOURCE_SCOPE, Instances


class DataSourceChanges:
    """Takes the news of the registry."""

    def __init__(self, instances: Instances, lifetimes: Lifetimes) -> None:
        self._instances = instances
        self._lifetimes = lifetimes

    def take(self, news: News) -> None:
        """Have the streams follow; never waits, never raises."""

        def concerned(address: Address) -> bool:
            """Another org's data source of the same uid is another data source."""
            named = (address.org_id, address.scope, address.namespace)
            return named == (news.org_id, DATA_SOURCE_SCOPE, news.uid)

        self._instances.overtake(news.org_id, news.uid)
        match news.became:
            case Became.CHANGED:
                self._lifetimes.renew(concerned)
            case Became.DELETED:
                self._lifetimes.stop(concerned)
