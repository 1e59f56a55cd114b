//! What a learned ranker is like.

use super::plots::{self, Line, Names};
use super::{Facts, figures};
use crate::evaluate::Bin;
use crate::fit::insight::RankerInsight;
use maud::{Markup, html};

/// Features that are drawn; the rest stand in the table.
const DRAWN: usize = 20;

/// Every ranker that was fitted, looked at so.
pub(super) fn each(facts: &Facts<'_>, look: fn(&RankerInsight) -> Markup) -> Markup {
    let insights = &facts.fitted.insights;
    html! {
        @if insights.is_empty() {
            p {
                "This run fits no ranker that learns from features (" code { "train.wide_deep" } ", "
                code { "train.boosted" } ")."
            }
        }
        @for insight in insights { (look(insight)) }
    }
}

pub(super) fn calibration(insight: &RankerInsight) -> Markup {
    let RankerInsight { ranker, lists, rows, taken, ndcg, calibration_error, reliability, .. } = insight;
    let points = reliability.iter().map(|bin| (bin.predicted, bin.observed)).collect();
    let line = Line { name: ranker.clone(), points, band: Vec::new() };
    let caption = "Candidates in groups of equal size by their score: the mean score of each group beside the \
                   share of it that was taken. Probabilities that come true lie on the dashed line.";
    let names = Names { caption, x: "mean score", y: "share taken" };
    let row = |bin: &Bin| {
        let [predicted, observed] = [bin.predicted, bin.observed].map(|share| format!("{share:.5}"));
        vec![bin.rows.to_string(), predicted, observed]
    };
    html! {
        p {
            "On " (lists) " lists that " code { (ranker) } " did not learn from, with " (rows) " candidates of which "
            (taken) " were taken, its NDCG@10 is " (format!("{ndcg:.4}")) " and the expected calibration error "
            (format!("{calibration_error:.5}")) "."
        }
        (plots::lines(&names, &[line], true))
        (figures(
            &["candidates", "mean score", "share taken"].map(str::to_owned),
            &reliability.iter().map(row).collect::<Vec<_>>(),
        ))
    }
}

pub(super) fn importance(insight: &RankerInsight) -> Markup {
    let bars: Vec<(String, f64)> = insight
        .importance
        .iter()
        .take(DRAWN)
        .map(|feature| (feature.feature.clone(), feature.drop))
        .collect();
    let rows: Vec<Vec<String>> = insight
        .importance
        .iter()
        .map(|feature| vec![feature.feature.clone(), format!("{:+.5}", feature.drop)])
        .collect();
    let caption = "How far NDCG@10 falls when the values of one feature are dealt out anew among all candidates. \
                   Features that say much the same stand in for one another, so that each of them looks small.";
    let names = Names { caption, x: "fall of NDCG@10", y: "" };
    html! {
        p { "The features that " code { (insight.ranker) } " lives by." }
        (plots::ranking(&names, &bars))
        (figures(&["feature", "fall of NDCG@10"].map(str::to_owned), &rows))
    }
}
