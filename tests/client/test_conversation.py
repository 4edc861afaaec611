"""Random conversations in both forms, each step held against a naive twin of the session."""

import json
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from client.desk import Desk
from client.forms import Content, Form, JsonForm, ProtobufForm, stripped
from client.naive import ALL, CHANNELS_PER_CLIENT, LASTS, OTHER, SERVED, End, Naive
from client.talk import ALICE, Scripted
from client.world import DETAILED, PLAIN, UNIX_SECONDS, MemoryOptions, Wishes
from framecast.accounts.admission import Admission, Grant
from framecast.accounts.identity import Identity
from framecast.accounts.tokens.claims import Override
from framecast.channels.address import parse_key
from framecast.channels.broker import Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ChannelHistory
from framecast.client.session import State
from framecast.errors import PeerError
from framecast.protocol.codes import TEMPORARY, CloseCode, ErrorCode, UnsubscribeCode
from framecast.settings import ChannelOptions, Live

CONN_INFO = b'{"n":1}'
PATIENCE_SECONDS = 25.0
OPTIONS: dict[str, dict[str, Any]] = {
    "full": {"presence": True, "ask_presence": True, "ask_history": True, "join_leave": "asked"},
    "told": {"join_leave": "pushed"},
    "none": {"recovery": "off"},
}
GOOD_CHANNELS = [
    *("stream/a/b", "1/stream/a/b", "org-1/stream/a/c", "stream/tg/cpu", "stream/none/x", "stream/a/s"),
    *("grafana/full/x", "1/grafana/full/x", "default/grafana/full/x", "grafana/told/x", "grafana/signed/x"),
]
CHANNELS = [*GOOD_CHANNELS, "ds/x/y", "bad", "2/stream/a/b", "stream/a/" + "x" * 250]
KEYS = ["1/stream/a/b", "1/stream/a/s", "1/stream/none/x", ALL, "1/grafana/told/x", "1/grafana/signed/x"]


async def echo(identity: Identity, data: bytes) -> bytes:
    assert identity == ALICE
    return data


def know_by_heart() -> Scripted:
    """The tokens that the naive twin knows too."""

    def until(token: str) -> float | None:
        return None if LASTS[token] == inf else UNIX_SECONDS + LASTS[token]

    served = Admission(ALICE, CONN_INFO, channels=dict.fromkeys(SERVED, Grant()))
    people = {token: Admission(ALICE, CONN_INFO, until(token)) for token in ("soon", "later", "ever")}
    crowd = msgspec.structs.replace(served, channels={f"stream/a/{n}": Grant() for n in range(CHANNELS_PER_CLIENT + 1)})
    grants = {token: Grant(lasts_until=until(token)) for token in ("soon", "later", "ever")}
    bad = CloseCode.INVALID_TOKEN.error()
    expired = ErrorCode.TOKEN_EXPIRED.refusal()
    return Scripted(
        people={**people, "served": served, "crowd": crowd, "expired": expired, "bad": bad},
        grants={
            **grants,
            "seat": Grant(info=b'{"seat":3}'),
            "told": Grant(override=Override(force_push_join_leave=True)),
            "hello": Grant(data=b'{"hello":1}'),
            "expired": expired,
            "denied": ErrorCode.PERMISSION_DENIED.refusal(),
            "bad": bad,
        },
    )


def open_desk(form: Form) -> Desk:
    options = {name: msgspec.structs.replace(PLAIN, **changes) for name, changes in OPTIONS.items()}
    wishes = Wishes(
        Live(channels_per_client=CHANNELS_PER_CLIENT, expired_seconds=PATIENCE_SECONDS),
        codec=form.codec,
        options=MemoryOptions(options),
        admissions=know_by_heart(),
        methods={"echo": echo},
    )
    desk = Desk(wishes=wishes)
    desk.hub.pasts[ALL] = ChannelHistory(ALL, Position("PAST", 0), options=ChannelOptions())
    return desk


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Content]:
    """Any of the fields, or none."""
    return st.fixed_dictionaries({}, optional=fields)


def on_channel(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Content]:
    """A channel, and any of the fields."""
    channels = st.sampled_from([*GOOD_CHANNELS, *GOOD_CHANNELS, *CHANNELS, *["grafana/full/x"] * 6])
    return st.fixed_dictionaries({"channel": channels}, optional=fields)


