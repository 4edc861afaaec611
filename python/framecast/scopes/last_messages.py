"""The last message of every broadcast channel, whatever became of the channel's past: in memory, and in the store.

As in Grafana Live a new subscriber begins with it (features/broadcast.go); there it lives as long as the process. What
is kept is bounded by count and by bytes, of all orgs together. At a bound the org that has most, within a factor of
two, loses the message that was published longest ago: so of N orgs each is sure of half an equal share, and who floods
pushes out its own messages.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from framecast.channels.address import Address
from framecast.channels.holders import Holders
from framecast.settings import Store
from framecast.store.broadcasts import PendingMessages, StoredMessage, read_messages
from framecast.store.database import Database

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Org:
    """The messages of one org by path, the oldest first."""

    messages: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    bytes: int = 0


class LastMessages:
    """What the channels of one scope and namespace said last. Belongs to the Trio thread; nothing in it waits."""

    def __init__(self, limits: Store, pending: PendingMessages) -> None:
        self._limits = limits
        self._pending = pending
        self._orgs: dict[int, _Org] = {}
        self._by_count = Holders()
        self._by_bytes = Holders()
        self.count = 0
        """Channels of which a message is kept."""
        self.bytes = 0
        """What all those messages hold."""

    def find(self, address: Address) -> bytes | None:
        """What was said last on a channel, if that is kept."""
        org = self._orgs.get(address.org_id)
        return None if org is None else org.messages.get(address.path)

    def keep(self, address: Address, data: bytes) -> None:
        """This was said last on the channel. If it is larger than all that may be kept, nothing is kept of it."""
        key = (address.org_id, address.path)
        self._forget(*key)
        if self._fits(data):
            self._pending.save(key, data)
            self._take(*key, data)

    def restore(self, kept: StoredMessage) -> None:
        """This was said in an earlier life of the server. The oldest first, and before anything is said in this one."""
        key = (kept.org_id, kept.path)
        self._pending.note_stored(key)
        if self._fits(kept.data):
            self._take(*key, kept.data)
        else:
            self._pending.drop(key)

    def _fits(self, data: bytes) -> bool:
        return len(data) <= self._limits.last_messages_bytes

    def _take(self, org_id: int, path: str, data: bytes) -> None:
        org = self._orgs.setdefault(org_id, _Org())
        org.messages[path] = data
        self._count(org_id, 1, len(data), used=True)
        while self.count > self._limits.last_messages:
            self._forget_oldest_of(int(self._by_count.one_of_the_largest()))
        while self.bytes > self._limits.last_messages_bytes:
            self._forget_oldest_of(int(self._by_bytes.one_of_the_largest()))

    def _forget_oldest_of(self, org_id: int) -> None:
        self._forget(org_id, next(iter(self._orgs[org_id].messages)))

    def _forget(self, org_id: int, path: str) -> None:
        org = self._orgs.get(org_id)
        data = None if org is None else org.messages.pop(path, None)
        if data is not None:
            self._pending.drop((org_id, path))
            self._count(org_id, -1, -len(data))

    def _count(self, org_id: int, more: int, more_bytes: int, *, used: bool = False) -> None:
        org = self._orgs[org_id]
        org.bytes += more_bytes
        self.count += more
        self.bytes += more_bytes
        self._by_count.note(str(org_id), len(org.messages), used=used)
        self._by_bytes.note(str(org_id), org.bytes, used=used)
        if not org.messages:
            del self._orgs[org_id]


async def restore_messages(database: Database, last_messages: LastMessages) -> None:
    """Take every message that the store has; before anybody is let in. ConfigurationError when it cannot be read."""
    began = trio.current_time()
    behind = 0
    while page := await database.read(partial(read_messages, behind=behind)):
        behind = page[-1][0]
        for _, kept in page:
            last_messages.restore(kept)
    if last_messages.count:
        seconds = round(trio.current_time() - began, 3)
        log.info("last messages restored", channels=last_messages.count, seconds=seconds)
