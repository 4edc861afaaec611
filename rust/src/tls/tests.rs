use std::io::{IoSlice, Read, Write};
use std::sync::Arc;

use proptest::prelude::*;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SupportedProtocolVersion};

use super::{Oldest, Server, Session};

const CERTIFICATE: &str = include_str!("tests/certificate.pem");
const KEY: &str = include_str!("tests/key.pem");
/// A record's payload is no longer.
const RECORD_BYTES: usize = 16_384;

fn chain() -> Vec<Vec<u8>> {
    vec![
        CertificateDer::from_pem_slice(CERTIFICATE.as_bytes())
            .unwrap()
            .to_vec(),
    ]
}

fn key() -> Vec<u8> {
    PrivateKeyDer::from_pem_slice(KEY.as_bytes())
        .unwrap()
        .secret_der()
        .to_vec()
}

fn server(oldest: Oldest) -> Server {
    Server::new(chain(), key(), oldest).unwrap()
}

fn client_config(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap())
        .unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[version]).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// The other end, which hears what a session gives out in pieces of some size.
pub(crate) struct Client {
    pub tls: ClientConnection,
    piece: usize,
    heard: Vec<u8>,
}

impl Client {
    fn new(config: &Arc<ClientConfig>, piece: usize) -> Client {
        let tls = ClientConnection::new(Arc::clone(config), "localhost".try_into().unwrap()).unwrap();
        Client {
            tls,
            piece,
            heard: Vec::new(),
        }
    }

    /// Carry bytes both ways until neither has more to say; what the session makes of it.
    fn converse(&mut self, session: &Session) -> Result<Vec<u8>, super::Fault> {
        let mut plaintext = Vec::new();
        loop {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            while self.tls.wants_write() {
                self.tls.write_tls(&mut ours).unwrap();
            }
            for piece in ours.chunks(self.piece) {
                plaintext.extend(session.receive(piece)?);
            }
            session.take_output(&mut theirs);
            assert!(!session.speaks());
            if ours.is_empty() && theirs.is_empty() {
                return Ok(plaintext);
            }
            self.hear(&theirs);
        }
    }

    pub fn hear(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.tls.read_tls(&mut bytes).unwrap();
            self.tls.process_new_packets().unwrap();
            // Until there is no more now, or none will ever come.
            let _ = self.tls.reader().read_to_end(&mut self.heard);
        }
    }

    pub fn say(&mut self, plaintext: &[u8]) -> Vec<u8> {
        self.tls.set_buffer_limit(None);
        self.tls.writer().write_all(plaintext).unwrap();
        let mut said = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut said).unwrap();
        }
        said
    }

    /// Everything that was heard.
    pub fn heard(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.heard)
    }
}

/// Both ends, after the handshake.
pub(crate) fn connected(version: &'static SupportedProtocolVersion, piece: usize) -> (Client, Session) {
    let (mut client, session) = (
        Client::new(&client_config(version), piece),
        server(Oldest::Tls12).begin().unwrap(),
    );
    assert!(session.is_handshaking());
    client.converse(&session).unwrap();
    assert!(!session.is_handshaking() && !client.tls.is_handshaking());
    (client, session)
}

fn seal(session: &Session, pieces: &[&[u8]]) -> Vec<u8> {
    let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut sealed = Vec::new();
    session.seal(&slices, &mut sealed).unwrap();
    sealed
}

fn count_records(mut sealed: &[u8]) -> usize {
    let mut count = 0;
    while let [_, _, _, high, low, rest @ ..] = sealed {
        sealed = &rest[usize::from(*high) << 8 | usize::from(*low)..];
        count += 1;
    }
    count
}

#[test]
fn both_versions_carry_what_is_said_either_way_in_whatever_pieces() {
    for version in [&TLS12, &TLS13] {
        for piece in [1, 7, 100_000] {
            let (mut client, session) = connected(version, piece);
            assert_eq!(session.protocol().as_deref(), Some("http/1.1"));
            let long = vec![b'x'; 100_000];
            let said = client.say(&long);
            let mut plaintext = Vec::new();
            for piece in said.chunks(piece) {
                plaintext.extend(session.receive(piece).unwrap());
            }
            assert!(plaintext == long);
            client.hear(&seal(&session, &[b"one", b"", b"two"]));
            assert_eq!(client.heard(), b"onetwo");
        }
    }
}

