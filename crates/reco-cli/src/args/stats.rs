//! What `reco stats` is told.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    after_help = "A table is JSON: families of cases by name, each with what goes in and what must come out.\n\n  \
{\"families\": {\"srm_chi_square\": {\"tol\": 1e-8, \"cases\": [\n    \
{\"id\": \"halves\", \"in\": {\"observed\": [5000, 5100], \"weights\": [1, 1]}, \"out\": {\"chi2\": 0.9900990099009901}}\n  \
]}}}\n\n\
Numbers agree within `tol` as a share of the table's or within 1e-12; where `tol` is null, within the `abs_tol` in the case's \
`out`. Only fields in `out` are compared; null, NaN and Infinity may stand there. The exit status is 0 if all agree.\n\n\
Families: two_proportion_z, welch_t, srm_chi_square, sequential_confidence_sequence, msprt_normal, cuped, \
ratio_delta_method, bootstrap_ci, sample_size, multiple_testing, proportion_interval, beta_prob_b_beats_a, \
team_draft_interleaving; docs/statistics.md tells their fields.\n\n\
Example: reco stats crates/reco-core/tests/data/statistics.json"
)]
pub(crate) struct StatsArgs {
    /// The table, a file in JSON.
    #[arg(value_name = "FILE")]
    pub(crate) table: PathBuf,
}
