//! Certificates that live as long as one test.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

/// A certificate authority for one test.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "dirherald test CA");
        let pem = parameters.self_signed(&key).expect("a self-signed certificate").pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// A server with these names in its certificate.
    pub(super) fn acceptor(&self, names: Vec<String>) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let certificate =
            CertificateParams::new(names).expect("names").signed_by(&key, &self.issuer).expect("signed");
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("the key fits the certificate");
        TlsAcceptor::from(Arc::new(config))
    }
}
