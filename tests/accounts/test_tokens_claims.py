"""What a good token grants, and which claims cost it: each rule alone, for both kinds of tokens."""

import base64
from typing import Any

import pytest
from issuer import NOW, refusal, sign, subscription_refusal, verifier

from framecast.accounts.tokens.claims import Override, SubscriptionOptions
from framecast.errors import PeerError

CHANNEL = "stream/a/b"
EXACT = verifier(leeway_seconds=0)
LENIENT = verifier(leeway_seconds=5)


def in_base64(text: bytes) -> str:
    return base64.b64encode(text).decode()


async def connect(claims: dict[str, Any] | bytes, **settings: Any) -> Any:
    return await verifier(**settings).connection(sign(claims), now=NOW)


async def subscribe(claims: dict[str, Any], **settings: Any) -> Any:
    token = sign({"sub": "u", "channel": CHANNEL, **claims})
    return await verifier(**settings).subscription(token, channel=CHANNEL, user="u", client="c", now=NOW)


async def connect_code(claims: dict[str, Any] | bytes, **settings: Any) -> int:
    return await refusal(verifier(**settings), sign(claims))


async def subscribe_code(claims: dict[str, Any], **settings: Any) -> int:
    return await subscription_refusal(verifier(**settings), sign({"sub": "u", "channel": CHANNEL, **claims}))


async def test_an_empty_token_is_an_anonymous_connection() -> None:
    claims = await connect({})
    assert (claims.user, claims.info, claims.expires_at, dict(claims.channels)) == ("", b"", None, {})


async def test_null_is_as_good_as_nothing() -> None:
    names = ["sub", "exp", "nbf", "aud", "iss", "info", "b64info", "channels", "subs", "channel", "expire_at"]
    assert await connect(dict.fromkeys(names)) == await connect({})


async def test_what_nobody_knows_is_ignored() -> None:
    assert await connect({"meta": {"a": [1]}, "iat": NOW + 1000, "jti": "1", "scope": "all"}) == await connect({})


async def test_the_user_may_stand_in_another_claim() -> None:
    assert (await connect({"sub": "u", "email": "v"}, user_claim="email")).user == "v"


@pytest.mark.parametrize("user", [1, True, ["u"], {"id": 1}, "x" * 256, "é" * 128])
async def test_a_user_that_is_no_short_text_is_refused(user: Any) -> None:
    assert await connect_code({"sub": user}) == 3500
    assert await subscribe_code({"sub": user}) == 103
    assert (await connect({"sub": "x" * 255})).user == "x" * 255


@pytest.mark.parametrize(
    ("since", "lenient", "exact"),
    [(-0.5, None, None), (0, None, 109), (4.5, None, 109), (5, 109, 109), (1000, 109, 109)],
)
async def test_an_expired_token_is_109_after_the_leeway(since: float, lenient: int | None, exact: int | None) -> None:
    token = sign({"sub": "u", "exp": NOW - since})
    for checked, code in ((LENIENT, lenient), (EXACT, exact)):
        if code is None:
            assert ((await checked.connection(token, now=NOW)).expires_at or 0) > NOW
        else:
            assert await refusal(checked, token) == code
            assert await subscription_refusal(checked, token) == code


@pytest.mark.parametrize(
    ("ahead", "lenient", "exact"), [(0, True, True), (0.5, True, False), (5, True, False), (6, False, False)]
)
async def test_a_token_is_refused_before_its_time(ahead: float, lenient: bool, exact: bool) -> None:
    token = sign({"sub": "u", "nbf": NOW + ahead, "channel": ""})
    for checked, good in ((LENIENT, lenient), (EXACT, exact)):
        if good:
            assert (await checked.connection(token, now=NOW)).user == "u"
        else:
            assert await refusal(checked, token) == 3500
            assert await subscription_refusal(checked, token) == 103


async def test_an_expired_token_with_a_bad_signature_is_not_told_to_be_expired() -> None:
    token = sign({"exp": NOW - 1000})
    assert await refusal(EXACT, token[:-4] + "AAAA") == 3500


