"""The JSON form: what is read, what is refused where, what is written."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from framecast.errors import PeerError
from framecast.protocol import json_codec
from framecast.protocol.messages import (
    METHODS,
    ClientInfo,
    Command,
    ConnectResult,
    Disconnect,
    Empty,
    Error,
    HistoryResult,
    Message,
    Ping,
    Pong,
    Presence,
    PresenceResult,
    PresenceStatsResult,
    Publication,
    PublishRequest,
    Push,
    PushBody,
    RefreshResult,
    Reply,
    Subscribe,
    SubscribeRequest,
    SubscribeResult,
    Unsubscribe,
)

SAMPLES = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "golden" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
]


def methods_of(message: str | bytes) -> list[str]:
    """The message's methods in order; "3501" stands for the protocol error that ends it."""
    names = []
    for item in json_codec.decode(message):
        if isinstance(item, PeerError):
            names.append(str(item.code))
        else:
            names.append(item.method if isinstance(item, Command) else "pong")
    return names


def subscribe_of(message: str | bytes) -> SubscribeRequest:
    [command] = json_codec.decode(message)
    assert isinstance(command, Command)
    assert isinstance(command.request, SubscribeRequest)
    return command.request


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample["case"]))
def test_golden_client_messages_are_understood(sample: dict[str, Any]) -> None:
    text = sample["client"]
    assert methods_of(text) == sample["methods"]
    assert methods_of(text.encode()) == sample["methods"]
    assert methods_of(text + "\n") == sample["methods"]
    assert [methods_of(line)[0] for line in text.split("\n")] == sample["methods"]
    assert methods_of(text + "\n{") == [*sample["methods"], "3501"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample["case"]))
def test_golden_server_messages_are_written_field_by_field(sample: dict[str, Any]) -> None:
    lines = [json.loads(line) for line in sample["server"].split("\n")]
    messages: list[Reply | Push | Ping] = []
    for line in lines:
        kind: type[Reply | Push | Ping] = Push if "push" in line else Reply if line else Ping
        messages.append(msgspec.json.decode(json.dumps(line), type=kind))
    assert [json.loads(line) for line in json_codec.encode(*messages).split(b"\n")] == lines


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\n",
        b" ",
        b"{",
        b"null",
        b"[]",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b'{"id":5}',
        b'{"id":5,"unknown":{}}',
        b'{"id":5,"subscribe":null}',
        b'{"id":5,"subscribe":[]}',
        b'{"id":5,"subscribe":{"channel":7}}',
        b'{"id":5,"subscribe":{"channel":"a","recover":"yes"}}',
        b'{"id":5,"subscribe":{"channel":"a","offset":-1}}',
        b'{"id":5,"subscribe":{"channel":"a","offset":9007199254740992}}',
        b'{"id":5,"subscribe":{"channel":"a","offset":1.5}}',
        b'{"id":5,"subscribe":{"channel":"a","type":2147483648}}',
        b'{"id":5,"subscribe":{"channel":"a","flag":9223372036854775808}}',
        b'{"id":5,"connect":{"flag":-9223372036854775809}}',
        b'{"id":5,"history":{"channel":"a","limit":2147483648}}',
        b'{"id":5,"history":{"channel":"a","limit":-2147483649}}',
        b'{"id":5,"history":{"channel":"a","limit":' + b"9" * 4_000 + b"}}",
        b'{"id":"5","subscribe":{"channel":"a"}}',
        b'{"id":4294967296,"subscribe":{"channel":"a"}}',
        b'{"id":-1,"subscribe":{"channel":"a"}}',
        b'{"id":5,"publish":{"channel":"a","data":{"x":1,}}}',
        b'{"id":5,"publish":{"channel":"a","data":NaN}}',
        b'{"id":5,"publish":{"channel":"a","data":"\xff"}}',
        b'{"id":5,"publish":{"channel":"a","data":"\xed\xa0\x80"}}',
        b'{"id":5,"publish":{"channel":"a","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b'{"id":5,"other":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    ],
    ids=lambda broken: repr(broken[:60]),
)
def test_a_broken_line_ends_the_message_after_the_commands_before_it(broken: bytes) -> None:
    assert methods_of(broken) == ["3501"]
    before = b'{"id":1,"connect":{}}\n'
    if broken:
        assert methods_of(before + broken + b'\n{"id":6,"connect":{}}') == ["connect", "3501"]


