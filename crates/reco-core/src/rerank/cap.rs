//! Variety by counting: at most so many of a kind.

use super::Reranker;
use crate::candidate::Candidates;
use crate::catalog::Labels;
use crate::error::Fault;
use crate::query::Query;
use crate::request::Surface;
use rustc_hash::FxHashMap;

/// At most so many items per category; what is beyond leaves the page. Items without a category
/// are not limited, nor is a page about one category.
#[derive(Clone, Copy, Debug)]
pub struct CategoryCap {
    /// Items per category, at least 1.
    pub per_category: usize,
}

impl Reranker for CategoryCap {
    fn name(&self) -> &'static str {
        "category_cap"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, _: usize) -> Result<(), Fault> {
        if !matches!(query.request.surface, Surface::Category(_)) {
            keep_at_most(self.per_category, query.snapshot.catalog.category(), set);
        }
        Ok(())
    }
}

/// Varies brands: at most so many items per brand; items without a brand are not limited.
#[derive(Clone, Copy, Debug)]
pub struct BrandVariety {
    /// Items per brand, at least 1.
    pub per_brand: usize,
}

impl Reranker for BrandVariety {
    fn name(&self) -> &'static str {
        "brand_variety"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, _: usize) -> Result<(), Fault> {
        keep_at_most(self.per_brand, query.snapshot.catalog.brand(), set);
        Ok(())
    }
}

fn keep_at_most(limit: usize, labels: &Labels, set: &mut Candidates) {
    let mut counts: FxHashMap<u32, usize> = FxHashMap::default();
    let fits = |row: &u32| {
        labels.code(set.ids()[*row as usize]).is_none_or(|code| {
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
