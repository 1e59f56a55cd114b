//! Opening connections: who we are, by which certificates, and how long we wait.

use crate::address::Address;
use crate::config::{RedisConfig, Secret, TlsConfig};
use crate::error::{CallError, ConfigError};
use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisResult, TlsCertificates,
};
use rustls::crypto::{CryptoProvider, ring};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How to be let in by servers of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    user: String,
    password: Secret,
    certificates: Option<TlsCertificates>,
    connect: Duration,
    answer: Duration,
    call: Duration,
}

impl Endpoint {
    /// Reads the files that the configuration names.
    pub(crate) fn new(config: &RedisConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            user: config.user.clone(),
            password: config.password.clone(),
            certificates: config.tls.as_ref().map(certificates).transpose()?,
            connect: Duration::from_millis(config.connect_ms),
            answer: Duration::from_millis(config.answer_ms),
            call: Duration::from_millis(config.call_ms),
        })
    }

    /// The same for servers that know us by another name.
    pub(crate) fn with_user(&self, user: &str, password: &Secret) -> Self {
        Self { user: user.to_owned(), password: password.clone(), ..self.clone() }
    }

    /// Connects to one server.
    pub(crate) async fn open(&self, address: &Address) -> Result<MultiplexedConnection, CallError> {
        self.open_patient(address, Duration::ZERO).await
    }

    /// Connects to one server that may take longer than others to answer.
    pub(crate) async fn open_patient(
        &self,
        address: &Address,
        longer: Duration,
    ) -> Result<MultiplexedConnection, CallError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect))
            .set_response_timeout(Some(self.answer + longer));
        let opened = async {
            let client = self.client(address)?;
            client.get_multiplexed_async_connection_with_config(&config).await
        };
        opened.await.map_err(|error| CallError::read(&error, address))
    }

    /// A client of the cluster that has the given nodes.
    pub(crate) fn cluster(&self, nodes: &[Address]) -> RedisResult<ClusterClient> {
        let nodes: Vec<ConnectionInfo> =
            nodes.iter().map(|node| self.info(node)).collect::<RedisResult<_>>()?;
        let builder = ClusterClientBuilder::new(nodes)
            .connection_timeout(self.connect)
            .response_timeout(self.answer)
            .overall_response_timeout(Some(self.call));
        match &self.certificates {
            Some(certificates) => builder.certs(certificates.clone()).build(),
            None => builder.build(),
        }
    }

    fn client(&self, address: &Address) -> RedisResult<Client> {
        let info = self.info(address)?;
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
    }

    fn info(&self, Address { host, port }: &Address) -> RedisResult<ConnectionInfo> {
        let (host, port) = (host.clone(), *port);
        let address = if self.certificates.is_some() {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let mut settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        if !self.user.is_empty() {
            settings = settings.set_username(&self.user);
        }
        if !self.password.is_empty() {
            settings = settings.set_password(self.password.reveal());
        }
        Ok(address.into_connection_info()?.set_redis_settings(settings))
    }
}

/// What the files hold.
fn certificates(config: &TlsConfig) -> Result<TlsCertificates, ConfigError> {
    if CryptoProvider::get_default().is_none() {
        // Fails only if somebody else has just made the same choice for this process, which is as good.
        let _ = ring::default_provider().install_default();
    }
    let read = |name, path: &Option<PathBuf>| path.as_ref().map(|path| pem(name, path)).transpose();
    let certificate = read("tls.certificate", &config.certificate)?;
    let key = read("tls.key", &config.key)?;
    let client_tls = certificate.zip(key);
    Ok(TlsCertificates {
        client_tls: client_tls.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key }),
        root_cert: read("tls.ca", &config.ca)?,
    })
}

fn pem(name: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    let wrong = |problem: String| ConfigError::File { name, path: path.to_owned(), problem };
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let marked = bytes.windows(11).any(|window| window == b"-----BEGIN ");
    if marked { Ok(bytes) } else { Err(wrong("it has no line `-----BEGIN ...`".to_owned())) }
}
