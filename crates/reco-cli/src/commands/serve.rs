//! `reco serve`: a page for everybody, over HTTP.

use crate::args::ServeArgs;
use crate::{Failure, Session, model, output};
use reco_core::time::{Clock, SystemClock};
use reco_http::{HttpConfig, router, serve, shutdown_signal};
use tokio::net::TcpListener;

pub(crate) fn run(session: &Session, args: &ServeArgs) -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("RUST_LOG").unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let mut http: HttpConfig = session.config.http.clone();
    if let Some(listen) = &args.listen {
        http.listen.clone_from(listen);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // The port is taken first: nobody should wait for training to learn that it is in use.
        let listener = TcpListener::bind(&http.listen)
            .await
            .map_err(|cause| format!("cannot listen on {}: {cause}", http.listen))?;
        let recommender = model::recommender(session, model::snapshot(session, &args.model)?)?;
        announce(session, &recommender, &listener.local_addr()?.to_string());
        serve(listener, router(recommender, http), shutdown_signal()).await?;
        output::note("stopped; requests under way were finished");
        Ok(())
    })
}

/// What was chosen and where to look.
/// Which time it is here, for timestamps of events are judged by it.
fn clock(recommender: &reco_core::pipeline::Recommender) -> String {
    let days = SystemClock.wall().days_since(recommender.clock().wall());
    if days > 1.0 {
        format!(
            "goes on from the end of the data, {days:.0} days ago; events happen then unless they say when"
        )
    } else {
        "the system's".to_owned()
    }
}

fn announce(session: &Session, recommender: &reco_core::pipeline::Recommender, address: &str) {
    let snapshot = recommender.snapshot();
    let pipeline = &session.config.pipeline;
    let sources: Vec<&str> = pipeline
        .sources
        .iter()
        .filter(|(_, source)| source.quota > 0)
        .map(|(name, _)| name.as_str())
        .collect();
    let models: Vec<&str> = snapshot.models.names().map(|name| &**name).collect();
    output::note(&format!(
        "\nsnapshot   {} with {} users, {} items\nmodels     {}\ngenerators {} (home page)\nseen items {:?}, deadline {} ms\nclock      {}\n\
         \nlistening on http://{address}/ (the page), http://{address}/recommendations?user_id=…\nstop with Ctrl-C",
        snapshot.version,
        snapshot.users.len(),
        snapshot.catalog.len(),
        models.join(", "),
        sources.join(", "),
        pipeline.seen,
        pipeline.deadline_ms,
        clock(recommender),
    ));
}
