//! Sentence models of the BERT family, run by candle.

mod bert;
#[cfg(test)]
mod tests;

use super::TextEmbedder;
use crate::error::{BoxError, Fault, FaultKind};
use crate::linalg::Matrix;
use bert::{Bert, BertConfig};
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tokenizers::{Tokenizer, TruncationParams};

/// A sentence model: the mean of what BERT makes of a text's tokens, of length 1 (Reimers & Gurevych, "Sentence-BERT", 2019, section 3).
///
/// It is a folder as the library sentence-transformers writes it: `config.json`, `tokenizer.json`, `model.safetensors`, and
/// `sentence_bert_config.json`, `tokenizer_config.json` and `1_Pooling/config.json` where they are. `scripts/install-minilm` installs all-MiniLM-L6-v2
/// (22 million weights, 384 numbers a vector) and prints where it is.
///
/// ```no_run
/// use reco_core::embed::{TextEmbedder, sentence::SentenceModel};
///
/// let model = SentenceModel::open("minilm")?;
/// let vectors = model.embed(&["Green tea", "Matcha", "Dish soap"])?;
/// let cosine = |a, b| reco_core::linalg::dot(vectors.row(a), vectors.row(b));
/// assert!(cosine(0, 1) > cosine(0, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SentenceModel {
    name: String,
    tokenizer: Tokenizer,
    bert: Bert,
}

/// Why a sentence model cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SentenceError {
    /// A file that it needs cannot be read.
    #[error("{path}: {source}; scripts/install-minilm installs a sentence model", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is something else, or asks for what is not known here.
    #[error("{path}: {what}", path = .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// How many tokens of a text count, as two files may say.
#[derive(Default, Deserialize)]
struct Cutting {
    max_seq_length: Option<f64>,
    /// Some 10^30 where nobody said.
    model_max_length: Option<f64>,
}

/// What is made of the vectors of tokens, in the words of older and newer versions of the library.
#[derive(Default, Deserialize)]
struct Pooling {
    pooling_mode: Option<String>,
    pooling_mode_mean_tokens: Option<bool>,
}

impl Pooling {
    fn is_mean(&self) -> bool {
        self.pooling_mode.as_deref().is_none_or(|mode| mode == "mean")
            && self.pooling_mode_mean_tokens.unwrap_or(true)
    }
}

impl SentenceModel {
    /// Texts that go through the network together.
    const BATCH: usize = 16;