PAYLOADS = st.sampled_from([None, 0, "é\n", {"a": [1, {"b": None}]}])
NUMBERS = st.integers(1, 2**32 - 1)
OFFSETS = st.integers(0, 10)
EPOCHS = st.sampled_from(["PAST", "EPOCH", "other", ""])
POSITIONS = some(recover=st.just(value=True), epoch=EPOCHS, offset=OFFSETS)
GOOD_PEOPLE = ["soon", "later", "served", ""]
PEOPLE = st.sampled_from([*GOOD_PEOPLE, "ever", "expired", "crowd", "bad"])
GOOD_GRANTS = ["soon", "later", "seat", "told", "hello", "ever", ""]
GRANTS = st.sampled_from([*GOOD_GRANTS, *GOOD_GRANTS, *GOOD_GRANTS, "expired", "denied", "bad"])
REQUESTS: dict[str, st.SearchStrategy[Content]] = {
    "connect": some(token=PEOPLE, data=PAYLOADS, subs=st.dictionaries(st.sampled_from(SERVED), POSITIONS)),
    "subscribe": on_channel(
        recover=st.just(value=True),
        epoch=EPOCHS,
        offset=OFFSETS,
        token=GRANTS,
        join_leave=st.booleans(),
        flag=st.sampled_from([0, 1, 3, 2**62, -1]),
        delta=st.sampled_from(["", "fossil"]),
        type=st.sampled_from([0] * 9 + [1]),
        data=PAYLOADS | st.just(DETAILED),
    ),
    "unsubscribe": on_channel(),
    "publish": on_channel(data=PAYLOADS),
    "presence": on_channel(),
    "presence_stats": on_channel(),
    "history": on_channel(limit=st.integers(-2, 3), since=some(offset=OFFSETS, epoch=EPOCHS), reverse=st.booleans()),
    "rpc": some(method=st.sampled_from(["echo", "other"]), data=PAYLOADS),
    "refresh": some(token=st.sampled_from(["soon", "later", "later", "ever", "expired", "bad", ""])),
    "sub_refresh": on_channel(token=GRANTS),
}


def commands(*methods: str) -> st.SearchStrategy[Content]:
    """One of these commands."""
    return st.one_of(*[st.fixed_dictionaries({"id": NUMBERS, method: REQUESTS[method]}) for method in methods])


OF_CHANNELS = ("unsubscribe", "publish", "presence", "presence_stats", "history")
PLAUSIBLE = st.one_of(commands("subscribe"), commands(*OF_CHANNELS, "rpc"))
OF_ONES_OWN = st.sampled_from([*OF_CHANNELS[1:], *OF_CHANNELS, "sub_refresh", "subscribe"])
ODD = st.one_of(
    commands("connect", "refresh", "sub_refresh"),
    st.fixed_dictionaries({}, optional={"id": st.just(0), "subscribe": on_channel()}),
    st.fixed_dictionaries({"id": NUMBERS}, optional={"send": some(data=PAYLOADS)}),
    st.fixed_dictionaries({"id": NUMBERS, "rpc": REQUESTS["rpc"], "unsubscribe": on_channel()}),
    st.fixed_dictionaries({"id": NUMBERS, "subscribe": on_channel(delta=st.just("other"))}),
    st.sampled_from([{"send": {}}, {"id": 5, "ping": {}}, {"id": 5, "publish": {"data": 1}}]),
    st.none(),
)
MESSAGES = st.lists(PLAUSIBLE, min_size=1, max_size=4)
SELDOM = st.integers(0, 7).map(lambda drawn: drawn == 5)


