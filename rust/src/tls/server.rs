//! A certificate with its key, and what is agreed on with whoever is shown it.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::session::{Fault, Session};

/// What is agreed on where a client asks (ALPN).
const PROTOCOLS: [&[u8]; 1] = [b"http/1.1"];

static ALL: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static NEWEST: [&SupportedProtocolVersion; 1] = [&TLS13];

/// The oldest version that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oldest {
    /// TLS 1.2, and so 1.3 as well.
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

impl Oldest {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Oldest::Tls12 => &ALL,
            Oldest::Tls13 => &NEWEST,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
}

impl Server {
    /// With the certificate of `chain` (DER) that comes first, those behind it that lead to its issuer, and its key
    /// (PKCS #8, DER).
    ///
    /// Clients may resume: what that takes they keep themselves, under a key of this server's that changes every six
    /// hours. Another `Server` begins anew, so that a new certificate is shown to everybody.
    ///
    /// # Errors
    /// In words, when the key is of no kind that can be used, or not the certificate's.
    pub fn new(chain: Vec<Vec<u8>>, key: Vec<u8>, oldest: Oldest) -> Result<Server, Fault> {
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key));
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(oldest.versions())?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        config.ticketer = ring::Ticketer::new()?;
        Ok(Server {
            config: Arc::new(config),
        })
    }

    /// The server's side of a connection that was just accepted.
    ///
    /// # Errors
    /// Never, as far as is known.
    pub fn begin(&self) -> Result<Session, Fault> {
        Session::new(&self.config)
    }
}