    /// Reads a model from its folder.
    ///
    /// # Errors
    ///
    /// [`SentenceError`] for a file that is missing, damaged, or of another kind of model.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, SentenceError> {
        let folder = folder.as_ref();
        let invalid = |name: &str, what: String| SentenceError::Invalid { path: folder.join(name), what };
        let config: BertConfig = json(&folder.join("config.json"))?;
        if let Some(what) = config.problem() {
            return Err(invalid("config.json", what));
        }
        let pooling: Pooling = if_there(&folder.join("1_Pooling/config.json"))?;
        if !pooling.is_mean() {
            let what = "the vectors of tokens must be pooled by their mean: there is no other way here";
            return Err(invalid("1_Pooling/config.json", what.to_owned()));
        }
        let cutting: Cutting = if_there(&folder.join("sentence_bert_config.json"))?;
        let usual: Cutting = if_there(&folder.join("tokenizer_config.json"))?;
        let said = cutting.max_seq_length.or(usual.model_max_length).unwrap_or(f64::INFINITY);
        let longest = (said.max(2.0) as usize).min(config.max_position_embeddings);
        let tokenizer = tokenizer(&read(&folder.join("tokenizer.json"))?, longest)
            .map_err(|cause| invalid("tokenizer.json", cause.to_string()))?;
        let weights = read(&folder.join("model.safetensors"))?;
        let name = format!("{}-{:08x}", config.name(), crc32fast::hash(&weights));
        let bert =
            Bert::new(&config, weights).map_err(|cause| invalid("model.safetensors", cause.to_string()))?;
        Ok(Self { name, tokenizer, bert })
    }

    /// The vectors of these texts, in their order.
    fn vectors(&self, texts: &[&str]) -> Result<Matrix, BoxError> {
        let mut vectors = Matrix::zeros(texts.len(), self.dimension());
        let tokens = self.tokenizer.encode_batch_fast(texts.to_vec(), true)?;
        let mut telling: Vec<usize> = (0..texts.len()).filter(|&row| !texts[row].trim().is_empty()).collect();
        // A batch takes as long as its longest text.
        telling.sort_by_key(|&row| (tokens[row].len(), row));
        // The products of a batch are too small to be divided among threads.
        let means = telling.par_chunks(Self::BATCH).map(|rows| {
            let batch: Vec<&[u32]> = rows.iter().map(|&row| tokens[row].get_ids()).collect();
            self.means(&batch)
        });
        let means: Vec<Vec<Vec<f32>>> = means.collect::<candle_core::Result<_>>()?;
        for (&row, mean) in telling.iter().zip(means.iter().flatten()) {
            let length = mean.iter().map(|x| x * x).sum::<f32>().sqrt();
            if !(length > 0.0 && length.is_finite()) {
                return Err(format!("the vector of {:?} has the length {length}", texts[row]).into());
            }
            vectors.row_mut(row).iter_mut().zip(mean).for_each(|(to, x)| *to = x / length);
        }
        Ok(vectors)
    }

    /// Of each text of a batch the mean of what the network makes of its tokens.
    fn means(&self, batch: &[&[u32]]) -> candle_core::Result<Vec<Vec<f32>>> {
        let longest = batch.iter().map(|tokens| tokens.len()).max().unwrap_or(0);
        let (mut ids, mut mask) = (Vec::new(), Vec::new());
        for tokens in batch {
            let n_missing = longest - tokens.len();
            ids.extend(tokens.iter().copied().chain(std::iter::repeat_n(0, n_missing)));
            mask.extend(tokens.iter().map(|_| 1.0f32).chain(std::iter::repeat_n(0.0, n_missing)));
        }
        let shape = (batch.len(), longest);
        let (ids, mask) =
            (Tensor::from_vec(ids, shape, &Device::Cpu)?, Tensor::from_vec(mask, shape, &Device::Cpu)?);
        let states = self.bert.states(&ids, &mask)?;
        let sums = states.broadcast_mul(&mask.unsqueeze(2)?)?.sum(1)?;
        sums.broadcast_div(&mask.sum_keepdim(1)?)?.to_vec2()
    }
}

impl std::fmt::Debug for SentenceModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentenceModel").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TextEmbedder for SentenceModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimension(&self) -> usize {
        self.bert.dimension()
    }

    fn embed(&self, texts: &[&str]) -> Result<Matrix, Fault> {
        self.vectors(texts).map_err(|cause| Fault::new("sentences", FaultKind::Internal).because(cause))
    }
}

/// Cuts texts at so many tokens, and adds none.
fn tokenizer(bytes: &[u8], longest: usize) -> tokenizers::Result<Tokenizer> {
    let mut tokenizer = Tokenizer::from_bytes(bytes)?;
    tokenizer.with_padding(None);
    tokenizer
        .with_truncation(Some(TruncationParams { max_length: longest, ..TruncationParams::default() }))?;
    Ok(tokenizer)
}

fn read(path: &Path) -> Result<Vec<u8>, SentenceError> {
    fs::read(path).map_err(|source| SentenceError::Io { path: path.to_owned(), source })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, SentenceError> {
    let invalid =
        |cause: serde_json::Error| SentenceError::Invalid { path: path.to_owned(), what: cause.to_string() };
    serde_json::from_slice(&read(path)?).map_err(invalid)
}

fn if_there<T: DeserializeOwned + Default>(path: &Path) -> Result<T, SentenceError> {
    match json(path) {
        Err(SentenceError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        other => other,
    }
}
