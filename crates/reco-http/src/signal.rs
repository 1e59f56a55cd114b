//! How a server is asked to stop.

#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

/// Resolves at Ctrl-C or, on Unix, SIGTERM. They are listened for from the call on, not only from the first poll.
///
/// # Panics
///
/// Outside of a Tokio runtime.
pub fn shutdown_signal() -> impl Future<Output = ()> + Send + 'static {
    let (interrupt, terminate) = (interrupt(), terminate());
    async move {
        tokio::select! {
            () = interrupt => {}
            () = terminate => {}
        }
    }
}

#[cfg(unix)]
fn interrupt() -> impl Future<Output = ()> {
    listen_for(SignalKind::interrupt())
}

#[cfg(unix)]
fn terminate() -> impl Future<Output = ()> {
    listen_for(SignalKind::terminate())
}

#[cfg(unix)]
fn listen_for(kind: SignalKind) -> impl Future<Output = ()> {
    let listener = signal(kind);
    async move {
        match listener {
            Ok(mut listener) => drop(listener.recv().await),
            // Without a handler the system's default ends the process.
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
async fn interrupt() {
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}
