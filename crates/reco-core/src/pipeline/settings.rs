//! What a pipeline was assembled from, and how that is told from others.

use super::PipelineConfig;
use crate::event::fingerprint;
use std::sync::Arc;

/// The configuration of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Itself.
    pub config: PipelineConfig,
    /// 32 hexadecimal digits that only a configuration just like it has.
    pub fingerprint: Arc<str>,
}

impl Settings {
    /// Those of a configuration.
    ///
    /// ```
    /// use reco_core::pipeline::{PipelineConfig, Settings};
    ///
    /// let usual = Settings::of(&PipelineConfig::default());
    /// let hasty = Settings::of(&PipelineConfig { deadline_ms: 5, ..PipelineConfig::default() });
    /// assert_ne!(usual.fingerprint, hasty.fingerprint);
    /// ```
    pub fn of(config: &PipelineConfig) -> Self {
        // Every field is written by plain rules, so this cannot fail.
        let text = serde_json::to_vec(config).unwrap_or_default();
        Self { config: config.clone(), fingerprint: fingerprint(&text).into() }
    }
}