@pytest.mark.parametrize(
    ("claims", "expires_at"),
    [
        ({}, None),
        ({"exp": NOW + 10}, NOW + 15),
        ({"exp": NOW + 10, "expire_at": NOW + 100}, NOW + 105),
        ({"exp": NOW + 10, "expire_at": 0}, None),
        ({"expire_at": NOW + 100.5}, NOW + 105.5),
        ({"expire_at": 0}, None),
    ],
)
async def test_how_long_a_connection_lasts(claims: dict[str, float], expires_at: float | None) -> None:
    assert (await connect(claims)).expires_at == expires_at
    assert (await subscribe(claims)).expires_at == expires_at


@pytest.mark.parametrize("claims", [{"expire_at": NOW - 5}, {"expire_at": -1}, {"exp": NOW + 9, "expire_at": 1}])
async def test_a_lifetime_that_is_over_is_expired(claims: dict[str, float]) -> None:
    assert await connect_code(claims) == 109
    assert await subscribe_code(claims) == 109


@pytest.mark.parametrize("name", ["exp", "nbf", "expire_at"])
@pytest.mark.parametrize("value", ["1800000100", [], True, NOW * 1000, 1e300])
async def test_a_time_that_is_none_in_seconds_is_refused(name: str, value: Any) -> None:
    assert await connect_code({name: value}) == 3500
    assert await subscribe_code({name: value}) == 103


async def test_a_time_that_no_float_can_hold_is_refused() -> None:
    for text in (b'{"exp":1e999}', b'{"exp":NaN}', b'{"exp":Infinity}', b'{"exp":1%s}' % (b"0" * 400)):
        assert await connect_code(text) == 3500


@pytest.mark.parametrize(
    ("aud", "good"), [("me", True), (["you", "me"], True), (["you"], False), ("you", False), ([], False)]
)
async def test_the_audience_counts_where_one_is_set(aud: Any, good: bool) -> None:
    assert (await connect({"sub": "u", "aud": aud})).user == "u"
    if good:
        assert (await connect({"sub": "u", "aud": aud}, audience="me")).user == "u"
        assert (await subscribe({"aud": aud}, audience="me")).channel == CHANNEL
    else:
        assert await connect_code({"sub": "u", "aud": aud}, audience="me") == 3500
        assert await subscribe_code({"aud": aud}, audience="me") == 103
    assert await connect_code({"sub": "u"}, audience="me") == 3500
    assert await connect_code({"aud": [1]}) == 3500


async def test_the_issuer_counts_where_one_is_set() -> None:
    assert (await connect({"sub": "u", "iss": "me"}, issuer="me")).user == "u"
    for claims in ({}, {"iss": "you"}, {"iss": ""}, {"iss": "me "}):
        assert await connect_code(claims, issuer="me") == 3500
        assert await subscribe_code(claims, issuer="me") == 103


@pytest.mark.parametrize(
    ("claims", "info"),
    [
        ({"info": {"name": "Ann", "n": 1.50}}, b'{"name":"Ann","n":1.5}'),
        ({"info": "text"}, b'"text"'),
        ({"info": 0}, b"0"),
        ({"info": None}, b""),
        ({"b64info": in_base64(b'{"a":\n 1.50}\r\n')}, b'{"a":1.50}'),
        ({"b64info": in_base64(b"[1]"), "info": [2]}, b"[1]"),
        ({"b64info": "", "info": [2]}, b"[2]"),
        ({"b64info": in_base64(b" null")}, b""),
    ],
)
async def test_info_is_json_on_one_line(claims: dict[str, Any], info: bytes) -> None:
    assert (await connect(claims)).info == info
    assert (await subscribe(claims)).info == info
    as_data = {name.replace("info", "data"): value for name, value in claims.items()}
    assert (await subscribe(as_data)).data == info
    assert (await connect({"subs": {CHANNEL: as_data | claims}})).channels[CHANNEL] == SubscriptionOptions(info, info)


async def test_info_is_one_line_though_the_token_is_not() -> None:
    assert (await connect(b'{\n "info": {\n  "a" :\r\n [1,\n 2]\n }\n}')).info == b'{"a":[1,2]}'


