"""Lists of publications that many want: the same as if each were encoded for one client, and few at a time kept."""

import json
from itertools import product

import msgspec
import pytest

from client.world import TOP
from framecast.channels.address import Address
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import Kept
from framecast.client.missed import FEW, MissedPublications
from framecast.client.replies import publication
from framecast.protocol import json_codec, protobuf_codec
from framecast.protocol.codec import Codec
from framecast.protocol.messages import Reply, SubscribeResult

A_B = Address(1, "stream", "a", "b")
INFO = ClientInfo("ann", "c1", b"{}", b"")


def past(count: int, *, first: int = 1, size: int = 10) -> list[Kept]:
    return [
        Kept(offset, offset - 1, b'{"n":%d,"x":"%s"}' % (offset, b"x" * size), 1, 0.0, INFO if offset % 2 else None)
        for offset in range(first, first + count)
    ]


@pytest.mark.parametrize(
    ("codec", "quoted", "count"),
    list(product([json_codec, protobuf_codec], [False, True], [0, 1, FEW, FEW + 1, 100])),
)
def test_a_reply_is_the_same_as_if_it_were_made_alone(codec: Codec, quoted: bool, count: int) -> None:
    kept = past(count)
    encoded = MissedPublications().encode(kept, codec, address=A_B, epoch="e", quoted=quoted)
    result = SubscribeResult(publications=encoded, offset=7, epoch="e", recovered=True)
    alone = msgspec.structs.replace(result, publications=tuple(publication(one, quoted=quoted) for one in kept))
    assert codec.encode(Reply(2, subscribe=result)) == codec.encode(Reply(2, subscribe=alone))


@pytest.mark.parametrize(("detailed", "count"), list(product([False, True], [FEW, FEW + 1])))
def test_each_reader_gets_the_form_it_reads(detailed: bool, count: int) -> None:
    kept = [msgspec.structs.replace(one, detail=b'"more"' if one.offset % 2 else None) for one in past(count)]
    lists = MissedPublications()
    for wanted in (not detailed, detailed):
        encoded = lists.encode(kept, json_codec, address=A_B, epoch="e", detailed=wanted)
    reply = json.loads(json_codec.encode(Reply(2, subscribe=SubscribeResult(publications=encoded))))
    got = [pub["data"] for pub in reply["subscribe"]["publications"]]
    assert [data == "more" for data in got] == [detailed and one.offset % 2 == 1 for one in kept]


def test_a_payload_with_a_line_break_stays_on_its_line() -> None:
    kept = [Kept(n, n - 1, b'{"n":\n1}', 1, 0.0) for n in range(1, 20)]
    encoded = MissedPublications().encode(kept, json_codec, address=A_B, epoch="e")
    [line] = json_codec.encode(Reply(2, subscribe=SubscribeResult(publications=encoded))).split(b"\n")
    assert len(json.loads(line)["subscribe"]["publications"]) == 19


def test_it_is_made_once_for_all_who_missed_the_same() -> None:
    lists = MissedPublications()
    made: list[int] = []

    class Counting:
        NAME, BINARY = json_codec.NAME, json_codec.BINARY
        decode, encode, encode_push = json_codec.decode, json_codec.encode, json_codec.encode_push
        publishable = json_codec.publishable

        @staticmethod
        def encode_publications(publications: list[object]) -> bytes:
            made.append(len(publications))
            return b"[]"

    def encode(kept: list[Kept], *, address: Address = A_B, epoch: str = "e", **form: bool) -> None:
        lists.encode(kept, Counting(), address=address, epoch=epoch, **form)  # type: ignore[arg-type]

    for _ in range(3):
        encode(past(20))
    assert made == [20]
    encode(past(19))
    encode(past(19, first=2))
    encode(past(20), address=Address(1, "stream", "a", "c"))
    encode(past(20), address=Address(2, "stream", "a", "b"))
    encode(past(20), epoch=TOP.epoch)
    encode(past(20), quoted=True)
    encode(past(20), detailed=True)
    assert made == [20, 19, 19, 20, 20, 20, 20, 20]
    encode(past(20))
    assert len(made) == 8
