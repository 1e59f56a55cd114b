//! How often new items may be shown: counted on this machine, or by a fleet together.

use crate::events::Keep;
use crate::fleet::{Fleet, SharedBy};
use crate::{Failure, Session};
use reco_core::launch::{ExposureLedger, FileLedger, Leased};
use reco_core::time::SystemClock;
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

/// Where exposures of new items are counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExposuresConfig {
    /// Where several servers count them together.
    pub(crate) shared: SharedBy,
}

impl ExposuresConfig {
    /// What is wrong with it, one line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.shared.problem().into_iter().collect()
    }
}

/// What grants them; nothing where the server keeps nothing, and counts them in memory. Somebody has to let it
/// [keep](Leased::keep) some in hand.
pub(crate) fn leased(session: &Session, fleet: &Fleet) -> Result<Option<Arc<Leased>>, Failure> {
    let events = &session.config.events;
    let ledger: Arc<dyn ExposureLedger> = match (fleet.exposures(), events.keep) {
        (Some(shared), _) => shared,
        (None, Keep::Memory) => return Ok(None),
        (None, Keep::Disk | Keep::Kafka) => {
            let path = events.path.join("exposures.json");
            let opened = FileLedger::open(&path).map_err(|cause| format!("{}: {cause}", path.display()))?;
            Arc::new(opened)
        }
    };
    // Another one at every start: leases are named by it.
    let seed = RandomState::new().build_hasher().finish();
    Ok(Some(Arc::new(Leased::new(ledger, Leased::SIZE, Arc::new(SystemClock), seed))))
}
