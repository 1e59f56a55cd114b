//! Variety by counting: at most so many of a kind.

use super::Reranker;
use crate::candidate::Candidates;
use crate::catalog::Labels;
use crate::error::Fault;
use crate::query::Query;
use crate::request::Surface;
use rustc_hash::FxHashMap;

/// At most so many items per category; what is beyond leaves the page. Items without a category are not limited,
/// nor are categories that the request names, be it by its surface or in its filter, nor any where the filter
/// names a subcategory. A catalogue of so few
/// categories that a page could not be filled may show each as often as that takes.
#[derive(Clone, Copy, Debug)]
pub struct CategoryCap {
    /// Items per category, at least 1.
    pub per_category: usize,
}

impl Reranker for CategoryCap {
    fn name(&self) -> &'static str {
        "category_cap"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, want: usize) -> Result<(), Fault> {
        let filter = query.request.filter.as_ref();
        let is_narrow = filter.is_some_and(|filter| !filter.named("subcategory").is_empty());
        if !is_narrow && !matches!(query.request.surface, Surface::Category(_)) {
            let cap = Cap {
                labels: query.snapshot.catalog.category(),
                column: "category",
                limit: self.per_category,
            };
            cap.apply(query, set, want);
        }
        Ok(())
    }
}

/// Varies brands: at most so many items per brand, with the exceptions of [`CategoryCap`].
#[derive(Clone, Copy, Debug)]
pub struct BrandVariety {
    /// Items per brand, at least 1.
    pub per_brand: usize,
}

impl Reranker for BrandVariety {
    fn name(&self) -> &'static str {
        "brand_variety"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, want: usize) -> Result<(), Fault> {
        let cap = Cap { labels: query.snapshot.catalog.brand(), column: "brand", limit: self.per_brand };
        cap.apply(query, set, want);
        Ok(())
    }
}

/// A limit on items of one label.
struct Cap<'a> {
    labels: &'a Labels,
    column: &'static str,
    limit: usize,
}

impl Cap<'_> {
    fn apply(&self, query: &Query, set: &mut Candidates, want: usize) {
        let limit = self.limit.max(want.div_ceil(self.labels.cardinality().max(1)));
        let filter = query.request.filter.as_ref();
        let named = filter.map(|filter| filter.named(self.column)).unwrap_or_default();
        let named: Vec<u32> = named.into_iter().filter_map(|label| self.labels.find(label)).collect();
        let mut counts: FxHashMap<u32, usize> = FxHashMap::default();
        let fits = |row: &u32| {
            let code = self.labels.code(set.ids()[*row as usize]);
            code.filter(|code| !named.contains(code)).is_none_or(|code| {
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
}
