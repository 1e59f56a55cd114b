//! Requests over HTTP/1.1.

use crate::config::ConfigError;
use crate::transport::{Answer, Transport, Unanswered};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

#[cfg(feature = "https")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "https"))]
type Connector = HttpConnector;

/// Speaks HTTP/1.1 to one server and keeps the connection between requests; with the feature `https`, over TLS, too.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: Client<Connector, Full<Bytes>>,
    target: Uri,
}

impl HttpTransport {
    /// An answer that names a thousand events with everything that is wrong with them is far smaller.
    const MOST_ANSWER_BYTES: usize = 8 << 20;

    /// To the server at `url`, which must take connections within `connect`. Over TLS, its certificate must be one that the
    /// system trusts.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when `url` is not like `http://reco:8080` or `http://proxy/reco`, or the system has no
    /// certificates to trust.
    pub fn new(url: &str, connect: Duration) -> Result<Self, ConfigError> {
        let target = target(url)?;
        #[cfg(not(feature = "https"))]
        let connector = tcp(connect);
        #[cfg(feature = "https")]
        let connector = crate::tls::as_the_system_trusts(tcp(connect), &target)?;
        Ok(Self::over(connector, target))
    }

    /// Like [`new`](Self::new), with certificates and ciphers as `tls` says.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when `url` is not like `https://reco:8443`.
    #[cfg(feature = "https")]
    pub fn with_tls(url: &str, connect: Duration, tls: rustls::ClientConfig) -> Result<Self, ConfigError> {
        let target = target(url)?;
        Ok(Self::over(crate::tls::over(tcp(connect), tls), target))
    }

    fn over(connector: Connector, target: Uri) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build(connector), target }
    }
}

fn tcp(connect: Duration) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(connect));
    connector.set_nodelay(true);
    // Whether the scheme is one that can be spoken is looked at before.
    connector.enforce_http(false);
    connector
}

/// Where events go on the server at `url`.
fn target(url: &str) -> Result<Uri, ConfigError> {
    let wrong = |what: &str| ConfigError { problems: vec![format!("url is `{url}`, {what}")] };
    let shape = || wrong("must be like http://reco:8080");
    let target: Uri = format!("{}/interactions", url.trim_end_matches('/')).parse().map_err(|_| shape())?;
    match target.scheme_str() {
        Some("https") if cfg!(not(feature = "https")) => Err(wrong("which needs the feature `https`")),
        Some("http" | "https") if target.host().is_some_and(|host| !host.is_empty()) => Ok(target),
        _ => Err(shape()),
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn post(&self, body: Bytes) -> Result<Answer, Unanswered> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.target.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = self.client.request(request).await.map_err(|cause| Unanswered(cause.into()))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, Self::MOST_ANSWER_BYTES).collect().await.map_err(Unanswered)?;
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after: retry_after(&head.headers),
            body: body.to_bytes(),
        })
    }
}

/// In seconds, as reco says it; a date is left to the client's own pauses.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_servers_are_taken() {
        for (url, target) in [
            ("http://reco:8080", Some("http://reco:8080/interactions")),
            ("http://proxy/reco/", Some("http://proxy/reco/interactions")),
            ("https://reco", cfg!(feature = "https").then_some("https://reco/interactions")),
            ("ftp://reco", None),
            ("reco:8080", None),
            ("/reco", None),
            ("http://", None),
            ("", None),
        ] {
            let made = super::target(url).ok();
            assert_eq!(made.map(|made| made.to_string()).as_deref(), target, "{url}");
        }
    }

    #[test]
    fn pauses_are_read_in_seconds() {
        for (text, pause) in [("3", Some(3)), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(retry_after(&headers), pause.map(Duration::from_secs), "{text}");
        }
    }
}