#[test]
fn pieces_are_sealed_in_as_few_records_as_they_take() {
    for version in [&TLS12, &TLS13] {
        let (mut client, session) = connected(version, 1 << 20);
        let small = [b"0123456789".as_slice(); 64];
        let sealed = seal(&session, &small);
        assert_eq!(count_records(&sealed), 1);
        client.hear(&sealed);
        assert_eq!(client.heard(), small.concat());
        let long = vec![b'x'; RECORD_BYTES];
        let sealed = seal(&session, &[b"a", &long, &long, b"b"]);
        assert_eq!(count_records(&sealed), 3);
        client.hear(&sealed);
        assert!(client.heard() == [b"a", &long[..], &long, b"b"].concat());
        assert_eq!(seal(&session, &[]), b"");
    }
}

#[test]
fn client_that_comes_back_resumes_and_is_shown_a_new_certificate_all_the_same() {
    for version in [&TLS12, &TLS13] {
        let (config, server) = (client_config(version), server(Oldest::Tls12));
        let mut kinds = Vec::new();
        let renewed = super::tests::server(Oldest::Tls12);
        for server in [&server, &server, &renewed] {
            let (mut client, session) = (Client::new(&config, 1000), server.begin().unwrap());
            client.converse(&session).unwrap();
            kinds.push(client.tls.handshake_kind().unwrap());
        }
        assert_eq!(
            kinds,
            [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Full]
        );
    }
}

#[test]
fn new_keys_are_answered_before_what_is_said_next() {
    let (mut client, session) = connected(&TLS13, 1000);
    for round in 0..3 {
        client.tls.refresh_traffic_keys().unwrap();
        let said = client.say(b"with new keys");
        assert_eq!(session.receive(&said).unwrap(), b"with new keys", "{round}");
        let sealed = seal(&session, &[b"answer"]);
        assert_eq!(
            count_records(&sealed),
            2,
            "ours are new too, and that is told before"
        );
        client.hear(&sealed);
        assert_eq!(client.heard(), b"answer");
    }
}

#[test]
fn new_keys_without_end_are_a_fault() {
    let (mut client, session) = connected(&TLS13, 1000);
    let mut rounds = 0;
    let fault = loop {
        client.tls.refresh_traffic_keys().unwrap();
        match session.receive(&client.say(b"")) {
            Ok(_) => rounds += 1,
            Err(fault) => break fault,
        }
        assert!(rounds < 1000);
    };
    assert!(!fault.to_string().is_empty());
}

#[test]
fn goodbyes_are_said_and_heard_once() {
    for version in [&TLS12, &TLS13] {
        let (mut client, session) = connected(version, 1000);
        let mut said = client.say(b"last words");
        client.tls.send_close_notify();
        client.tls.write_tls(&mut said).unwrap();
        said.extend(b"what follows means nothing");
        assert!(!session.has_ended());
        assert_eq!(session.receive(&said).unwrap(), b"last words");
        assert!(session.has_ended());
        assert_eq!(session.receive(b"nor this").unwrap(), b"");
        client.hear(&seal(&session, &[b"still answered"]));
        assert_eq!(client.heard(), b"still answered");
        session.part();
        session.part();
        assert!(session.speaks());
        assert!(session.seal(&[IoSlice::new(b"more")], &mut Vec::new()).is_err());
        let mut goodbye = Vec::new();
        session.take_output(&mut goodbye);
        assert_eq!(count_records(&goodbye), 1);
        let mut rest = goodbye.as_slice();
        client.tls.read_tls(&mut rest).unwrap();
        assert!(client.tls.process_new_packets().unwrap().peer_has_closed());
    }
}

#[test]
fn goodbye_before_a_word_was_heard_is_possible() {
    let session = server(Oldest::Tls12).begin().unwrap();
    session.part();
    let mut goodbye = Vec::new();
    session.take_output(&mut goodbye);
    assert_eq!(count_records(&goodbye), 1);
}

#[test]
fn who_speaks_only_an_older_version_is_told_and_refused() {
    let session = server(Oldest::Tls13).begin().unwrap();
    let mut client = Client::new(&client_config(&TLS12), 1000);
    let fault = client.converse(&session).unwrap_err();
    assert!(fault.to_string().contains("peer is incompatible"), "{fault}");
    assert!(session.speaks());
    let mut alert = Vec::new();
    session.take_output(&mut alert);
    let mut rest = alert.as_slice();
    client.tls.read_tls(&mut rest).unwrap();
    let told = client.tls.process_new_packets().unwrap_err();
    assert_eq!(told.to_string(), "received fatal alert: ProtocolVersion");
}