class Conversation(RuleBasedStateMachine):
    """Each rule is one thing that happens; the twin says what must be heard of it, and whether it is the end."""

    form: Form = JsonForm()

    @initialize(request=REQUESTS["connect"], token=st.sampled_from(GOOD_PEOPLE), silent=SELDOM)
    def start(self, request: Content, token: str, *, silent: bool) -> None:
        self.desk = open_desk(self.form)
        self.desk.hub.senders[2] = lambda _: None
        self.twin = Naive()
        self.over = False
        if not silent:
            self.say([{"id": 1, "connect": request | {"token": token}}])

    @precondition(lambda self: self.over or self.twin.refused)
    @rule(request=REQUESTS["connect"], token=st.sampled_from(GOOD_PEOPLE), silent=SELDOM)
    def come_back(self, request: Content, token: str, *, silent: bool) -> None:
        self.start(request, token, silent=silent)

    @precondition(lambda self: not self.over)
    @rule(message=MESSAGES, strange=st.booleans())
    def speak(self, message: list[Content], *, strange: bool) -> None:
        if not self.twin.connected:
            message = [{"id": 2, "connect": {}}, *message]
        self.say(message, strange=strange)

    @precondition(lambda self: not self.over and self.twin.subs)
    @rule(number=NUMBERS, method=OF_ONES_OWN, which=st.integers(0, 2), data=st.data())
    def speak_of_ones_own(self, number: int, method: str, which: int, data: st.DataObject) -> None:
        subs = list(self.twin.subs.values())
        channel = subs[which % len(subs)].spelling
        self.say([{"id": number, method: data.draw(REQUESTS[method]) | {"channel": channel}}])

    @precondition(lambda self: self.twin.expires < inf and not self.over)
    @rule(number=NUMBERS, request=REQUESTS["refresh"])
    def refresh(self, number: int, request: Content) -> None:
        self.say([{"id": number, "refresh": request}])

    @precondition(lambda self: not self.over)
    @rule(before=st.lists(PLAUSIBLE, max_size=2), odd=ODD, after=st.lists(PLAUSIBLE, max_size=1), really=SELDOM)
    def speak_oddly(self, before: list[Content], odd: Content | None, after: list[Content], *, really: bool) -> None:
        self.say([*before, *([odd] if really else []), *after])

    @precondition(lambda self: self.twin.connected and not self.over)
    @rule()
    def ping(self) -> None:
        self.twin.pings += 1
        self.step(self.desk.ping, lambda: [{}])

    @precondition(lambda self: not self.over and self.twin.pings)
    @rule()
    def pong(self) -> None:
        self.say([{}])

    @precondition(lambda self: not self.over)
    @rule(seconds=st.sampled_from([1, 20, 40, 110]))
    def wait(self, seconds: int) -> None:
        self.desk.now += seconds
        self.step(lambda: self.desk.subscribing.expire(self.desk.now), lambda: self.twin.passed(seconds))

    @precondition(lambda self: not self.over)
    @rule(key=st.sampled_from(KEYS), code=st.sampled_from(UnsubscribeCode))
    def end_subscription(self, key: str, code: UnsubscribeCode) -> None:
        self.step(lambda: self.desk.hub.end(1, parse_key(key), code), lambda: self.twin.ended(key, code.code))

    @precondition(lambda self: not self.over)
    @rule(key=st.sampled_from(KEYS), more=st.booleans())
    def somebody_publishes(self, key: str, *, more: bool) -> None:
        detail = {"n": 1, "more": 2} if more else None
        self.step(
            lambda: self.desk.hub.publish(
                key, b'{"n":1}', detail=None if detail is None else json.dumps(detail).encode()
            ),
            lambda: self.twin.published(key, {"n": 1}, detail=detail),
        )

    @precondition(lambda self: not self.over)
    @rule()
    def somebody_comes_or_goes(self) -> None:
        hub, address = self.desk.hub, parse_key(ALL)
        if self.twin.other_is_there:
            self.step(lambda: hub.unsubscribe(2, address), self.twin.other_moves)
            return
        options = self.desk.member.rooms.options.find(address)
        hub.subscribe(2, address, str(address), info=ClientInfo("bob", OTHER), options=options)
        self.step(lambda: hub.announce_join(2, address), self.twin.other_moves)

    def say(self, items: Sequence[Content | None], *, strange: bool = False) -> None:
        """One message, garbage for None."""
        if not items:
            return
        form = self.form
        written = [form.garbage if item is None else form.write(item, strange=strange) for item in items]
        self.step(lambda: self.desk.give(form.join(written)), lambda: self.twin.hear_all(items))

    def step(self, happen: Callable[[], object], foresee: Callable[[], Iterable[Content]]) -> None:
        """Let something happen to session and twin, and compare what is said and how it ends."""
        foreseen: list[Content] = []
        end = None
        try:
            for line in foresee():
                foreseen.append(stripped(line))  # noqa: PERF401 - what was foreseen before the end counts
        except End as over:
            end = over.code
        ended = None
        try:
            happen()
        except PeerError as broken:
            ended = broken.code
        if self.desk.closed is not None:
            ended = self.desk.closed.code
        assert (self.heard(), ended) == (foreseen, end)
        if end is not None:
            self.over = True
            self.expect_silence()
        self.compare()

    def heard(self) -> list[Content]:
        """What was said since the last time, errors by their codes."""
        said, self.desk.wire = self.desk.wire, []
        lines = [line for message in said for line in self.form.read(message)]
        for line in lines:
            if error := line.get("error"):
                assert error["message"]
                assert error.get("temporary", False) == (error["code"] in TEMPORARY)
                line["error"] = error["code"]
        return lines

    def expect_silence(self) -> None:
        """Nothing reaches a client that has been ended."""
        self.desk.hub.leave(1)
        for key in KEYS:
            self.desk.hub.publish(key, b"1")
        assert self.desk.wire == []

    def compare(self) -> None:
        """Session and hub hold what the twin holds."""
        if self.over:
            return
        twin, session = self.twin, self.desk.session
        held = {key: (sub.spelling, sub.expires, sub.served, sub.detailed) for key, sub in twin.subs.items()}
        assert {
            a.key: (one.spelling, one.expires_at, one.server_side, one.detailed)
            for a, one in session.subscriptions.items()
        } == held
        delivered = {
            key: (one.spelling, one.delivery.detailed)
            for (key, who), one in self.desk.hub.subscribers.items()
            if who == 1
        }
        assert delivered == {key: (sub.spelling, sub.detailed) for key, sub in twin.subs.items()}
        first = min([twin.expires, *(sub.expires for sub in twin.subs.values())])
        assert session.expiry_deadline == first + PATIENCE_SECONDS
        assert (session.pong_deadline < inf) == (twin.pings > 0)
        states = {State.NEW: (False, False), State.CONNECTED: (True, False), State.REFUSED: (False, True)}
        assert states[session.state] == (twin.connected, twin.refused)


class ProtobufConversation(Conversation):
    """The same in the other form."""

    form = ProtobufForm()


BRIEF = settings(max_examples=settings().max_examples // 2, stateful_step_count=40, deadline=None)

TestJson = Conversation.TestCase
TestJson.settings = BRIEF
TestProtobuf = ProtobufConversation.TestCase
TestProtobuf.settings = BRIEF