@pytest.mark.parametrize("method", [m for m in METHODS if m not in {"connect", "ping", "rpc", "send", "refresh"}])
def test_a_missing_channel_breaks_the_protocol(method: str) -> None:
    for request in ("{}", '{"channel":""}', '{"channel":null}'):
        assert methods_of(f'{{"id":1,"{method}":{request}}}') == ["3501"]
    assert methods_of(f'{{"id":1,"{method}":{{"channel":"a"}}}}') == [method]


def test_methods_rank_in_the_documented_order() -> None:
    documented = (
        "connect ping subscribe unsubscribe publish presence presence_stats history rpc send refresh sub_refresh"
    )
    assert list(METHODS) == documented.split()


def test_without_an_id_everything_but_send_is_a_pong() -> None:
    for text in ('{"id":0}', '{"id":null}', '{"subscribe":{}}', '{"id":0,"connect":{}}', '{"connect":{},"send":{}}'):
        assert list(json_codec.decode(text)) == [Pong()]
    assert methods_of('{"send":{}}') == ["send"]
    assert methods_of('{"id":3,"send":{}}') == ["send"]


def test_an_empty_line_stands_only_at_the_very_end() -> None:
    assert methods_of("{}\n") == ["pong"]
    assert methods_of("{}\n\n") == ["pong", "3501"]
    assert methods_of("\n{}") == ["3501"]
    assert methods_of("{}\n\n{}") == ["pong", "3501"]
    assert methods_of("{}\r\n{}\r\n") == ["pong", "pong"]


def test_numbers_reach_to_the_ends_of_their_fields() -> None:
    assert methods_of('{"id":4294967295,"history":{"channel":"a","limit":2147483647}}') == ["history"]
    assert methods_of('{"id":1,"history":{"channel":"a","limit":-2147483648}}') == ["history"]
    request = subscribe_of('{"id":1,"subscribe":{"channel":"a","flag":-9223372036854775808,"type":-2147483648}}')
    assert (request.flag, request.type) == (-(2**63), -(2**31))


def test_unknown_and_repeated_keys_are_ignored() -> None:
    text = '{"id":9,"x":[{"y":null}],"id":2,"subscribe":{"channel":"a","future":{"z":1},"channel":"b"}}'
    assert subscribe_of(text).channel == "b"


def test_null_means_absent_except_for_data() -> None:
    request = subscribe_of('{"id":1,"connect":null,"subscribe":{"channel":"a","token":null,"recover":null}}')
    assert (request.token, request.recover) == (None, None)
    [command] = json_codec.decode('{"id":1,"publish":{"channel":"a","data":null}}')
    assert isinstance(command, Command)
    assert isinstance(command.request, PublishRequest)
    assert bytes(command.request.data) == b"null"


def test_payloads_are_kept_byte_for_byte() -> None:
    assert bytes(subscribe_of('{"id":1,"subscribe":{"channel":"a","data": {"b" : 1.50e3} }}').data) == b'{"b" : 1.50e3}'
    assert bytes(subscribe_of('{"id":1,"subscribe":{"channel":"a"}}').data) == b""


def test_the_commands_after_a_break_are_never_looked_at() -> None:
    commands = json_codec.decode(b"{}\n{\n" + b"{}\n" * 1_000_000)
    assert next(commands) == Pong()
    assert isinstance(next(commands), PeerError)
    assert list(commands) == []


def test_line_breaks_in_payloads_do_not_split_the_message() -> None:
    data = Raw(b'{\r\n  "text": "a\\nb",\n  "n": [1,\n2]\n}')
    written = json_codec.encode(Reply(id=1, subscribe=SubscribeResult(data=data)), Reply(id=2, publish=Empty()))
    first, second = written.split(b"\n")
    assert b"\r" not in first
    assert json.loads(first) == {"id": 1, "subscribe": {"data": {"text": "a\nb", "n": [1, 2]}}}
    assert second == b'{"id":2,"publish":{}}'


def test_empty_results_are_present_and_defaults_are_not() -> None:
    assert json_codec.encode(Reply(id=17, subscribe=SubscribeResult())) == b'{"id":17,"subscribe":{}}'
    assert json_codec.encode(Ping()) == b"{}"
    assert json_codec.encode(Reply(id=1, error=Error(403, "Forbidden"))) == (
        b'{"id":1,"error":{"code":403,"message":"Forbidden"}}'
    )
    assert json_codec.encode(Reply(id=1, history=HistoryResult((), "", 0))) == (
        b'{"id":1,"history":{"publications":[],"epoch":"","offset":0}}'
    )
    push = Push(PushBody(channel="a", pub=Publication(data=Raw(b"null"))))
    assert json_codec.encode(push) == b'{"push":{"channel":"a","pub":{"data":null}}}'


