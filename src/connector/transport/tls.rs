//! Whom we trust and who we are.

use std::{error::Error, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::connector::{error::Problem, settings::TlsSettings};

/// Reads the files anew for each connection, so that renewed certificates are taken up.
pub fn client_config(settings: &TlsSettings) -> Result<ClientConfig, Problem> {
    let roots = match &settings.ca_file {
        Some(path) => roots_of(path)?,
        None => system_roots()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Problem::TlsSetup)?
        .with_root_certificates(roots);
    let Some(client) = &settings.client else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(&client.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&client.key_file).map_err(in_file(&client.key_file))?;
    builder.with_client_auth_cert(chain, key).map_err(Problem::TlsSetup)
}

fn roots_of(path: &Path) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(in_file(path))?;
    }
    Ok(roots)
}

/// Unusable certificates among the system's are common and left out; none at all is an error.
fn system_roots() -> Result<RootCertStore, Problem> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    if roots.is_empty() {
        return Err(Problem::NoRoots(errors));
    }
    if !errors.is_empty() {
        tracing::warn!(?errors, "some of the system's root certificates could not be read");
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(in_file(path))?;
    if certificates.is_empty() {
        return Err(in_file(path)("it holds no certificate"));
    }
    Ok(certificates)
}

fn in_file<E: Into<Box<dyn Error + Send + Sync>>>(path: &Path) -> impl Fn(E) -> Problem {
    move |error| Problem::TlsFile { path: path.to_owned(), source: error.into() }
}
