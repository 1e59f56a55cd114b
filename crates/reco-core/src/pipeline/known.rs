//! What is known of whoever asks: from a source that may be slow or down, and from this process.

use super::{KnownUser, within};
use crate::cache::{LayerCounts, Layered, Life, Made, Stale};
use crate::error::Fault;
use crate::features::{FeatureSource, UserFeatures};
use crate::id::UserKey;
use crate::live::Live;
use crate::time::{Budget, Clock};
use std::sync::Arc;
use std::time::Duration;

/// Features of users. When the source fails, the last that it said of the user are used, then what this process has seen.
#[derive(Debug)]
pub(super) struct Known {
    source: Arc<dyn FeatureSource>,
    /// Copies of what a source outside says, and what this process has seen since; nothing where the live layer is the
    /// source.
    outside: Option<(Layered<Arc<UserFeatures>>, Arc<Live>)>,
}

/// How long copies are good for where nothing else is said: whoever asks is asked for anew, unless the source fails.
pub(super) const LAST_KNOWN: Life =
    Life { fresh: Duration::ZERO, absent: Duration::ZERO, policy: Stale::OnFault, ..Life::FEATURES };

/// Memory for copies.
const COPIES_BYTES: u64 = 64 << 20;

impl Known {
    pub(super) fn live(live: &Arc<Live>) -> Self {
        Self { source: Arc::<Live>::clone(live), outside: None }
    }

    pub(super) fn outside(
        source: Arc<dyn FeatureSource>,
        life: Life,
        live: &Arc<Live>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let weigh = |features: &Arc<UserFeatures>| features.weight();
        let copies = Layered::new(source.name(), life, COPIES_BYTES, weigh, Arc::clone(clock));
        Self { source, outside: Some((copies, Arc::clone(live))) }
    }

    /// What is known of a user, and why it may be less than it should be.
    pub(super) async fn of(&self, user: &UserKey, budget: &Budget) -> KnownUser {
        let Some((copies, live)) = &self.outside else {
            return told(within(self.source.name(), budget, self.source.user(user, budget)).await);
        };
        let (source, name, own) = (Arc::clone(&self.source), user.clone(), budget.clone());
        let asked = copies.get_or(user.as_str(), || async move {
            let features = within(source.name(), &own, source.user(&name, &own)).await?;
            Ok(features.map_or(Made::Absent, Made::Kept))
        });
        let found = within(self.source.name(), budget, asked).await;
        let (mut features, fault) = match found {
            Ok(found) => (found.value.unwrap_or_default(), found.fault),
            Err(fault) => (Arc::default(), Some(fault)),
        };
        // What happened since, here or in whatever log the live layer is fed from.
        if let Some(latest) = live.features_of(user) {
            Arc::make_mut(&mut features).catch_up(&latest);
        }
        (features, fault)
    }

    pub(super) fn name(&self) -> &str {
        self.source.name()
    }

    pub(super) fn counts(&self) -> Option<LayerCounts> {
        self.outside.as_ref().map(|(copies, _)| copies.counts())
    }
}

fn told(features: Result<Option<Arc<UserFeatures>>, Fault>) -> KnownUser {
    match features {
        Ok(features) => (features.unwrap_or_default(), None),
        Err(fault) => (Arc::default(), Some(fault)),
    }
}