def test_a_reply_without_an_id_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="needs the id of its command"):
        Reply(id=0, publish=Empty())


@pytest.mark.parametrize(
    ("push", "written"),
    [
        (PushBody(), b"{}"),
        (PushBody("a", pub=Publication(Raw(b"[1,\n2]"), offset=3)), b'{"channel":"a","pub":{"data":[1,2],"offset":3}}'),
        (
            PushBody("a", join=Presence(ClientInfo("", "c"))),
            b'{"channel":"a","join":{"info":{"user":"","client":"c"}}}',
        ),
        (PushBody("a", unsubscribe=Unsubscribe(2000, "")), b'{"channel":"a","unsubscribe":{"code":2000,"reason":""}}'),
        (PushBody("a", subscribe=Subscribe()), b'{"channel":"a","subscribe":{}}'),
        (
            PushBody("a", subscribe=Subscribe(Raw(b"1"), recoverable=True, epoch="e", offset=4, positioned=True)),
            b'{"channel":"a","subscribe":{"data":1,"recoverable":true,"epoch":"e","offset":4,"positioned":true}}',
        ),
        (PushBody(message=Message(Raw(b"null"))), b'{"message":{"data":null}}'),
        (
            PushBody(connect=ConnectResult("c", subs={"a": SubscribeResult()}, session="s", node="n", time=5)),
            b'{"connect":{"client":"c","subs":{"a":{}},"session":"s","node":"n","time":5}}',
        ),
        (PushBody(disconnect=Disconnect(3001, "")), b'{"disconnect":{"code":3001,"reason":""}}'),
        (PushBody(refresh=RefreshResult(expires=True, ttl=9)), b'{"refresh":{"expires":true,"ttl":9}}'),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else "",
)
def test_pushes_are_written_bare_and_wrapped(push: PushBody, written: bytes) -> None:
    assert json_codec.encode_push(push) == written
    assert json_codec.encode(Push(push)) == b'{"push":' + written + b"}"


def test_what_sdks_index_is_always_written() -> None:
    replies = [
        Reply(1, presence=PresenceResult({})),
        Reply(1, presence=PresenceResult({"": ClientInfo("", "")})),
        Reply(1, presence_stats=PresenceStatsResult(0, 0)),
        Reply(1, history=HistoryResult((), "", 0)),
    ]
    assert json_codec.encode(*replies).split(b"\n") == [
        b'{"id":1,"presence":{"presence":{}}}',
        b'{"id":1,"presence":{"presence":{"":{"user":"","client":""}}}}',
        b'{"id":1,"presence_stats":{"num_clients":0,"num_users":0}}',
        b'{"id":1,"history":{"publications":[],"epoch":"","offset":0}}',
    ]


PIECES = rb"""{ } "id": 1 0 , "subscribe": {"channel":"a"} "connect":{} {} "rpc": "data": "\ud800" null [ ] " - 1e999"""
pieces = st.sampled_from([*PIECES.split(), b"\n", b"\x00", b"\xff"])


SEEDS = [str(sample["client"]).encode() for sample in SAMPLES]


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """Golden messages with some bytes changed, or a piece of something else in them."""
    message = bytearray(b"\n".join(draw(st.lists(st.sampled_from(SEEDS), min_size=1, max_size=3))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(message) - 1))
        message[at : at + draw(st.integers(0, 3))] = draw(pieces | st.binary(min_size=1, max_size=1))
    return bytes(message)


@given(st.one_of(st.binary(), st.text(), spoiled(), st.lists(pieces, max_size=30).map(b"".join)))
@example(b'{"id":1,"rpc":{"data":"\\ud800"}}')
@example("\ud800")
def test_any_bytes_become_commands_and_at_most_one_error_at_the_end(message: str | bytes) -> None:
    items = list(json_codec.decode(message))
    assert items
    for item in items[:-1]:
        assert not isinstance(item, PeerError)
    assert all(item.code == 3501 for item in items if isinstance(item, PeerError))


@given(
    st.lists(st.sampled_from(["{}", '{"id":1,"connect":{}}', '{"id":2,"presence_stats":{"channel":"é"}}']), min_size=1)
)
def test_joined_lines_read_like_single_ones(lines: list[str]) -> None:
    singly = [item for line in lines for item in json_codec.decode(line)]
    assert len(singly) == len(lines)
    assert list(json_codec.decode("\n".join(lines))) == singly
