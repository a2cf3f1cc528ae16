//! Whom to trust: the roots, and the name the certificate must carry.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::error::MailerError;

/// TLS 1.2 or 1.3 towards one server, its certificate always checked.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    server_name: ServerName<'static>,
}

/// How a connection is protected. That it exists says that the certificate was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// Such as `TLSv1.3`.
    pub version: String,
    /// As the library names it.
    pub cipher: String,
}

impl Tls {
    /// Reads the roots, once. With a `ca_file` nothing else is trusted.
    pub(super) fn new(server: &str, ca_file: Option<&Path>) -> Result<Self, MailerError> {
        let server_name = ServerName::try_from(server.to_owned())
            .map_err(|_| MailerError::ServerName { server: server.to_owned() })?;
        let roots = match ca_file {
            Some(path) => roots_of_file(path)?,
            None => roots_of_system()?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(MailerError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), server_name })
    }

    /// The handshake.
    pub(super) async fn connect(&self, tcp: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.server_name.clone(), tcp).await
    }
}

/// What was agreed on.
pub(super) fn facts(stream: &TlsStream<TcpStream>) -> TlsFacts {
    let session = stream.get_ref().1;
    let name = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
    TlsFacts {
        version: name(session.protocol_version().map(|version| format!("{version:?}").replace('_', "."))),
        cipher: name(session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()))),
    }
}

fn roots_of_file(path: &Path) -> Result<RootCertStore, MailerError> {
    let unreadable = |source| MailerError::CaFile { path: path.to_owned(), source };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?).map_err(MailerError::Tls)?;
    }
    if roots.is_empty() {
        return Err(MailerError::NoCertificate { path: path.to_owned() });
    }
    Ok(roots)
}

/// A root that the library cannot read is left out; none at all is an error.
fn roots_of_system() -> Result<RootCertStore, MailerError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(MailerError::NoRoots);
    }
    Ok(roots)
}
