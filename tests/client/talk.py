"""A conversation beyond plain channels: a desk with options, and tokens that are known by heart."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import msgspec
import pytest

from client.desk import Desk
from client.world import PLAIN, TOP, MemoryOptions, Wishes, extend
from framecast.accounts import admission as accounts
from framecast.accounts.admission import Admission, Grant
from framecast.accounts.identity import Identity, Role
from framecast.accounts.rates import Rates
from framecast.channels.address import Address
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ChannelHistory
from framecast.errors import PeerError
from framecast.protocol import json_codec
from framecast.protocol.codes import CloseCode
from framecast.protocol.unidirectional import UnidirectionalCodec
from framecast.settings import ChannelOptions, Live

ALICE = Identity(1, "alice", Role.VIEWER)
A_B = Address(1, "stream", "a", "b")

Found = TypeVar("Found")


@dataclass
class Scripted:
    """Knows a few tokens by heart; plays accounts.Admissions."""

    people: dict[str, Admission | Exception] = field(default_factory=dict)
    grants: dict[str, Grant | Exception] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    nobody: Admission = field(default_factory=partial(Admission, ALICE, b'{"n":1}'))
    """Who brings no token."""
    meanwhile: Callable[[], object] = field(default=lambda: None)
    """What happens while the token of a subscription is looked at."""

    async def connect(self, visitor: Identity | None, token: str) -> Admission:
        return _find(self.people, token) if token else self.nobody

    async def refresh(self, admission: Admission, token: str) -> Admission:
        return _find(self.people, token)

    async def subscription(self, admission: Admission, *, channel: str, client: str, token: str) -> Grant:
        self.asked.append((channel, client))
        self.meanwhile()
        return _find(self.grants, token) if token else accounts.NOTHING


def _find(known: dict[str, Found | Exception], token: str) -> Found:
    found = known[token]
    if isinstance(found, Exception):
        raise found
    return found


class Talk(Desk):
    """A desk whose namespace `a` has the given options, and whose tokens are scripted."""

    def __init__(
        self,
        settings: Live | None = None,
        *,
        listens_to: Sequence[str] | None = None,
        rates: Rates | None = None,
        **options: Any,
    ) -> None:
        self.tokens = Scripted()
        by_namespace = {"a": msgspec.structs.replace(PLAIN, **options)}
        wishes = Wishes(settings or Live(), options=MemoryOptions(by_namespace), admissions=self.tokens)
        if rates is not None:
            wishes.rates = rates
        if listens_to is not None:
            wishes.codec = UnidirectionalCodec(json_codec)
        super().__init__(wishes=wishes, listens_to=listens_to)

    def say(self, **command: object) -> list[Any]:
        return self.hear(json.dumps({"id": 2, **command}))

    def connect(self, **request: object) -> Any:
        [reply] = self.say(connect=request)
        return reply["connect"]

    def subscribe(self, channel: str = "stream/a/b", **extra: object) -> Any:
        return self.say(subscribe={"channel": channel, **extra})[0]["subscribe"]

    def refused(self, **command: object) -> tuple[int, bool]:
        return self.error(json.dumps({"id": 9, **command}))

    def expect_end(self, close: CloseCode, **command: object) -> None:
        with pytest.raises(PeerError) as caught:
            self.say(**command)
        assert caught.value.code == close.code


def keep(desk: Desk, count: int, address: Address = A_B) -> None:
    """Give the channel a past of `count` publications."""
    past = desk.hub.pasts[address.key] = ChannelHistory(address.key, TOP, options=ChannelOptions())
    for offset in range(TOP.offset + 1, TOP.offset + 1 + count):
        extend(past, b"%d" % offset, ClientInfo("bob", "c9", b"", b'{"r":2}') if offset % 2 else None)