#[test]
fn client_that_asks_for_another_protocol_alone_is_refused_and_one_that_does_not_ask_is_not() {
    let mut config = ClientConfig::clone(&client_config(&TLS13));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let session = server(Oldest::Tls12).begin().unwrap();
    assert!(
        Client::new(&Arc::new(config.clone()), 1000)
            .converse(&session)
            .is_err()
    );
    config.alpn_protocols.clear();
    let session = server(Oldest::Tls12).begin().unwrap();
    Client::new(&Arc::new(config), 1000).converse(&session).unwrap();
    assert_eq!(session.protocol(), None);
}

#[test]
fn nothing_is_sealed_before_the_handshake_nor_after_a_fault() {
    let session = server(Oldest::Tls12).begin().unwrap();
    assert!(session.seal(&[IoSlice::new(b"x")], &mut Vec::new()).is_err());
    let (_, session) = connected(&TLS13, 1000);
    let fault = session
        .receive(b"\x17\x03\x03\x00\x15123456789012345678901")
        .unwrap_err();
    assert_eq!(session.receive(b"").unwrap_err(), fault);
    assert!(session.speaks(), "why is told");
    assert!(session.seal(&[IoSlice::new(b"x")], &mut Vec::new()).is_err());
}

#[test]
fn key_that_is_none_or_another_certificates_is_refused_in_words() {
    let no_key = Server::new(chain(), b"no key".to_vec(), Oldest::Tls12).unwrap_err();
    assert!(no_key.to_string().contains("private key"), "{no_key}");
    let no_chain = Server::new(Vec::new(), key(), Oldest::Tls12).unwrap_err();
    assert!(!no_chain.to_string().is_empty());
    let damaged = Server::new(vec![b"damaged".to_vec()], key(), Oldest::Tls12).unwrap_err();
    assert!(damaged.to_string().contains("certificate"), "{damaged}");
}

/// What a session makes of bytes: the plaintext, the fault, and what it says about them.
fn outcome(session: &Session, bytes: &[u8], piece: usize) -> (Option<super::Fault>, Vec<u8>) {
    let mut fault = None;
    for piece in bytes.chunks(piece) {
        if let Err(found) = session.receive(piece) {
            fault = Some(found);
            break;
        }
    }
    let mut said = Vec::new();
    session.take_output(&mut said);
    (fault, said)
}

proptest! {
    #[test]
    fn hostile_handshakes_end_alike_in_whatever_pieces(
        bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1..64_usize, begins in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if begins {
            bytes.splice(0..0, [22, 3, 1, 0, 100, 1, 0, 0, 96, 3, 3]);
        }
        let server = server(Oldest::Tls12);
        let whole = outcome(&server.begin().unwrap(), &bytes, bytes.len().max(1));
        let pieces = outcome(&server.begin().unwrap(), &bytes, piece);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn greeting_that_was_changed_is_taken_or_refused_alike_in_whatever_pieces(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        piece in 1..64_usize,
        old in any::<bool>(),
    ) {
        let mut client = Client::new(&client_config(if old { &TLS12 } else { &TLS13 }), 1000);
        let mut hello = Vec::new();
        client.tls.write_tls(&mut hello).unwrap();
        for (place, byte) in changes {
            let at = place.index(hello.len());
            hello[at] = byte;
        }
        if is_cut {
            hello.truncate(cut.index(hello.len()));
        }
        let server = server(Oldest::Tls12);
        let (whole, said) = outcome(&server.begin().unwrap(), &hello, hello.len().max(1));
        let (pieces, _) = outcome(&server.begin().unwrap(), &hello, piece);
        prop_assert_eq!(&whole, &pieces);
        prop_assert!(said.len() < 4000, "its certificate and what belongs to it, an alert, or both");
    }

    #[test]
    fn what_was_changed_on_its_way_is_a_fault_and_never_plaintext(
        words in proptest::collection::vec(any::<u8>(), 1..2000), place in any::<prop::sample::Index>(), bit in 0..8_u8,
    ) {
        let (mut client, session) = connected(&TLS13, 1000);
        let mut said = client.say(&words);
        let at = place.index(said.len());
        said[at] ^= 1 << bit;
        // Where the length was changed, the rest has not come yet.
        let heard = session.receive(&said).unwrap_or_default();
        // The type and the minor number that a record has outside say nothing in 1.3, and are not looked at.
        let is_spared = at == 2 || at == 0 && !heard.is_empty();
        prop_assert_eq!(heard, if is_spared { words } else { Vec::new() });
    }
}
