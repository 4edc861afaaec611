"""Golden transcripts: conversations as they were seen on the wire, read from tests/golden.

    # a comment
    = KEY VALUE     what the rooms around have to be like; before anything is said
    > MESSAGE       the client says; ⏎ stands for a newline inside one message
    < MESSAGE       the server says
    ! CODE REASON   the server closes
    * CHANNEL DATA  somebody publishes
    + EVENT …       something else happens: ping, end CHANNEL CODE, joins CHANNEL, leaves CHANNEL

JSON messages are text, and CLIENT is any client's id; Protobuf messages are hex, and the id in them stands for any.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from client.talk import Scripted
from client.world import PLAIN, UNIX_SECONDS, MemoryHub, MemoryOptions, Wishes, extend
from framecast.accounts.admission import Admission
from framecast.accounts.identity import DEVELOPER
from framecast.channels.address import Address, parse_key
from framecast.channels.broker import Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ChannelHistory
from framecast.protocol.codec import CODECS
from framecast.protocol.codes import UnsubscribeCode
from framecast.settings import ChannelOptions, Live

GOLDEN = Path(__file__).parent.parent / "golden"
TRANSCRIPTS = sorted(GOLDEN.glob("*.txt"))

CLIENT = "be6c0f0e-2a43-4c0f-8b43-0a3a6f0b8f51"
SOMEBODY = 2
"""The connection of another client, of the same id as far as a transcript shows."""

_CLIENT_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass
class Transcript:
    """One file: the rooms that it needs, and what happens in them."""

    wishes: Wishes
    pasts: dict[str, ChannelHistory] = field(default_factory=dict)
    steps: list[tuple[str, str]] = field(default_factory=list)

    @property
    def binary(self) -> bool:
        """Whether it is one of Protobuf messages."""
        return self.wishes.codec.BINARY

    def message(self, what: str) -> bytes:
        """What the client says, as it stands on the wire."""
        return bytes.fromhex(what) if self.binary else what.replace("⏎", "\n").encode()

    def singly(self, what: str) -> list[bytes]:
        """The same, one command at a time."""
        message = self.message(what)
        return list(_split(message)) if self.binary else message.split(b"\n")

    def expected(self, what: str) -> Any:
        """What the server says, in the form of `heard`."""
        return bytes.fromhex(what).hex() if self.binary else json.loads(what)

    def heard(self, message: bytes) -> list[Any]:
        """What the server said in one message, without what differs from run to run."""
        if self.binary:
            return [_CLIENT_ID.sub(CLIENT.encode(), one).hex() for one in _split(message)]
        return [json.loads(line) for line in _CLIENT_ID.sub(b"CLIENT", message).split(b"\n")]

    @property
    def garbage(self) -> bytes:
        """What breaks any message that it is appended to, and nothing of it that stands before."""
        return b"\x05" if self.binary else b"\n{"

    @property
    def ending(self) -> bytes:
        """What may stand behind any message."""
        return b"" if self.binary else b"\n"


def _split(message: bytes) -> Iterator[bytes]:
    while message:
        end = next(place for place, byte in enumerate(message) if byte < 0x80) + 1
        end += sum((byte & 0x7F) << 7 * place for place, byte in enumerate(message[:end]))
        assert end <= len(message)
        yield message[:end]
        message = message[end:]


def read_transcript(file: Path) -> Transcript:
    """Read a file of tests/golden; the rooms are new each time."""
    tokens = Scripted(nobody=Admission(DEVELOPER))
    options: dict[str, ChannelOptions] = {}
    wishes = Wishes(Live(channels_per_client=8), options=MemoryOptions(options), admissions=tokens)
    transcript = Transcript(wishes)
    for line in file.read_text(encoding="utf-8").splitlines():
        who, _, what = line.partition(" ")
        if who == "=":
            key, _, value = what.partition(" ")
            name, _, rest = value.partition(" ")
            match key:
                case "form":
                    wishes.codec = CODECS[value]
                case "version":
                    wishes.version = value
                case "options":
                    options[name] = msgspec.structs.replace(PLAIN, **json.loads(rest))
                case "token":
                    tokens.people[name] = Admission(DEVELOPER, lasts_until=UNIX_SECONDS + float(rest))
                case "past":
                    transcript.pasts[name] = _past(name, *rest.split(" "))
                case _:
                    raise AssertionError(line)
        elif who and who != "#":
            transcript.steps.append((who, what))
    return transcript


def _past(key: str, epoch: str, offset: str, *newest: str) -> ChannelHistory:
    past = ChannelHistory(key, Position(epoch, int(offset) - len(newest)), options=ChannelOptions())
    for data in newest:
        extend(past, data.encode())
    return past


def let_happen(hub: MemoryHub, who: str, what: str) -> None:
    """What happens in a transcript without a client's doing, but for pings."""
    if who == "*":
        key, _, data = what.partition(" ")
        hub.publish(key, data.encode())
        return
    event, key, *more = what.split(" ")
    address = parse_key(key)
    match event:
        case "end":
            [code] = [code for code in UnsubscribeCode if code.code == int(more[0])]
            hub.end(1, address, code)
        case "joins":
            _join(hub, address)
        case "leaves":
            hub.unsubscribe(SOMEBODY, address)
        case _:
            raise AssertionError(what)


def _join(hub: MemoryHub, address: Address) -> None:
    hub.senders[SOMEBODY] = lambda _: None
    options = ChannelOptions(join_leave="pushed")
    hub.subscribe(SOMEBODY, address, str(address), info=ClientInfo("", CLIENT), options=options)
    hub.announce_join(SOMEBODY, address)
