//! Fitting neighbours by text and attributes.

mod sentences;

use super::{FitError, bad, vectors};
use crate::progress::Progress;
use rayon::prelude::*;
use reco_core::candidate::top_k;
use reco_core::catalog::Catalog;
use reco_core::embed::{SparseVector, TextVectors, TfIdf, TfIdfParams, terms};
use reco_core::id::ItemId;
use reco_core::retrieve::neighbors::Neighbors;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub use sentences::sentence_model;

/// Parameters of the content neighbours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContentParams {
    /// Neighbours kept per item, 1 to 10,000.
    pub neighbors: usize,
    /// The folder of a [sentence model](reco_core::embed::sentence::SentenceModel) that items are compared by; by their terms
    /// where there is none.
    pub sentences: Option<PathBuf>,
    /// What counts as a term.
    pub terms: TfIdfParams,
}

/// What is fitted to the items' texts.
#[derive(Clone, Debug)]
pub struct Content {
    /// The items that are alike.
    pub neighbors: Neighbors,
    /// What they were compared by, where that is a sentence model.
    pub vectors: Option<TextVectors>,
}

impl Default for ContentParams {
    fn default() -> Self {
        Self { neighbors: 50, sentences: None, terms: TfIdfParams::default() }
    }
}

impl ContentParams {
    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(1..=10_000).contains(&self.neighbors) {
            problems.push(bad("neighbors", self.neighbors, "1 to 10000"));
        }
        if let Some(folder) = self.sentences.as_deref().filter(|folder| !folder.is_dir()) {
            let want = "the folder of a sentence model, as scripts/install-minilm prints it";
            problems.push(bad(
                "sentences",
                format!("{:?}, which is no folder", folder.display().to_string()),
                want,
            ));
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

/// Neighbours by the cosine of the items' vectors: TF-IDF over title, text, category, subcategory, brand and tags, or a
/// sentence model's of the same. Items of which nothing is known have none.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range, [`FitError::Sentences`] and [`FitError::Embedding`] of the sentence model.
pub fn fit(catalog: &Catalog, params: &ContentParams, progress: &dyn Progress) -> Result<Content, FitError> {
    FitError::check("content", params.problems())?;
    match &params.sentences {
        Some(folder) => by_sentences(catalog, folder, params.neighbors, progress),
        None => Ok(Content { neighbors: by_terms(catalog, params, progress), vectors: None }),
    }
}

fn by_sentences(
    catalog: &Catalog,
    folder: &Path,
    n_neighbors: usize,
    progress: &dyn Progress,
) -> Result<Content, FitError> {
    let embedder = sentence_model(folder)?;
    progress.begin("texts", catalog.len() as u64);
    let texts = TextVectors::of(catalog, &*embedder, |n_texts| progress.advance(n_texts as u64))
        .map_err(FitError::Embedding)?;
    progress.end(&format!(
        "{} numbers by {} for {} items",
        texts.dimension(),
        texts.embedder(),
        catalog.len()
    ));
    let neighbors = vectors::neighbors(texts.matrix(), n_neighbors, progress)?;
    Ok(Content { neighbors, vectors: Some(texts) })
}

fn by_terms(catalog: &Catalog, params: &ContentParams, progress: &dyn Progress) -> Neighbors {
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
    Neighbors::new(lists)
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
        let neighbors = fit(&builder.build(), &ContentParams::default(), &Silent).unwrap().neighbors;
        let order = |item| neighbors.of(ItemId::new(item)).map(|(id, _)| id.raw()).collect::<Vec<_>>();
        assert_eq!(order(0), [1, 2]);
        assert_eq!(order(3), [0u32; 0]);
        let nearest = neighbors.of(ItemId::new(0)).next().unwrap().1;
        assert!(nearest > 0.0 && nearest < 1.0);
    }

    #[test]
    fn sentences_are_compared_where_their_model_is_and_each_is_embedded_once() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reco-core/tests/data/sentences/tiny");
        let mut builder = Catalog::builder();
        for (key, title) in [("a", "Green tea"), ("b", "green TEA"), ("c", "Dish soap"), ("d", " ")] {
            builder.push(ItemRecord { title: Some(title.into()), ..ItemRecord::new(key) }).unwrap();
        }
        let catalog = builder.build();
        let params = ContentParams { sentences: Some(folder.clone()), ..ContentParams::default() };
        assert!(params.problems().is_empty());
        let Content { neighbors, vectors } = fit(&catalog, &params, &Silent).unwrap();
        let (nearest, cosine) = neighbors.of(ItemId::new(0)).next().unwrap();
        assert_eq!(nearest, ItemId::new(1));
        assert!((cosine - 1.0).abs() < 1e-5);
        assert_eq!(neighbors.of(ItemId::new(3)).count(), 0);
        let embedder = sentence_model(&folder).unwrap();
        assert_eq!(embedder.name(), vectors.unwrap().embedder());
        assert_eq!(embedder.embed(&["Green tea"]).unwrap().row(0).len(), 16);

        let params = ContentParams { sentences: Some("nowhere".into()), ..ContentParams::default() };
        let problem = &params.problems()[0];
        assert!(problem.contains("\"nowhere\"") && problem.contains("install-minilm"), "{problem}");
    }
}
