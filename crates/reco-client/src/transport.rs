//! How a request reaches the server.

use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;
use std::time::Duration;

/// Carries requests to `POST /interactions`.
///
/// The client comes with [`HttpTransport`](crate::HttpTransport). One of your own can add a token, speak TLS through the
/// client that your service has already, or reach a server in the same process.
///
/// ```
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use reco_client::{Answer, Transport, Unanswered};
///
/// /// A server that is always full.
/// #[derive(Debug)]
/// struct Full;
///
/// #[async_trait]
/// impl Transport for Full {
///     async fn post(&self, _body: Bytes) -> Result<Answer, Unanswered> {
///         Ok(Answer { status: 503, retry_after: None, body: Bytes::new() })
///     }
/// }
/// ```
#[async_trait]
pub trait Transport: Debug + Send + Sync + 'static {
    /// Sends `body`, which is `application/json`. The future is dropped when the answer takes too long.
    ///
    /// # Errors
    ///
    /// [`Unanswered`] when there is no whole answer; the same events are sent again then.
    async fn post(&self, body: Bytes) -> Result<Answer, Unanswered>;
}

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// JSON, if it is a reco server.
    pub body: Bytes,
}

/// Nobody knows whether the request arrived.
#[derive(Debug, thiserror::Error)]
#[error("the server did not answer")]
pub struct Unanswered(#[source] pub Box<dyn std::error::Error + Send + Sync>);
