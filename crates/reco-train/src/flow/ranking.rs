//! What orders pages in each fit of a run: a ranker may be left out of the fits that are judged, for they know less.

use super::{Fitted, Verdict};
use serde::{Deserialize, Serialize};

/// What ordered the pages of the chosen candidate, fit by fit, as
/// [`PipelineConfig::ranked_by`](reco_core::pipeline::PipelineConfig::ranked_by) says it. Only where test and the fit to
/// all data agree are the figures on test those of what is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranking {
    /// On valid; none where nothing was judged.
    pub valid: Option<String>,
    /// On test, likewise.
    pub test: Option<String>,
    /// Over all data: what is published.
    pub published: String,
}

impl Ranking {
    /// Of a candidate with these verdicts and this last fit.
    pub fn of(valid: &Verdict, test: &Verdict, fitted: &Fitted) -> Self {
        let by = |verdict: &Verdict| verdict.judgement()?.models.first()?.ranked_by.clone();
        Self { valid: by(valid), test: by(test), published: fitted.ranked_by.clone() }
    }

    /// Whether the figures on test, if there are any, are those of what is published.
    pub fn is_as_tested(&self) -> bool {
        self.test.as_ref().is_none_or(|test| *test == self.published)
    }

    /// Which fit was ordered by what, unless all were by the same.
    pub fn remark(&self) -> Option<String> {
        let Self { valid, test, published } = self;
        let (valid, test) = (valid.as_ref()?, test.as_ref()?);
        if !self.is_as_tested() {
            return Some(format!(
                "the figures are not those of what is published: pages were ordered by {valid} on valid and by {test} \
                 on test, and are ordered by {published} in the fit to all data, which nothing has judged; larger \
                 judge.valid_share and judge.test_share, or more data, may give the fits that are judged the same order"
            ));
        }
        (valid != published).then(|| {
            format!(
                "it was chosen by pages of another order: {valid} ordered them on valid, {test} on test and in the fit \
                 to all data"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_of_another_order_are_told() {
        for (valid, test, published, as_tested, said) in [
            ("blend", "blend", "blend", true, None),
            ("blend", "blend", "wide_deep", false, Some("by blend on valid and by blend on test")),
            ("votes", "blend", "wide_deep", false, Some("ordered by wide_deep in the fit to all data")),
            ("blend", "wide_deep", "wide_deep", true, Some("chosen by pages of another order")),
        ] {
            let ranking = Ranking {
                valid: Some(valid.to_owned()),
                test: Some(test.to_owned()),
                published: published.to_owned(),
            };
            assert_eq!(ranking.is_as_tested(), as_tested, "{ranking:?}");
            let remark = ranking.remark();
            assert_eq!(remark.is_some(), said.is_some(), "{remark:?}");
            assert!(remark.unwrap_or_default().contains(said.unwrap_or_default()), "{ranking:?}");
        }
        let unjudged = Ranking { published: "wide_deep".to_owned(), ..Ranking::default() };
        assert!(unjudged.is_as_tested() && unjudged.remark().is_none());
    }
}
