"""A small world for one subscriber: scopes, a hub and transcripts, all in memory."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Raw

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.channels.beginning import Begin, Beginning
from framecast.channels.broker import Position
from framecast.channels.history import Kept
from framecast.errors import Refusal
from framecast.protocol import json_codec
from framecast.protocol.messages import Publication, Push, PushBody

GOLDEN = Path(__file__).parent.parent / "golden"
TRANSCRIPTS = sorted(GOLDEN.glob("*.txt"))
SNAPSHOT = b'{"schema":{"fields":[]},\n"data":{"values":[]}}'
TOP = Position("EPOCH", 9)
SUBSCRIBED = {"recoverable": True, "positioned": True, "epoch": TOP.epoch, "offset": TOP.offset}
"""The result for a channel without anything to show."""
VERSION = "framecast test"


@dataclass
class MemoryHub:
    """Delivers at once to whatever `send` was registered for a connection."""

    senders: dict[int, Callable[[bytes], object]] = field(default_factory=dict)
    subscribers: dict[tuple[str, int], str] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    """Channels that a scope allowed to subscribe to, until their subscription ends."""
    full: bool = False

    def subscribe(self, connection: int, address: Address, spelling: str) -> None:
        if self.full:
            raise Refusal(106, "limit exceeded")
        self.subscribers[address.key, connection] = spelling

    def unsubscribe(self, connection: int, address: Address) -> None:
        self.subscribers.pop((address.key, connection), None)
        self.opened.discard(address.key)

    def leave(self, connection: int) -> None:
        self.left.append(connection)
        for key in [key for key in self.subscribers if key[1] == connection]:
            del self.subscribers[key]

    def publish(self, key: str, data: bytes) -> None:
        for (channel, connection), spelling in list(self.subscribers.items()):
            if channel == key:
                push = Push(PushBody(channel=spelling, pub=Publication(data=Raw(data))))
                self.senders[connection](json_codec.encode(push))


@dataclass
class MemoryScope:
    """Allows everything it is not told to refuse; `before` and `failing` are what a test wants to happen."""

    hub: MemoryHub
    publishable: bool
    snapshots: dict[str, bytes] = field(default_factory=dict)
    hooks: dict[str, Callable[[], Any]] = field(default_factory=dict)
    seen: list[tuple[str, bytes | None]] = field(default_factory=list)

    async def subscribe(self, identity: Identity, address: Address, data: bytes | None) -> Begin:
        self.seen.append((address.key, data))
        self.hub.opened.add(address.key)
        if hook := self.hooks.get(address.path):
            await hook()
        return partial(self.begin, address)

    def begin(self, address: Address, returning: Position | None) -> Beginning:
        """Whoever returns in the right epoch missed just the publication before the newest and that one."""
        if returning is None or returning.epoch != TOP.epoch:
            return Beginning(TOP, self.snapshots.get(address.key))
        missed = [Kept(offset, offset - 1, b'{"data":%d}' % offset, 1, 0.0) for offset in (TOP.offset - 1, TOP.offset)]
        return Beginning(TOP, recovered=True, missed=missed)

    async def publish(self, identity: Identity, address: Address, data: bytes) -> None:
        if hook := self.hooks.get(address.path):
            await hook()
        if not self.publishable:
            raise Refusal(403, "Forbidden")
        self.hub.publish(address.key, data)


@dataclass
class MemoryScopes:
    """`stream` takes subscribers, `grafana` publications too; nothing else exists."""

    hub: MemoryHub

    def __post_init__(self) -> None:
        self.stream = MemoryScope(self.hub, False, {"1/stream/tg/cpu": SNAPSHOT})
        self.grafana = MemoryScope(self.hub, True)

    def find(self, address: Address) -> MemoryScope:
        scope = {"stream": self.stream, "grafana": self.grafana}.get(address.scope)
        if scope is None:
            raise Refusal(404, "Not Found")
        return scope


def read_transcript(file: Path) -> Iterator[tuple[str, str]]:
    """Give (who, what) for each line; newlines inside a message are restored."""
    for line in file.read_text(encoding="utf-8").splitlines():
        who, _, what = line.partition(" ")
        if who and who != "#":
            yield who, what.replace("⏎", "\n")


def read_line(line: str | bytes) -> Any:
    """A server line as an object, with the client's id hidden."""
    value = json.loads(line)
    if "connect" in value:
        value["connect"]["client"] = "CLIENT"
    return value
