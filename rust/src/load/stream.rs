//! One TCP connection to a server, and TLS over it where the server speaks that. Never waits, and takes nothing on trust.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::socket::begin_connect;

/// How a server is known to be itself.
#[derive(Clone, Debug)]
pub struct Security {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Security {
    /// The server `name` with a certificate of one of these authorities (PEM). Those that cannot be used are left out,
    /// as every system has some.
    ///
    /// # Errors
    /// In words, when nobody could be believed so.
    pub fn new(name: &str, authorities: &str) -> Result<Self, String> {
        let name = ServerName::try_from(name.to_owned()).map_err(|error| format!("{name}: {error}"))?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authorities.as_bytes()).flatten());
        if roots.is_empty() {
            return Err("there is no authority to trust".to_owned());
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let versions = builder.with_safe_default_protocol_versions();
        let versions = versions.map_err(|error| error.to_string())?;
        let mut config = versions.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }
}

/// Where a server listens, and what it speaks there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The server.
    pub address: SocketAddr,
    /// How it is known, where it speaks TLS.
    pub security: Option<Security>,
}

/// One connection.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Stream {
    /// Begin a connection. It is there, or has failed, once the socket can be written to: [`Self::take_error`].
    ///
    /// # Errors
    /// When the system refuses at once.
    pub fn begin(endpoint: &Endpoint) -> io::Result<Self> {
        let socket = begin_connect(endpoint.address)?;
        let begun = endpoint.security.as_ref().map(|security| {
            let begun = ClientConnection::new(Arc::clone(&security.config), security.name.clone());
            begun.map(Box::new).map_err(io::Error::other)
        });
        Ok(Self {
            socket,
            tls: begun.transpose()?,
        })
    }

    /// The socket, for a [`super::poll::Poll`].
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Why there is no connection, if there is none.
    #[must_use]
    pub fn take_error(&self) -> Option<io::Error> {
        self.socket.take_error().unwrap_or_else(Some)
    }

    /// Whether TLS has something to say that the socket did not take; [`Write::flush`] says it.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}

impl Read for Stream {
    /// Read. Over TLS into 16 KiB or more, so that nothing stays behind of what the socket has given.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.read(buffer);
        };
        loop {
            match tls.reader().read(buffer) {
                // Without a goodbye: HTTP and WebSocket know whether that is the end.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            let arrived = tls.read_tls(&mut self.socket)?;
            let outcome = tls.process_new_packets();
            // Of a handshake, or why it has failed.
            say(tls, &mut self.socket)?;
            outcome.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            if arrived == 0 && tls.is_handshaking() {
                return Ok(0);
            }
        }
    }
}

impl Write for Stream {
    /// Write. Over TLS what was taken is encrypted, and said as far as the socket takes it: [`Self::wants_room`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write(bytes);
        };
        let taken = tls.writer().write(bytes)?;
        say(tls, &mut self.socket)?;
        if taken == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => say(tls, &mut self.socket),
            None => Ok(()),
        }
    }
}

/// Send what TLS has to say, as far as the socket takes it.
fn say(tls: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
