"""A key set over HTTP: kept, rotated, outlived; and no stranger can make it be asked often."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from issuer import EC, ED25519, HMAC, NOW, OTHER_RSA, RSA, Key, key_set, pem, public, refusal, sign, verifier
from prometheus_client import REGISTRY
from trio.testing import MockClock, wait_all_tasks_blocked

from framecast.accounts.tokens.verifier import TokenVerifier
from framecast.errors import Refusal
from scripted_http import RESET, SILENCE, Answer, ScriptedServer, Step, scripted_server

FIRST = Answer(200, key_set(public(RSA, "first")))
SECOND = Answer(200, key_set(public(RSA, "first"), public(OTHER_RSA, "second")))


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    """Jumps only when the loopback had its time: with 0, a deadline could pass while bytes are on their way."""
    autojump_clock.autojump_threshold = 0.02
    return autojump_clock


@asynccontextmanager
async def running(script: list[Step], **settings: Any) -> AsyncIterator[tuple[ScriptedServer, TokenVerifier]]:
    async with scripted_server(script) as server, trio.open_nursery() as nursery:
        checked = verifier(jwks_url=f"{server.url}/keys", **settings)
        await nursery.start(checked.run)
        yield server, checked
        nursery.cancel_scope.cancel()


async def user(checked: TokenVerifier, kid: str | None, key: Key = RSA, alg: str = "RS256", **claims: Any) -> str:
    header = {} if kid is None else {"kid": kid}
    return (await checked.connection(sign({"sub": "u", **claims}, key, alg, **header), now=NOW)).user


async def code(checked: TokenVerifier, kid: str | None, key: Key = RSA, alg: str = "RS256") -> int:
    header = {} if kid is None else {"kid": kid}
    return await refusal(checked, sign({"sub": "u"}, key, alg, **header))


async def test_every_kind_of_key_is_chosen_by_its_kid(clock: MockClock) -> None:
    members = [public(key, curve) for curve, key in EC.items()]
    body = key_set(*members, public(RSA, "rsa"), public(ED25519, "ed"))
    async with running([Answer(200, body)]) as (server, checked):
        for kid, key, alg in (
            ("rsa", RSA, "RS256"),
            ("rsa", RSA, "PS512"),
            ("P-256", EC["P-256"], "ES256"),
            ("P-384", EC["P-384"], "ES384"),
            ("P-521", EC["P-521"], "ES512"),
            ("ed", ED25519, "EdDSA"),
            ("ed", ED25519, "Ed25519"),
        ):
            assert await user(checked, kid, key, alg) == "u"
        assert server.targets == ["/keys"]


async def test_a_key_serves_its_own_algorithms_only(clock: MockClock) -> None:
    body = key_set(
        public(RSA, "rs", alg="RS256"), public(EC["P-256"], "ec"), public(OTHER_RSA, "ops", key_ops=["encrypt"])
    )
    async with running([Answer(200, body)]) as (server, checked):
        assert await user(checked, "rs") == "u"
        assert await code(checked, "rs", RSA, "RS512") == 3500
        assert await code(checked, "rs", OTHER_RSA) == 3500
        assert await code(checked, "ec", RSA) == 3500
        assert await code(checked, "rs", EC["P-256"], "ES256") == 3500
        assert await code(checked, "ec", EC["P-384"], "ES384") == 3500
        assert await code(checked, "ops", OTHER_RSA) == 3500
        assert len(server.targets) == 1


async def test_a_set_holds_no_secrets(clock: MockClock) -> None:
    body = key_set({**HMAC.as_dict(), "kid": "oct"}, public(RSA, "first"))
    async with running([Answer(200, body)]) as (server, checked):
        await wait_all_tasks_blocked(0.01)
        assert await code(checked, "oct", HMAC, "HS256") == 3500
        assert await code(checked, "first", HMAC, "HS256") == 3500
        assert len(server.targets) == 1


async def test_a_token_without_kid_is_not_of_the_set(clock: MockClock) -> None:
    async with running([FIRST]) as (_, checked):
        assert await user(checked, "first") == "u"
        assert await code(checked, None) == 3500


async def test_a_configured_key_goes_before_the_set(clock: MockClock) -> None:
    async with running([FIRST], rsa_public_key=pem(OTHER_RSA)) as (server, checked):
        assert await user(checked, "first") == "u"
        assert await user(checked, "first", OTHER_RSA) == "u"
        assert await user(checked, "unheard", OTHER_RSA) == "u"
        assert await user(checked, None, OTHER_RSA) == "u"
        assert len(server.targets) == 1


async def test_an_unknown_kid_brings_the_new_key(clock: MockClock) -> None:
    async with running([FIRST, SECOND]) as (server, checked):
        assert await user(checked, "first") == "u"
        await trio.sleep(11)
        assert await user(checked, "second", OTHER_RSA) == "u"
        assert await user(checked, "first") == "u"
        assert len(server.targets) == 2


async def test_a_withdrawn_key_is_refused_after_the_next_fetch(clock: MockClock) -> None:
    async with running([SECOND, FIRST, FIRST], jwks_seconds=100) as (server, checked):
        assert await user(checked, "second", OTHER_RSA) == "u"
        await trio.sleep(99)
        assert await user(checked, "second", OTHER_RSA) == "u"
        await trio.sleep(15)
        assert await code(checked, "second", OTHER_RSA) == 3500
        assert len(server.targets) == 3


async def test_a_flood_of_unknown_kids_makes_one_fetch(clock: MockClock) -> None:
    codes = []

    async def ask(checked: TokenVerifier, number: int) -> None:
        codes.append(await code(checked, f"stranger {number}"))

    async with running([FIRST] * 9) as (server, checked):
        assert await user(checked, "first") == "u"
        await trio.sleep(11)
        async with trio.open_nursery() as flood:
            for number in range(50):
                flood.start_soon(ask, checked, number)
        assert codes == [3500] * 50
        assert len(server.targets) == 2
        for number in range(50):
            await ask(checked, number)
        assert codes[50:] == [100] * 50  # perhaps its key is about to be published: come again
        assert len(server.targets) == 2
        assert await user(checked, "first") == "u"


async def test_floods_over_time_ask_as_often_as_they_may(clock: MockClock) -> None:
    async with running([FIRST] * 20, jwks_retry_seconds=10) as (server, checked):
        began = trio.current_time()
        for number in range(60):
            await code(checked, f"stranger {number}")
            await trio.sleep(0.9)
        assert 4 <= len(server.targets) <= 1 + (trio.current_time() - began) / 10
        assert all(later - earlier >= 10 for earlier, later in zip(server.times, server.times[1:], strict=False))


async def test_who_waits_shares_the_first_fetch(clock: MockClock) -> None:
    users = []

    async def ask(checked: TokenVerifier) -> None:
        users.append(await user(checked, "first"))

    async with running([FIRST]) as (server, checked), trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask, checked)
    assert users == ["u"] * 20
    assert len(server.targets) == 1


async def test_who_gives_up_waiting_takes_nobody_along(clock: MockClock) -> None:
    users = []

    async def ask(checked: TokenVerifier, scope: trio.CancelScope) -> None:
        with scope:
            users.append(await user(checked, "second", OTHER_RSA))

    async with running([FIRST, SECOND]) as (server, checked):
        assert await user(checked, "first") == "u"
        await trio.sleep(11)
        scopes = [trio.CancelScope() for _ in range(3)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, checked, scopes[0])
            await trio.lowlevel.checkpoint()  # until the first one waits, and no longer
            nursery.start_soon(ask, checked, scopes[1])
            nursery.start_soon(ask, checked, scopes[2])
            scopes[0].cancel()
        assert scopes[0].cancelled_caught
        assert users == ["u", "u"]
        assert len(server.targets) == 2


@pytest.mark.parametrize(
    "broken",
    [
        Answer(500, FIRST.body),
        Answer(204),
        Answer(200, b"<html>"),
        Answer(200, FIRST.body + b" " * 200_000),
        Answer(200, FIRST.body, (("Content-Encoding", "gzip"),)),
        Answer(302, b"", (("Location", "http://["),)),
        Answer(302, b"", (("Location", "ftp://127.0.0.1/"),)),
        Answer(302, b"", (("Location", "http://" + "a." * 200 + "b/"),)),
        RESET,
        SILENCE,
    ],
)
async def test_a_source_that_fails_is_asked_again_and_clients_too(clock: MockClock, broken: Step) -> None:
    with structlog.testing.capture_logs() as logs:
        async with running([broken, broken, FIRST]) as (server, checked):
            assert await code(checked, "first") == 100
            await trio.sleep(1)
            assert await code(checked, "first") == 100
            assert len(server.targets) <= 1
            await trio.sleep(40)
            assert await user(checked, "first") == "u"
            assert len(server.targets) == 3
    events = [entry["event"] for entry in logs if entry["event"].startswith("key set")]
    assert events == ["key set not fetched, trying again", "key set fetched"]


async def test_the_last_set_is_used_on_within_its_bound(clock: MockClock) -> None:
    with structlog.testing.capture_logs() as logs:
        script: list[Step] = [FIRST, *[Answer(503)] * 100]
        async with running(script, jwks_seconds=60, jwks_stale_seconds=300) as (_, checked):
            assert await user(checked, "first") == "u"
            await trio.sleep(350)
            assert await user(checked, "first") == "u"
            assert await code(checked, "second", OTHER_RSA) == 100
            await trio.sleep(30)
            assert await code(checked, "first") == 100
            script[:] = []
    warnings = [(entry["event"], entry.get("effect")) for entry in logs if entry["log_level"] == "warning"]
    assert warnings == [
        ("key set not fetched, trying again", "the last one is used on"),
        ("key set let go: too old, and no newer one to be had", None),
    ]


async def test_a_few_redirects_are_followed(clock: MockClock) -> None:
    def to(place: str) -> Answer:
        return Answer(302, b"x" * 100_000, (("Location", place),))

    async with running([to("/a"), to("b"), to("/c"), FIRST]) as (server, checked):
        assert await user(checked, "first") == "u"
        assert server.targets == ["/keys", "/a", "/b", "/c"]
    async with running([to("/a")] * 9) as (server, checked):
        assert await code(checked, "first") == 100
        assert len(server.targets) == 4


async def test_a_set_that_has_no_end_is_cut_where_it_is_too_long(clock: MockClock) -> None:
    async def send_for_ever(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                await stream.send_all(b" " * 10_000)
                await trio.sleep(0.05)

    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            [listener] = await nursery.start(partial(trio.serve_tcp, send_for_ever, 0, host="127.0.0.1"))
            url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
            await nursery.start(verifier(jwks_url=url, fetch_seconds=5).run)
            await trio.sleep(9)
            nursery.cancel_scope.cancel()
    assert [entry["error"] for entry in logs] == ["longer than tokens.jwks_bytes = 131072"]


async def test_an_unchanged_set_is_logged_once(clock: MockClock) -> None:
    with structlog.testing.capture_logs() as logs:
        async with running([FIRST, FIRST, SECOND, SECOND], jwks_seconds=60) as (server, _):
            await trio.sleep(200)
            assert len(server.targets) == 4
    assert [(entry["event"], entry["keys"]) for entry in logs] == [("key set fetched", 1), ("key set fetched", 2)]


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's own, which the environment trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, private = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, private)
    return context


@asynccontextmanager
async def secure_server(script: list[Step], certificate: ssl.SSLContext) -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer(script)
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_ssl_over_tcp, server.serve, 0, certificate, host="127.0.0.1", https_compatible=True)
        [listener] = await nursery.start(serve)
        server.url = f"https://127.0.0.1:{listener.transport_listener.socket.getsockname()[1]}"
        yield server
        nursery.cancel_scope.cancel()


async def test_https_is_left_by_no_redirect(clock: MockClock, certificate: ssl.SSLContext) -> None:
    async with secure_server([], certificate) as secure, scripted_server([]) as plain:
        secure.script += [Answer(302, b"", (("Location", f"{plain.url}/keys"),)), FIRST]
        plain.script += [FIRST]
        checked = verifier(jwks_url=f"{secure.url}/keys")
        async with trio.open_nursery() as nursery:
            await nursery.start(checked.run)
            assert await code(checked, "first") == 100
            await trio.sleep(15)
            assert await user(checked, "first") == "u"
            nursery.cancel_scope.cancel()
        assert (len(secure.targets), plain.targets) == (2, [])


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    clock: MockClock, certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with secure_server([FIRST], certificate) as secure:
        checked = verifier(jwks_url=f"{secure.url}/keys")
        async with trio.open_nursery() as nursery:
            await nursery.start(checked.run)
            assert await code(checked, "first") == 100
            nursery.cancel_scope.cancel()
        assert secure.targets == []


async def test_before_it_runs_clients_are_told_to_come_again(clock: MockClock) -> None:
    checked = verifier(jwks_url="http://127.0.0.1:9/keys", fetch_seconds=5)
    began = trio.current_time()
    with pytest.raises(Refusal) as caught:
        await user(checked, "first")
    assert (caught.value.code, caught.value.temporary) == (100, True)
    assert trio.current_time() - began == 5


async def test_without_a_set_there_is_nothing_to_run(clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(verifier().run)
    assert nursery.child_tasks == frozenset()


async def test_refusals_are_logged_once_a_window_and_never_with_the_token(clock: MockClock) -> None:
    checked = verifier(issuer="me", complaint_seconds=60)
    token = sign({"iss": "y" * 500, "sub": "u"})
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            assert await refusal(checked, token) == 3500
        assert await refusal(checked, "x") == 3500
        for _ in range(2):
            await trio.sleep(61)
            assert await refusal(checked, token) == 3500
    told = [(entry["reason"], entry["unlogged"]) for entry in logs]
    assert told == [("issuer", 0), ("malformed", 0), ("issuer", 4), ("issuer", 0)]
    assert all(len(entry["detail"]) < 200 for entry in logs)
    assert token not in str(logs)
    assert token.split(".")[2] not in str(logs)


async def test_every_refused_token_is_counted_by_its_reason(clock: MockClock) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("framecast_refused_tokens_total", {"reason": "expired"}) or 0.0

    before = counted()
    for _ in range(3):
        assert await refusal(verifier(), sign({"exp": 1})) == 109
    assert counted() == before + 3
