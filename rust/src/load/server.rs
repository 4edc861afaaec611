//! The server of a run: where it is, and how it is known to be itself.

use std::net::SocketAddr;

use serde::Deserialize;

use super::stream::{Endpoint, Security};

/// Where the server is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its address.
    pub address: SocketAddr,
    /// What the `Host` header holds.
    pub host: String,
    /// More headers of every request.
    pub headers: Vec<(String, String)>,
    /// Its process, if it is on this machine and to be watched.
    pub pid: Option<u32>,
    /// How it is known, where it speaks TLS.
    #[serde(default)]
    tls: Option<Tls>,
    #[serde(skip)]
    security: Option<Security>,
}

/// How a server that speaks TLS is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    /// The host that its certificate must be for.
    name: String,
    /// The authorities that are trusted, as PEM.
    authorities: String,
}

impl Server {
    /// Make ready what TLS needs, where it is spoken: once, before [`Self::endpoint`].
    ///
    /// # Errors
    /// In words, when the server could not be known so.
    pub fn prepare(&mut self) -> Result<(), String> {
        let security = self
            .tls
            .as_ref()
            .map(|tls| Security::new(&tls.name, &tls.authorities));
        self.security = security.transpose()?;
        Ok(())
    }

    /// Where it listens, and what it speaks there.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            address: self.address,
            security: self.security.clone(),
        }
    }
}