NO_BASE64 = ["e30", "e30=\n", "e3 0=", "e30=e30=", "-_-_", "é", "e30=="]
NO_JSON = [in_base64(text) for text in (b"{", b"\x00\x01", b"nul", b'"\xff"', b"{}{}", b"[" * 3000, b'"\n"', b"01")]


@pytest.mark.parametrize("text", [*NO_BASE64, *NO_JSON, 1, ["e30="]])
@pytest.mark.parametrize("name", ["b64info", "b64data"])
async def test_base64_that_is_none_or_holds_no_json_is_refused(name: str, text: Any) -> None:
    assert await subscribe_code({name: text}) == 103
    assert await connect_code({"subs": {CHANNEL: {name: text}}}) == 3500
    if name == "b64info":
        assert await connect_code({name: text}) == 3500


async def test_info_has_a_size() -> None:
    assert (await connect({"info": "x" * 98}, info_bytes=100)).info == b'"%s"' % (b"x" * 98)
    assert await connect_code({"info": "x" * 99}, info_bytes=100) == 3500
    assert await connect_code({"subs": {CHANNEL: {"info": "x" * 99}}}, info_bytes=100) == 3500
    assert await subscribe_code({"b64info": in_base64(b'"%s"' % (b"x" * 99))}, info_bytes=100) == 103


async def test_channels_come_from_both_claims() -> None:
    override = {"presence": {"value": True}, "force_recovery": {"value": False}, "join_leave": None, "new": {"x": 1}}
    subs = {"b": {"info": 1, "override": override}, "c": {}}
    claims = await connect({"channels": ["a", "b"], "subs": subs})
    assert dict(claims.channels) == {
        "a": SubscriptionOptions(),
        "b": SubscriptionOptions(info=b"1", override=Override(presence=True, force_recovery=False)),
        "c": SubscriptionOptions(),
    }


@pytest.mark.parametrize(
    "claims",
    [
        {"channels": "a"},
        {"channels": [1]},
        {"channels": ["x" * 256]},
        {"subs": ["a"]},
        {"subs": {"a": 1}},
        {"subs": {"x" * 256: {}}},
        {"subs": {"a": {"override": {"presence": True}}}},
        {"subs": {"a": {"override": {"presence": {"value": 1}}}}},
    ],
)
async def test_channels_of_another_shape_are_refused(claims: dict[str, Any]) -> None:
    assert await connect_code(claims) == 3500


@pytest.mark.parametrize(
    "name", ["presence", "join_leave", "force_push_join_leave", "force_positioning", "force_recovery"]
)
@pytest.mark.parametrize("value", [True, False])
async def test_each_override_is_read(name: str, value: bool) -> None:
    claims = await subscribe({"override": {name: {"value": value}}})
    assert claims.override == Override(**{name: value})
    assert claims.override != Override()


async def test_a_subscription_token_does_not_connect_nor_the_other_way_round() -> None:
    assert await connect_code({"sub": "u", "channel": CHANNEL}) == 3500
    assert await subscription_refusal(EXACT, sign({"sub": "u", "channels": [CHANNEL]})) == 3500


@pytest.mark.parametrize(
    "claims",
    [
        {"channel": "stream/a/c"},
        {"channel": "1/stream/a/b"},
        {"channel": ""},
        {"sub": "v"},
        {"sub": ""},
        {"client": "d"},
    ],
)
async def test_a_good_token_for_something_else_closes(claims: dict[str, str]) -> None:
    assert await subscribe_code(claims) == 3500


async def test_a_token_may_name_its_client_or_none() -> None:
    assert (await subscribe({"client": "c"})).channel == CHANNEL
    assert (await subscribe({"client": ""})).channel == CHANNEL


async def test_an_anonymous_user_has_subscription_tokens_too() -> None:
    token = sign({"channel": CHANNEL})
    assert (await EXACT.subscription(token, channel=CHANNEL, user="", client="c", now=NOW)).channel == CHANNEL
    for other, user in ((token, "u"), (sign({"sub": "u", "channel": CHANNEL}), "")):
        with pytest.raises(PeerError):
            await EXACT.subscription(other, channel=CHANNEL, user=user, client="c", now=NOW)
