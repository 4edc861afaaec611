"""`TlsServer` and `TlsSession`: what the stub promises, against OpenSSL as the client."""

import contextlib
import selectors
import socket
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from framecast._core import Fanout, TlsServer, TlsSession
from patience import PATIENCE_SECONDS

AUTHORITY = trustme.CA()


def encode(issued: trustme.LeafCert) -> tuple[list[bytes], bytes]:
    chain = x509.load_pem_x509_certificates(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    encoded = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return [certificate.public_bytes(Encoding.DER) for certificate in chain], encoded


@pytest.fixture(scope="module")
def server() -> TlsServer:
    return TlsServer(*encode(AUTHORITY.issue_cert("localhost")))


class Client:
    """OpenSSL's end, in memory."""

    def __init__(self, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        context = ssl.create_default_context()
        AUTHORITY.configure_trust(context)
        context.maximum_version = newest
        context.set_alpn_protocols(["http/1.1"])
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def shake_hands(self, session: TlsSession) -> None:
        while session.handshaking:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            assert session.receive(self.outgoing.read()) == b""
            self.incoming.write(session.take_output())
        self.tls.do_handshake()

    def say(self, words: bytes) -> bytes:
        self.tls.write(words)
        return self.outgoing.read()

    def hear(self, sealed: bytes) -> bytes:
        self.incoming.write(sealed)
        return self.tls.read()


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_ends_hear_each_other_and_say_goodbye(server: TlsServer, newest: ssl.TLSVersion) -> None:
    client, session = Client(newest), server.begin()
    assert session.handshaking
    client.shake_hands(session)
    assert (session.protocol, session.speaks, session.ended) == ("http/1.1", False, False)
    assert session.receive(client.say(b"asked")) == b"asked"
    assert client.hear(session.seal(b"answered")) == b"answered"
    with contextlib.suppress(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert session.receive(client.outgoing.read()) == b""
    assert session.ended
    session.part()
    assert session.speaks
    client.incoming.write(session.take_output())
    client.tls.unwrap()
    with pytest.raises(ValueError, match="the goodbye was said"):
        session.seal(b"more")


def test_what_is_no_tls_is_a_value_error_from_then_on_and_the_peer_is_told(server: TlsServer) -> None:
    session = server.begin()
    for data in (b"GET / HTTP/1.1\r\n\r\n", b""):
        with pytest.raises(ValueError, match="corrupt message"):
            session.receive(data)
    assert session.take_output()[:1] == b"\x15"  # an alert
    with pytest.raises(ValueError, match="the handshake is not over"):
        session.seal(b"x")


def test_a_server_that_cannot_be_is_a_value_error() -> None:
    chain, key = encode(AUTHORITY.issue_cert("localhost"))
    _, other = encode(AUTHORITY.issue_cert("localhost"))
    for certificates, private in ((chain, b"none"), (chain, other), ([b"none"], key), ([], key)):
        with pytest.raises(ValueError, match=r"\w"):
            TlsServer(certificates, private)
    with pytest.raises(ValueError, match="no TLS"):
        TlsServer(chain, key, oldest="1.1")  # type: ignore[arg-type] # what it is about


def test_a_fan_out_seals_what_it_sends_and_says_what_the_session_has_to_say(server: TlsServer) -> None:
    client, session = Client(), server.begin()
    client.shake_hands(session)
    ours, theirs = socket.socketpair()
    with ours, theirs, contextlib.closing(Fanout(max_total_bytes=1 << 20)) as fanout:
        ours.setblocking(False)
        theirs.settimeout(PATIENCE_SECONDS)
        connection = fanout.add(ours.fileno(), 1 << 20, framing="stream", write_seconds=PATIENCE_SECONDS, tls=session)
        fanout.subscribe(connection, "c", "c")
        fanout.publish("c", b"[1]", 1)
        assert b"[1]" in client.hear(theirs.recv(4096))
        assert fanout.send_message(connection, b"{}")
        assert client.hear(theirs.recv(4096)) == b"{}\n"
        with pytest.raises(ValueError, match=r"\w"):
            session.receive(b"no record")
        fanout.speak(connection)
        client.incoming.write(theirs.recv(4096))
        with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
            client.tls.read()
        fanout.finish(connection)
        with selectors.DefaultSelector() as selector:
            selector.register(fanout.event_fd, selectors.EVENT_READ)
            assert selector.select(PATIENCE_SECONDS)
        assert [event.kind for event in fanout.take_events()] == ["released"]
