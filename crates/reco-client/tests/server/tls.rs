//! Over TLS, with a certificate made for the occasion.

use crate::sockets::serve;
use crate::world::{Server, builder, click};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reco_client::{ClientConfig, HttpTransport};
use reco_http::HttpConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig as Tls, RootCertStore, ServerConfig, crypto::ring};

/// Speaks TLS in front of a server, as a proxy would.
async fn encrypted(server: SocketAddr, tls: ServerConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(mut client) = acceptor.accept(client).await else { continue };
            let mut upstream = TcpStream::connect(server).await.expect("the server listens");
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut upstream).await });
        }
    });
    address
}

fn trusting(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Tls {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    let tls = Tls::builder_with_provider(Arc::new(ring::default_provider()));
    tls.with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[tokio::test]
async fn only_a_server_that_is_trusted_gets_events() {
    let server = Server::new(HttpConfig::default());
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("it is made");
    let certificate = cert.der().clone();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("it is a key");
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let tls = tls.with_safe_default_protocol_versions().expect("ring knows them").with_no_client_auth();
    let tls = tls.with_single_cert(vec![certificate.clone()], key).expect("they fit");
    let address = encrypted(serve(&server).await.expect("a free port"), tls).await;
    let url = format!("https://localhost:{}", address.port());
    let connect = Duration::from_secs(10);

    for (trusted, arrives) in [(None, false), (Some(certificate), true)] {
        let transport = HttpTransport::with_tls(&url, connect, trusting(trusted)).expect("an address");
        let config = ClientConfig { batch_ms: 0, base_ms: 1, cap_ms: 2, ..ClientConfig::default() };
        let client = builder(config).0.transport(Arc::new(transport)).start().expect("a sound configuration");
        let id = client.try_track(click(1)).expect("there is room").to_string();
        if arrives {
            client.flush().await;
        }
        while !arrives && client.stats().repeats < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(server.ids().await.contains(&id), arrives);
    }
}
