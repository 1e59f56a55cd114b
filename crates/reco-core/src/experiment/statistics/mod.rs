//! Statistics of experiments: what two arms differ by, whether that may be chance, and how long to wait.
//!
//! Every metric comes down to a [`Sample`] per arm, and two samples to a [`Difference`], absolute or relative:
//!
//! | metric | sample | by hand |
//! |---|---|---|
//! | users who did something | [`Proportion`] | [`two_proportion_z`], [`beats`] |
//! | mean per user | [`Moments`] | |
//! | ratio, as clicks by views | [`Moments2::ratio`] | |
//! | mean per user, less what was known before | [`cuped`] | |
//! | quantile of what users had, as latency | [`quantile`] | |
//! | anything else | | [`Bootstrap`] |
//!
//! | question | test |
//! |---|---|
//! | one look, at a moment fixed before | [`Difference::t_test`] |
//! | a look whenever one likes | [`ConfidenceSequence`], [`Msprt`] |
//! | many metrics or arms | [`Correction`] |
//! | did users come in as meant | [`sample_ratio_mismatch`] |
//! | how many users, how many days | [`Power`], [`days`] |
//!
//! Everything here is a pure function of counts, moments or values. [`mod@reference`] holds it against tables of numbers that
//! others computed.

mod adjust;
mod bayes;
mod bootstrap;
pub(in crate::experiment) mod error;
mod interval;
mod mismatch;
mod moments;
mod multiple;
mod peeking;
mod power;
mod proportion;
mod quantile;
pub mod reference;
mod sample;
mod sequential;
mod special;
mod winsor;

pub use adjust::{Cuped, cuped};
pub use bayes::{BetaPrior, Chances, beats, beats_by};
pub use bootstrap::{Bootstrap, Resampled};
pub use error::StatisticsError;
pub use interval::Interval;
pub use mismatch::{Mismatch, sample_ratio_mismatch};
pub use moments::{Moments, Moments2};
pub use multiple::Correction;
pub use peeking::{Peeking, Watch, Watched};
pub use power::{Power, days, power_for_means};
pub use proportion::{Proportion, ZTest, two_proportion_z};
pub use quantile::quantile;
pub use sample::{Difference, Sample, TTest};
pub use sequential::{ConfidenceSequence, Evidence, Look, Msprt};
pub use winsor::Caps;

pub(in crate::experiment) use bootstrap::stream;
pub(in crate::experiment) use special::{binomial_tail, sign_test};

use error::{check_finite, check_share};
