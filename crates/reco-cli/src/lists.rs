//! Where lists that are computed in advance go.

use crate::config::ListsConfig;
use crate::fleet::SharedBy;
#[cfg(feature = "redis")]
use crate::fleet::client;
use crate::{Failure, Session};
use reco_core::file;
use reco_core::id::UserKey;
use reco_core::retrieve::{ListFile, ListWriter, RemoteGenerator, StoredList};
use reco_core::time::SystemClock;
#[cfg(feature = "redis")]
use reco_redis::PrecomputedLists;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Takes lists, a block at a time.
#[derive(Debug)]
pub(crate) enum Lists {
    /// A file on this machine.
    File(ListWriter),
    /// Where other machines find them.
    #[cfg(feature = "redis")]
    Redis(PrecomputedLists),
}

impl Lists {
    /// Whether they can go where the configuration says.
    pub(crate) fn check(session: &Session, runtime: &Runtime) -> Result<(), Failure> {
        let ListsConfig { shared, path, .. } = &session.config.lists;
        match shared {
            SharedBy::None => Ok(file::check(path).map_err(|cause| format!("{}: {cause}", path.display()))?),
            SharedBy::Redis => ping(session, runtime),
        }
    }

    /// Takes lists there, to go on with those of `kept` users. Returns of how many there are lists in fact.
    pub(crate) fn open(session: &Session, kept: usize) -> Result<(Self, usize), Failure> {
        let ListsConfig { shared, path, .. } = &session.config.lists;
        match shared {
            SharedBy::None if kept == 0 => Ok((Self::File(ListWriter::begin(path)?), 0)),
            SharedBy::None => {
                let writer = ListWriter::resume(path)?;
                // Somebody may have removed the file.
                if writer.n_users() < kept { Self::open(session, 0) } else { Ok((Self::File(writer), kept)) }
            }
            SharedBy::Redis => Ok((Self::in_redis(session)?, kept)),
        }
    }

    #[cfg(feature = "redis")]
    fn in_redis(session: &Session) -> Result<Self, Failure> {
        Ok(Self::Redis(PrecomputedLists::new(&client(session)?, &session.config.lists.kind)))
    }

    #[cfg(not(feature = "redis"))]
    fn in_redis(_: &Session) -> Result<Self, Failure> {
        Err(NO_REDIS.into())
    }

    /// Writes lists of users in the place of those before.
    #[cfg_attr(not(feature = "redis"), expect(unused_variables, reason = "a file needs no runtime"))]
    pub(crate) fn write(
        &mut self,
        runtime: &Runtime,
        lists: Vec<(&UserKey, StoredList)>,
    ) -> Result<(), Failure> {
        match self {
            Self::File(writer) => Ok(writer.add(lists)?),
            #[cfg(feature = "redis")]
            Self::Redis(redis) => {
                Ok(runtime.block_on(redis.write(&lists)).map_err(|fault| fault.message())?)
            }
        }
    }

    /// Lets servers find them, where they do not already.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::File(writer) => Ok(writer.finish()?),
            #[cfg(feature = "redis")]
            Self::Redis(_) => Ok(()),
        }
    }
}

#[cfg(feature = "redis")]
fn ping(session: &Session, runtime: &Runtime) -> Result<(), Failure> {
    Ok(runtime.block_on(client(session)?.ping())?)
}

#[cfg(not(feature = "redis"))]
fn ping(_: &Session, _: &Runtime) -> Result<(), Failure> {
    Err(NO_REDIS.into())
}

/// No configuration that asks for it gets so far.
#[cfg(not(feature = "redis"))]
const NO_REDIS: &str = "this program was built without Redis";

/// The lists of the file that the configuration names, whenever there is one.
pub(crate) fn in_file(config: &ListsConfig) -> Arc<dyn RemoteGenerator> {
    Arc::new(ListFile::new(&config.path, Arc::new(SystemClock)))
}
