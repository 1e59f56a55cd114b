//! Certificates for a test, made when it runs.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::path::{Path, PathBuf};

/// An authority of its own, and a certificate for 127.0.0.1 and its key, signed by it.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// Writes them to a folder.
    pub(crate) fn write(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        // Who is called like their authority is taken to have signed themselves.
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let authority = authority.expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let place = |part: &str, text: String| {
            let path = folder.join(format!("{name}-{part}.pem"));
            std::fs::write(&path, text).expect("the folder can be written");
            path
        };
        Self {
            ca: place("ca", authority.pem()),
            certificate: place("certificate", certificate.pem()),
            key: place("key", key.serialize_pem()),
        }
    }
}
