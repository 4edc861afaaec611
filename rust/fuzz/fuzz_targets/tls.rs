//! Any bytes that may come where TLS is spoken, before keys are agreed on: no panic, bounded memory, and the same fault
//! whole as in pieces. The first byte is the size of the pieces.
#![no_main]

use std::sync::LazyLock;

use _core::tls::{Fault, Oldest, Server};
use libfuzzer_sys::fuzz_target;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let certificate = include_bytes!("../../src/tls/tests/certificate.pem");
    let key = include_bytes!("../../src/tls/tests/key.pem");
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key).unwrap();
    Server::new(vec![certificate.to_vec()], key.secret_der().to_vec(), Oldest::Tls12).unwrap()
});

fn hear(bytes: &[u8], piece: usize) -> Option<Fault> {
    let session = SERVER.begin().unwrap();
    let mut said = Vec::new();
    let mut outcome = None;
    for part in bytes.chunks(piece) {
        match session.receive(part) {
            Ok(plaintext) => assert!(plaintext.is_empty(), "nobody has agreed on keys"),
            Err(fault) => {
                outcome = Some(fault);
                break;
            }
        }
    }
    session.take_output(&mut said);
    assert!(said.len() < 65_536 && !session.speaks());
    outcome
}

fuzz_target!(|input: &[u8]| {
    let [piece, input @ ..] = input else {
        return;
    };
    assert_eq!(hear(input, 1 + usize::from(*piece)), hear(input, input.len().max(1)));
});
