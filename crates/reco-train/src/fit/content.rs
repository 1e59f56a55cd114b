//! Fitting neighbours by text and attributes.

use super::{FitError, bad};
use crate::progress::Progress;
use rayon::prelude::*;
use reco_core::candidate::top_k;
use reco_core::catalog::Catalog;
use reco_core::embed::{SparseVector, TfIdf, TfIdfParams, terms};
use reco_core::id::ItemId;
use reco_core::retrieve::neighbors::Neighbors;
use serde::{Deserialize, Serialize};

/// Parameters of the content neighbours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContentParams {
    /// Neighbours kept per item, 1 to 10,000.
    pub neighbors: usize,
    /// What counts as a term.
    pub terms: TfIdfParams,
}

impl Default for ContentParams {
    fn default() -> Self {
        Self { neighbors: 50, terms: TfIdfParams::default() }
    }
}

impl ContentParams {
    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(1..=10_000).contains(&self.neighbors) {
            problems.push(bad("neighbors", self.neighbors, "1 to 10000"));
        }
        if self.terms.min_documents == 0 {
            problems.push(bad("terms.min_documents", 0, "at least 1"));
        }
        if !(self.terms.max_share > 0.0 && self.terms.max_share <= 1.0) {
            problems.push(bad("terms.max_share", self.terms.max_share, "above 0 and at most 1"));
        }
        problems
    }
}

/// Neighbours by the cosine of the items' TF-IDF vectors over title, text, category, subcategory,
/// brand and tags. Items of which nothing is known have none.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range.
pub fn fit(
    catalog: &Catalog,
    params: &ContentParams,
    progress: &dyn Progress,
) -> Result<Neighbors, FitError> {
    FitError::check("content", params.problems())?;
    let n_items = catalog.len();
    progress.begin("content", n_items as u64);
    let documents: Vec<Vec<String>> = catalog.ids().map(|id| terms(catalog, id)).collect();
    let model = TfIdf::fit(&documents, &params.terms);
    let vectors: Vec<SparseVector> =
        documents.iter().map(|document| model.embed(document.iter().map(String::as_str))).collect();
    let inverted = invert(&vectors, model.n_terms());
    let ids: Vec<u32> = (0..n_items as u32).collect();
    let lists: Vec<Vec<(f32, ItemId)>> = ids
        .par_chunks(256)
        .flat_map_iter(|chunk| {
            let mut scores = vec![0.0f32; n_items];
            let lists: Vec<_> = chunk
                .iter()
                .map(|&item| nearest(item, &vectors, &inverted, &mut scores, params.neighbors))
                .collect();
            progress.advance(chunk.len() as u64);
            lists
        })
        .collect();
    progress.end(&format!("{} terms over {n_items} items", model.n_terms()));
    Ok(Neighbors::new(lists))
}

/// Per term the items that hold it, with their weights.
fn invert(vectors: &[SparseVector], n_terms: usize) -> Vec<Vec<(u32, f32)>> {
    let mut inverted = vec![Vec::new(); n_terms];
    for (vector, item) in vectors.iter().zip(0u32..) {
        vector.iter().for_each(|&(term, weight)| inverted[term as usize].push((item, weight)));
    }
    inverted
}

/// The nearest items; `scores` is all zero before and after.
fn nearest(
    item: u32,
    vectors: &[SparseVector],
    inverted: &[Vec<(u32, f32)>],
    scores: &mut [f32],
    limit: usize,
) -> Vec<(f32, ItemId)> {
    let mut touched = Vec::new();
    for &(term, weight) in &vectors[item as usize] {
        for &(other, other_weight) in &inverted[term as usize] {
            if scores[other as usize] == 0.0 {
                touched.push(other);
            }
            scores[other as usize] += weight * other_weight;
        }
    }
    let mut rows: Vec<(f32, ItemId)> = touched
        .into_iter()
        .map(|other| (std::mem::take(&mut scores[other as usize]), ItemId::new(other)))
        .collect();
    rows.retain(|(_, other)| other.raw() != item);
    top_k(&mut rows, limit);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use reco_core::catalog::ItemRecord;

    #[test]
    fn alike_is_what_shares_telling_words() {
        let mut builder = Catalog::builder();
        for (key, title, brand) in [
            ("a", "Green tea bags", "X"),
            ("b", "Green tea loose", "Y"),
            ("c", "Dish soap", "X"),
            ("d", "Nails", "Z"),
        ] {
            let record =
                ItemRecord { title: Some(title.into()), brand: Some(brand.into()), ..ItemRecord::new(key) };
            builder.push(record).unwrap();
        }
        let neighbors = fit(&builder.build(), &ContentParams::default(), &Silent).unwrap();
        let order = |item| neighbors.of(ItemId::new(item)).map(|(id, _)| id.raw()).collect::<Vec<_>>();
        assert_eq!(order(0), [1, 2]);
        assert_eq!(order(3), [0u32; 0]);
        let nearest = neighbors.of(ItemId::new(0)).next().unwrap().1;
        assert!(nearest > 0.0 && nearest < 1.0);
    }
}
