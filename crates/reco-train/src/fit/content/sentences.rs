//! The sentence model that training and serving share.

use parking_lot::Mutex;
use reco_core::embed::TextEmbedder;
use reco_core::embed::sentence::{SentenceError, SentenceModel};
use reco_core::error::Fault;
use reco_core::linalg::Matrix;
use rustc_hash::FxHashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Evaluation and tuning fit one catalogue over and over, and a server embeds new items by what it was trained with: the model
/// that was opened last stays open.
static LAST: Mutex<Option<(PathBuf, Arc<Remembering>)>> = Mutex::new(None);

/// A sentence model that embeds a text once. Whoever asks for the same folder again gets the same model.
///
/// # Errors
///
/// [`SentenceError`] for a folder without such a model.
pub fn sentence_model(folder: &Path) -> Result<Arc<dyn TextEmbedder>, SentenceError> {
    let mut last = LAST.lock();
    match &*last {
        Some((known, model)) if known == folder => Ok(Arc::clone(model) as Arc<dyn TextEmbedder>),
        _ => {
            let model =
                Arc::new(Remembering { model: SentenceModel::open(folder)?, vectors: Mutex::default() });
            *last = Some((folder.to_owned(), Arc::clone(&model)));
            Ok(model)
        }
    }
}

#[derive(Debug)]
struct Remembering {
    model: SentenceModel,
    vectors: Mutex<FxHashMap<String, Arc<[f32]>>>,
}

impl Remembering {
    /// Texts that are remembered: with 384 numbers each, one and a half gigabytes.
    const MOST: usize = 1_000_000;
}

impl TextEmbedder for Remembering {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn dimension(&self) -> usize {
        self.model.dimension()
    }

    fn embed(&self, texts: &[&str]) -> Result<Matrix, Fault> {
        let known: Vec<Option<Arc<[f32]>>> = {
            let vectors = self.vectors.lock();
            texts.iter().map(|text| vectors.get(*text).cloned()).collect()
        };
        let unknown: Vec<usize> = (0..texts.len()).filter(|&row| known[row].is_none()).collect();
        let new = self.model.embed(&unknown.iter().map(|&row| texts[row]).collect::<Vec<_>>())?;
        let mut embedded = Matrix::zeros(texts.len(), self.dimension());
        for (row, vector) in known.iter().enumerate() {
            vector.iter().for_each(|vector| embedded.row_mut(row).copy_from_slice(vector));
        }
        let mut vectors = self.vectors.lock();
        for (&row, vector) in unknown.iter().zip(new.rows()) {
            embedded.row_mut(row).copy_from_slice(vector);
            if vectors.len() < Self::MOST {
                vectors.insert(texts[row].to_owned(), vector.into());
            }
        }
        Ok(embedded)
    }
}
