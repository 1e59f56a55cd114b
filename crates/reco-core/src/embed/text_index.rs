//! Items by their words: which are alike, those included that came a moment ago.

use super::{SparseVector, TfIdf, TfIdfParams, words};
use crate::candidate::top_k;
use crate::catalog::Catalog;
use crate::id::ItemId;
use rustc_hash::FxHashMap;

/// The TF-IDF vectors of items, by term. The vocabulary is that of the items that it was made of; others are added by the words of
/// theirs that it has.
///
/// ```
/// use reco_core::catalog::{Catalog, ItemRecord};
/// use reco_core::embed::{TextIndex, TfIdfParams};
///
/// let mut builder = Catalog::builder();
/// for (key, title) in [("a", "Green tea bags"), ("b", "Black coffee"), ("c", "Rye bread")] {
///     builder.push(ItemRecord { title: Some(title.into()), ..ItemRecord::new(key) })?;
/// }
/// let catalog = builder.build();
/// let mut index = TextIndex::of(&catalog, &TfIdfParams::default());
///
/// let more = catalog.with([ItemRecord { title: Some("Green tea".into()), ..ItemRecord::new("d") }])?;
/// let id = more.id("d").expect("it was just added");
/// let near = index.add(&more, id, 10);
/// assert_eq!(near.len(), 1);
/// assert_eq!(more.key(near[0].1).as_str(), "a");
/// # Ok::<(), reco_core::catalog::CatalogError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TextIndex {
    model: TfIdf,
    /// Per term the items that hold it, with their weights.
    holders: Vec<Vec<(ItemId, f32)>>,
}

impl TextIndex {
    /// Of all items of a catalogue.
    pub fn of(catalog: &Catalog, params: &TfIdfParams) -> Self {
        let documents: Vec<Vec<String>> = catalog.ids().map(|id| terms(catalog, id)).collect();
        let model = TfIdf::fit(&documents, params);
        let mut index = Self { holders: vec![Vec::new(); model.n_terms()], model };
        for (id, document) in catalog.ids().zip(&documents) {
            let vector = index.model.embed(document.iter().map(String::as_str));
            index.hold(id, &vector);
        }
        index
    }

    /// Adds an item, and says which of those that were there are nearest by cosine, nearest first.
    pub fn add(&mut self, catalog: &Catalog, id: ItemId, limit: usize) -> Vec<(f32, ItemId)> {
        let vector = self.vector(catalog, id);
        let near = self.nearest(&vector, limit);
        self.hold(id, &vector);
        near
    }

    /// The vector of an item, of whatever catalogue.
    pub fn vector(&self, catalog: &Catalog, id: ItemId) -> SparseVector {
        let document = terms(catalog, id);
        self.model.embed(document.iter().map(String::as_str))
    }

    /// The items whose vectors are nearest to one by cosine, nearest first; those that share no term are not near.
    pub fn nearest(&self, vector: &SparseVector, limit: usize) -> Vec<(f32, ItemId)> {
        let mut products: FxHashMap<ItemId, f32> = FxHashMap::default();
        for &(term, weight) in vector {
            for &(item, other_weight) in &self.holders[term as usize] {
                *products.entry(item).or_default() += weight * other_weight;
            }
        }
        let mut rows: Vec<(f32, ItemId)> =
            products.into_iter().map(|(item, product)| (product, item)).collect();
        top_k(&mut rows, limit);
        rows
    }

    fn hold(&mut self, id: ItemId, vector: &SparseVector) {
        vector.iter().for_each(|&(term, weight)| self.holders[term as usize].push((id, weight)));
    }
}

/// An item's words, and its attributes as one term each, so that "store brand" stays one thing.
pub fn terms(catalog: &Catalog, id: ItemId) -> Vec<String> {
    let mut terms: Vec<String> = words(catalog.title(id)).chain(words(catalog.text(id))).collect();
    let labels = [
        ("category", catalog.category()),
        ("subcategory", catalog.subcategory()),
        ("brand", catalog.brand()),
    ];
    terms.extend(labels.iter().filter_map(|(name, column)| Some(format!("{name}={}", column.get(id)?))));
    terms.extend(catalog.tags().get(id).map(|tag| format!("tag={tag}")));
    terms
}
