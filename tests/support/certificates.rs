//! A certificate authority for one test: its own certificate, a server's and a client's.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// The common name of the client certificate; the servers map it to the service account.
pub const CLIENT_NAME: &str = "dirherald client";

/// Writes `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key` into `dir`, which it creates.
///
/// The server's certificate is valid for `names`: host names and addresses.
pub fn write(dir: &Path, names: &[&str]) {
    fs::create_dir_all(dir).expect("creating the directory of the certificates");
    let ca = authority();
    save(dir, "ca.pem", &ca.pem());
    let mut server = params(names);
    server.distinguished_name.push(DnType::CommonName, "server");
    issue(dir, "server", &server, &ca);
    let mut client = params(&[]);
    client.distinguished_name.push(DnType::CommonName, CLIENT_NAME);
    issue(dir, "client", &client, &ca);
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = params(&[]);
    params.distinguished_name.push(DnType::CommonName, "dirherald test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, key()).expect("signing our own certificate")
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("names that fit a certificate");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

fn issue(dir: &Path, name: &str, params: &CertificateParams, ca: &CertifiedIssuer<'static, KeyPair>) {
    let key = key();
    let certificate = params.signed_by(&key, ca).expect("signing with our own authority");
    save(dir, &format!("{name}.pem"), &certificate.pem());
    save(dir, &format!("{name}.key"), &key.serialize_pem());
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key pair")
}

fn save(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(name), text).expect("writing a certificate or key");
}
