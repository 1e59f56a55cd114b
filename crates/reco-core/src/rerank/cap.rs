//! Variety by counting: at most so many of a kind.

use super::Reranker;
use crate::candidate::Candidates;
use crate::catalog::Labels;
use crate::error::Fault;
use crate::id::ItemId;
use crate::query::Query;
use rustc_hash::FxHashMap;

/// At most so many items per category; what is beyond leaves the page. Items without a category are not limited,
/// nor are the categories that the request is about ([`Query::categories`]), nor any where its filter names a
/// subcategory.
#[derive(Clone, Copy, Debug)]
pub struct CategoryCap {
    /// Items per category, at least 1.
    pub per_category: usize,
    /// Whether it gives way where a page would stay short: a catalogue of few categories shows each as often as
    /// a page takes, and once there is nothing more to choose from ([`Candidates::is_all`]), the limit grows as
    /// far as it must.
    pub yields: bool,
}

impl Reranker for CategoryCap {
    fn name(&self) -> &'static str {
        "category_cap"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, want: usize) -> Result<(), Fault> {
        let filter = query.request.filter.as_ref();
        if filter.is_some_and(|filter| !filter.named("subcategory").is_empty()) {
            return Ok(());
        }
        let labels = query.snapshot.catalog.category();
        Cap { labels, free: query.categories(), limit: self.per_category, yields: self.yields }
            .apply(set, want);
        Ok(())
    }
}

/// Varies brands: at most so many items per brand. Items without a brand are not limited, nor are the brands that
/// the request's filter names.
#[derive(Clone, Copy, Debug)]
pub struct BrandVariety {
    /// Items per brand, at least 1.
    pub per_brand: usize,
    /// Whether it gives way where a page would stay short, as [`CategoryCap::yields`].
    pub yields: bool,
}

impl Reranker for BrandVariety {
    fn name(&self) -> &'static str {
        "brand_variety"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, want: usize) -> Result<(), Fault> {
        let labels = query.snapshot.catalog.brand();
        let named = query.request.filter.as_ref().map(|filter| filter.named("brand")).unwrap_or_default();
        let free = named.into_iter().filter_map(|brand| labels.find(brand)).collect();
        Cap { labels, free, limit: self.per_brand, yields: self.yields }.apply(set, want);
        Ok(())
    }
}

/// A limit on items of one label.
struct Cap<'a> {
    labels: &'a Labels,
    /// Codes that are not limited.
    free: Vec<u32>,
    limit: usize,
    yields: bool,
}

impl Cap<'_> {
    fn apply(&self, set: &mut Candidates, want: usize) {
        let limit = if self.yields { self.yielding(set, want) } else { self.limit };
        let mut counts: FxHashMap<u32, usize> = FxHashMap::default();
        let fits = |row: &u32| {
            self.limited(set.ids()[*row as usize]).is_none_or(|code| {
                let count = counts.entry(code).or_default();
                *count += 1;
                *count <= limit
            })
        };
        let rows: Vec<u32> = (0..set.len() as u32).filter(fits).collect();
        if rows.len() < set.len() {
            set.select(&rows);
        }
    }

    /// The label of an item, if that is limited.
    fn limited(&self, item: ItemId) -> Option<u32> {
        self.labels.code(item).filter(|code| !self.free.contains(code))
    }

    /// The limit, or the least that lets the page be filled.
    fn yielding(&self, set: &Candidates, want: usize) -> usize {
        let mut limit = self.limit.max(want.div_ceil(self.labels.cardinality().max(1)));
        if !set.is_all() {
            return limit;
        }
        let mut counts: FxHashMap<u32, usize> = FxHashMap::default();
        set.ids()
            .iter()
            .filter_map(|&id| self.limited(id))
            .for_each(|code| *counts.entry(code).or_default() += 1);
        let n_free = set.len() - counts.values().sum::<usize>();
        let kept = |limit: usize| n_free + counts.values().map(|&count| count.min(limit)).sum::<usize>();
        while kept(limit) < want.min(set.len()) {
            limit += 1;
        }
        limit
    }
}
