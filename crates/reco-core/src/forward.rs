//! The traits through pointers: an `Arc` or a `Box` of an implementation is one as well, so that a part
//! chosen at run time fits wherever a part is asked for.

use crate::cache::Cache;
use crate::candidate::{Candidates, DropCode, Hits, KeepMask};
use crate::embed::TextEmbedder;
use crate::error::Fault;
use crate::event::Event;
use crate::experiment::{Arm, Experiment};
use crate::features::{FeatureSource, UserFeatures};
use crate::filter::Filter;
use crate::id::{ItemId, ItemKey, UserKey};
use crate::index::{Allow, IndexError, Metric, VectorIndex};
use crate::launch::{ExposureBudget, ExposureLedger, LeaseId};
use crate::linalg::Matrix;
use crate::query::Query;
use crate::rank::{DenseModel, ModelError, Ranker};
use crate::registry::{Change, ModelRegistry, RegistryError, Rollout};
use crate::rerank::Reranker;
use crate::retrieve::{CandidateGenerator, RemoteGenerator, RemoteHit, Support};
use crate::store::{Appended, Delivery, EventSink, EventSource};
use crate::time::Budget;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

macro_rules! through {
    ($($pointer:ident),*) => {$(
        impl<T: CandidateGenerator + ?Sized> CandidateGenerator for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }
            fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
                (**self).generate(query, limit, out)
            }
            fn assess(&self, query: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
                (**self).assess(query, items, scores)
            }
            fn support(&self, query: &Query, item: ItemId, out: &mut Vec<Support>) {
                (**self).support(query, item, out);
            }
        }

        impl<T: Filter + ?Sized> Filter for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }
            fn apply(&self, query: &Query, set: &Candidates, keep: &mut KeepMask) -> Result<(), Fault> {
                (**self).apply(query, set, keep)
            }
            fn reason(&self, code: DropCode) -> String {
                (**self).reason(code)
            }
        }

        impl<T: Ranker + ?Sized> Ranker for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }
            fn score(&self, query: &Query, set: &Candidates, scores: &mut [f32]) -> Result<(), Fault> {
                (**self).score(query, set, scores)
            }
        }

        impl<T: DenseModel + ?Sized> DenseModel for $pointer<T> {
            fn kind(&self) -> &'static str {
                (**self).kind()
            }
            fn features(&self) -> &[Arc<str>] {
                (**self).features()
            }
            fn predict(&self, rows: &[f32], scores: &mut [f32]) -> Result<(), ModelError> {
                (**self).predict(rows, scores)
            }
        }

        impl<T: Reranker + ?Sized> Reranker for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }
            fn rerank(&self, query: &Query, set: &mut Candidates, want: usize) -> Result<(), Fault> {
                (**self).rerank(query, set, want)
            }
        }

        impl<T: TextEmbedder + ?Sized> TextEmbedder for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }
            fn dimension(&self) -> usize {
                (**self).dimension()
            }
            fn embed(&self, texts: &[&str]) -> Result<Matrix, Fault> {
                (**self).embed(texts)
            }
        }

        impl<T: VectorIndex + ?Sized> VectorIndex for $pointer<T> {
            fn dim(&self) -> usize {
                (**self).dim()
            }
            fn len(&self) -> usize {
                (**self).len()
            }
            fn is_empty(&self) -> bool {
                (**self).is_empty()
            }
            fn metric(&self) -> Metric {
                (**self).metric()
            }
            fn search(
                &self,
                vector: &[f32],
                k: usize,
                allow: Option<&dyn Allow>,
                out: &mut Hits,
            ) -> Result<(), IndexError> {
                (**self).search(vector, k, allow, out)
            }
        }

        impl<T: Experiment + ?Sized> Experiment for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }
            fn n_arms(&self) -> usize {
                (**self).n_arms()
            }
            fn assign(&self, user: &UserKey) -> Option<Arm> {
                (**self).assign(user)
            }
        }

        #[async_trait]
        impl<T: FeatureSource + ?Sized> FeatureSource for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }
            async fn user(&self, user: &UserKey, budget: &Budget) -> Result<Option<Arc<UserFeatures>>, Fault> {
                (**self).user(user, budget).await
            }
        }

        #[async_trait]
        impl<T: RemoteGenerator + ?Sized> RemoteGenerator for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }
            async fn generate(
                &self,
                user: &UserKey,
                limit: usize,
                budget: &Budget,
            ) -> Result<Vec<RemoteHit>, Fault> {
                (**self).generate(user, limit, budget).await
            }
        }

        #[async_trait]
        impl<T: Cache + ?Sized> Cache for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }
            async fn get(&self, key: &str) -> Result<Option<Bytes>, Fault> {
                (**self).get(key).await
            }
            async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), Fault> {
                (**self).put(key, value, ttl).await
            }
            async fn remove(&self, key: &str) -> Result<(), Fault> {
                (**self).remove(key).await
            }
        }

        #[async_trait]
        impl<T: EventSink + ?Sized> EventSink for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }
            async fn append(&self, events: &[Event]) -> Result<Appended, Fault> {
                (**self).append(events).await
            }
        }

        impl<T: ExposureBudget + ?Sized> ExposureBudget for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }
            fn take(&self, item: &ItemKey, limit: u64) -> bool {
                (**self).take(item, limit)
            }
            fn put_back(&self, item: &ItemKey) {
                (**self).put_back(item);
            }
        }

        #[async_trait]
        impl<T: ExposureLedger + ?Sized> ExposureLedger for $pointer<T> {
            fn name(&self) -> &str {
                (**self).name()
            }
            async fn lease(&self, item: &ItemKey, id: LeaseId, want: u64, limit: u64) -> Result<u64, Fault> {
                (**self).lease(item, id, want, limit).await
            }
            async fn give_back(&self, item: &ItemKey, id: LeaseId, unused: u64) -> Result<(), Fault> {
                (**self).give_back(item, id, unused).await
            }
            async fn granted(&self, item: &ItemKey) -> Result<u64, Fault> {
                (**self).granted(item).await
            }
        }

        #[async_trait]
        impl<T: ModelRegistry + ?Sized> ModelRegistry for $pointer<T> {
            async fn publish(&self, model: &str, artifact: Bytes) -> Result<u64, RegistryError> {
                (**self).publish(model, artifact).await
            }
            async fn load(&self, model: &str, version: u64) -> Result<Bytes, RegistryError> {
                (**self).load(model, version).await
            }
            async fn versions(&self, model: &str) -> Result<Vec<u64>, RegistryError> {
                (**self).versions(model).await
            }
            async fn rollout(&self, model: &str) -> Result<Rollout, RegistryError> {
                (**self).rollout(model).await
            }
            async fn set_rollout(
                &self,
                model: &str,
                expected: &Rollout,
                change: Change,
            ) -> Result<(), RegistryError> {
                (**self).set_rollout(model, expected, change).await
            }
            async fn changes(&self, model: &str) -> Result<Vec<Change>, RegistryError> {
                (**self).changes(model).await
            }
        }
    )*};
}

through!(Arc, Box);

/// Only a `Box`: a reader owns its position, so it cannot be shared.
#[async_trait]
impl<T: EventSource + ?Sized> EventSource for Box<T> {
    fn name(&self) -> &str {
        (**self).name()
    }
    async fn poll(&mut self, max: usize) -> Result<Vec<Delivery>, Fault> {
        (**self).poll(max).await
    }
    async fn commit(&mut self) -> Result<(), Fault> {
        (**self).commit().await
    }
    fn behind(&self) -> Option<u64> {
        (**self).behind()
    }
}
