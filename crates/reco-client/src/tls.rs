//! TLS around connections.

use crate::config::ConfigError;
use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Trusts whom the system trusts; nobody where `target` needs no trust, since a small container may have no certificates.
pub(crate) fn as_the_system_trusts(
    tcp: HttpConnector,
    target: &Uri,
) -> Result<HttpsConnector<HttpConnector>, ConfigError> {
    if target.scheme_str() != Some("https") {
        return Ok(over(tcp, nobody()));
    }
    let builder = HttpsConnectorBuilder::new().with_provider_and_native_roots(ring::default_provider());
    let wrong = |cause| ConfigError { problems: vec![format!("the system has no certificates: {cause}")] };
    Ok(builder.map_err(wrong)?.https_or_http().enable_http1().wrap_connector(tcp))
}

pub(crate) fn over(tcp: HttpConnector, tls: ClientConfig) -> HttpsConnector<HttpConnector> {
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp)
}

fn nobody() -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("ring knows the usual versions");
    builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}
