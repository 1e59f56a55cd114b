//! TF-IDF: words weighted by how much they tell.

use super::{SparseVector, words};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What counts as a term.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TfIdfParams {
    /// Terms in fewer documents than this are ignored, at least 1.
    pub min_documents: u32,
    /// Terms in a larger share of documents than this are ignored, above 0 and at most 1.
    pub max_share: f32,
}

impl Default for TfIdfParams {
    fn default() -> Self {
        Self { min_documents: 1, max_share: 0.5 }
    }
}

/// A vocabulary with the inverse document frequency of every term.
///
/// The weight of a term in a document is (1 + ln tf) * (1 + ln((1 + n) / (1 + df))), vectors are
/// normalised to length 1: what scikit-learn's `TfidfVectorizer(sublinear_tf=True)` computes
/// (Manning, Raghavan & Schütze, "Introduction to Information Retrieval", sections 6.2 to 6.4).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TfIdf {
    terms: FxHashMap<Arc<str>, u32>,
    idf: Vec<f32>,
}

impl TfIdf {
    /// Learns the vocabulary of some documents, each given as its terms.
    pub fn fit(documents: &[Vec<String>], params: &TfIdfParams) -> Self {
        let mut frequency: FxHashMap<&str, u32> = FxHashMap::default();
        for document in documents {
            let mut distinct: Vec<&str> = document.iter().map(String::as_str).collect();
            distinct.sort_unstable();
            distinct.dedup();
            distinct.into_iter().for_each(|term| *frequency.entry(term).or_default() += 1);
        }
        let most = (params.max_share * documents.len() as f32).max(1.0);
        let mut kept: Vec<(&str, u32)> = frequency
            .into_iter()
            .filter(|&(_, df)| df >= params.min_documents && df as f32 <= most)
            .collect();
        kept.sort_unstable();
        let n = documents.len() as f32;
        Self {
            terms: kept.iter().zip(0..).map(|(&(term, _), number)| (Arc::from(term), number)).collect(),
            idf: kept.iter().map(|&(_, df)| 1.0 + ((1.0 + n) / (1.0 + df as f32)).ln()).collect(),
        }
    }

    /// Number of terms.
    pub fn n_terms(&self) -> usize {
        self.idf.len()
    }

    /// The vector of a document given as its terms; empty when it has no known term.
    pub fn embed<'a>(&self, terms: impl IntoIterator<Item = &'a str>) -> SparseVector {
        let mut counts: FxHashMap<u32, u32> = FxHashMap::default();
        for term in terms {
            if let Some(&number) = self.terms.get(term) {
                *counts.entry(number).or_default() += 1;
            }
        }
        let mut vector: SparseVector = counts
            .into_iter()
            .map(|(term, tf)| (term, (1.0 + (tf as f32).ln()) * self.idf[term as usize]))
            .collect();
        vector.sort_unstable_by_key(|(term, _)| *term);
        let norm = vector.iter().map(|(_, weight)| weight * weight).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|(_, weight)| *weight /= norm);
        vector
    }

    /// The vector of a text.
    pub fn embed_text(&self, text: &str) -> SparseVector {
        let terms: Vec<String> = words(text).collect();
        self.embed(terms.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference values: scikit-learn 1.9, TfidfVectorizer(sublinear_tf=True), on the same texts.
    #[test]
    fn equals_scikit_learn() {
        let texts = ["green tea green", "black tea", "black coffee beans"];
        let documents: Vec<Vec<String>> = texts.iter().map(|text| words(text).collect()).collect();
        let params = TfIdfParams { max_share: 1.0, ..TfIdfParams::default() };
        let model = TfIdf::fit(&documents, &params);
        assert_eq!(model.n_terms(), 5, "beans, black, coffee, green, tea");
        let expect = |text, want: &[(u32, f32)]| {
            let got = model.embed_text(text);
            assert_eq!(got.len(), want.len(), "{got:?}");
            for ((term, weight), (want_term, want_weight)) in got.into_iter().zip(want) {
                assert!(
                    term == *want_term && (weight - want_weight).abs() < 1e-4,
                    "{weight} is not {want_weight}"
                );
            }
        };
        expect("green tea green", &[(3, 0.912_201_6), (4, 0.409_741_6)]);
        expect("black coffee beans", &[(0, 0.622_766), (1, 0.473_629_6), (2, 0.622_766)]);
        expect("unknown words", &[]);
    }

    #[test]
    fn terms_that_are_everywhere_or_too_rare_say_nothing() {
        let documents =
            vec![vec!["a".to_owned(), "b".to_owned()], vec!["a".to_owned()], vec!["a".to_owned()]];
        let model = TfIdf::fit(&documents, &TfIdfParams { min_documents: 1, max_share: 0.5 });
        assert_eq!((model.n_terms(), model.embed(["a"]).len(), model.embed(["b"]).len()), (1, 0, 1));
    }
}
