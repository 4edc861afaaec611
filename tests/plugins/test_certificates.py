"""Mutual TLS between two parties that know each other's certificate beforehand: nobody else gets in, on either side."""

import os
import ssl
from base64 import b64decode
from collections.abc import Callable

import pytest
import trio
import trio.testing

from framecast.plugins.host.certificates import SERVER_NAME, ClientCertificate, make_certificate, trust_only


def der(certificate: ClientCertificate) -> bytes:
    return b64decode("".join(certificate.pem.decode().split("-----")[2].split()))


def plugin_side(own: ClientCertificate, trusts: ClientCertificate) -> ssl.SSLContext:
    """What a plugin makes of the certificate in its environment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    context.load_verify_locations(cadata=der(trusts))
    memory = os.memfd_create("key")
    os.write(memory, own.key_pem + own.pem)
    context.load_cert_chain(f"/proc/self/fd/{memory}")
    os.close(memory)
    return context


async def meet(client: ssl.SSLContext, server: ssl.SSLContext) -> tuple[str | None, bytes]:
    """Shake hands over a stream in memory; the protocol that was agreed on, and an echo, which is empty for a stranger.

    With TLS 1.3 who is refused by the other side learns it only when it reads.
    """
    near, far = trio.testing.memory_stream_pair()
    ours = trio.SSLStream(near, client, server_hostname=SERVER_NAME, https_compatible=True)
    theirs = trio.SSLStream(far, server, server_side=True, https_compatible=True)

    async def echo() -> None:
        try:
            await theirs.send_all(await theirs.receive_some(100))
        except trio.BrokenResourceError:
            await trio.aclose_forcefully(theirs)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(echo)
            try:
                await ours.send_all(b"hello")
                return ours.selected_alpn_protocol(), bytes(await ours.receive_some(100))
            except trio.BrokenResourceError:
                return None, b""
            finally:
                nursery.cancel_scope.cancel()
    raise AssertionError


async def test_those_who_know_each_other_speak_http2() -> None:
    ours, theirs = make_certificate(), make_certificate()
    assert await meet(trust_only(der(theirs), ours), plugin_side(theirs, ours)) == ("h2", b"hello")


@pytest.mark.parametrize(
    "confuse",
    [
        lambda ours, theirs, other: (trust_only(der(other), ours), plugin_side(theirs, ours)),
        lambda ours, theirs, other: (trust_only(der(theirs), other), plugin_side(theirs, ours)),
    ],
    ids=["another plugin", "another host"],
)
async def test_a_stranger_is_refused(
    confuse: Callable[[ClientCertificate, ClientCertificate, ClientCertificate], tuple[ssl.SSLContext, ssl.SSLContext]],
) -> None:
    client, server = confuse(make_certificate(), make_certificate(), make_certificate())
    _, echo = await meet(client, server)
    assert echo == b""
