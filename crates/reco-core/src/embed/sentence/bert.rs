//! The network (Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", 2019, section 3; Vaswani et al.,
//! "Attention Is All You Need", 2017, section 3).

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::softmax_last_dim;
use candle_nn::{Embedding, LayerNorm, Linear, Module, VarBuilder, embedding, layer_norm, linear};
use serde::Deserialize;

/// What `config.json` says of it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct BertConfig {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    pub(super) max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    position_embedding_type: Option<String>,
}

impl BertConfig {
    /// What cannot be run, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let Self { hidden_size, num_attention_heads: heads, hidden_act, model_type, .. } = self;
        let positions = self.position_embedding_type.as_deref().unwrap_or("absolute");
        if model_type != "bert" {
            Some(format!("model_type is {model_type:?}, must be \"bert\""))
        } else if Activation::named(hidden_act).is_none() {
            Some(format!("hidden_act is {hidden_act:?}, must be \"gelu\" or \"relu\""))
        } else if positions != "absolute" {
            Some(format!("position_embedding_type is {positions:?}, must be \"absolute\""))
        } else if *hidden_size == 0 || *heads == 0 || !hidden_size.is_multiple_of(*heads) {
            Some(format!("hidden_size {hidden_size} is no multiple of num_attention_heads {heads}"))
        } else if self.max_position_embeddings < 2 {
            Some(format!("max_position_embeddings is {}, must be at least 2", self.max_position_embeddings))
        } else {
            None
        }
    }

    /// Says which network it is, if not with which weights.
    pub(super) fn name(&self) -> String {
        format!("{}-{}x{}", self.model_type, self.hidden_size, self.num_hidden_layers)
    }
}

#[derive(Clone, Copy)]
enum Activation {
    Gelu,
    Relu,
}

impl Activation {
    fn named(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "relu" => Some(Self::Relu),
            _ => None,
        }
    }

    fn of(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Gelu => x.gelu_erf(),
            Self::Relu => x.relu(),
        }
    }
}

pub(super) struct Bert {
    words: Embedding,
    positions: Embedding,
    /// The same for all tokens, as there is one sentence alone.
    kind: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

impl Bert {
    /// From the bytes of a safetensors file.
    pub(super) fn new(config: &BertConfig, weights: Vec<u8>) -> Result<Self> {
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        let (at, width) = (weights.pp("embeddings"), config.hidden_size);
        let kinds = embedding(config.type_vocab_size, width, at.pp("token_type_embeddings"))?;
        let layers = 0..config.num_hidden_layers;
        Ok(Self {
            words: embedding(config.vocab_size, width, at.pp("word_embeddings"))?,
            positions: embedding(config.max_position_embeddings, width, at.pp("position_embeddings"))?,
            kind: kinds.embeddings().get(0)?,
            norm: layer_norm(width, config.layer_norm_eps, at.pp("LayerNorm"))?,
            layers: layers
                .map(|layer| Layer::new(config, &weights.pp(format!("encoder.layer.{layer}"))))
                .collect::<Result<_>>()?,
        })
    }

    pub(super) fn dimension(&self) -> usize {
        self.words.hidden_size()
    }

    /// A vector for each token of each text: texts x tokens x [`dimension`](Self::dimension). `mask` is 1 for tokens and 0 for
    /// what only fills up.
    pub(super) fn states(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let n_tokens = u32::try_from(ids.dim(1)?).unwrap_or(u32::MAX);
        let places = Tensor::arange(0, n_tokens, &Device::Cpu)?;
        let told = self.positions.forward(&places)?.broadcast_add(&self.kind)?;
        let mut states = self.norm.forward(&self.words.forward(ids)?.broadcast_add(&told)?)?;
        // Nobody attends to what only fills up.
        let unseen = ((mask - 1.0)? * 1e9)?.unsqueeze(1)?.unsqueeze(1)?;
        for layer in &self.layers {
            states = layer.forward(&states, &unseen)?;
        }
        Ok(states)
    }
}

struct Layer {
    n_heads: usize,
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    attention_norm: LayerNorm,
    activation: Activation,
    inner: Linear,
    outer: Linear,
    norm: LayerNorm,
}

impl Layer {
    fn new(config: &BertConfig, at: &VarBuilder<'_>) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let attention = at.pp("attention");
        let norm = |at: VarBuilder<'_>| layer_norm(width, config.layer_norm_eps, at.pp("LayerNorm"));
        Ok(Self {
            n_heads: config.num_attention_heads,
            query: linear(width, width, attention.pp("self.query"))?,
            key: linear(width, width, attention.pp("self.key"))?,
            value: linear(width, width, attention.pp("self.value"))?,
            attended: linear(width, width, attention.pp("output.dense"))?,
            attention_norm: norm(attention.pp("output"))?,
            activation: Activation::named(&config.hidden_act).unwrap_or(Activation::Gelu),
            inner: linear(width, inner, at.pp("intermediate.dense"))?,
            outer: linear(inner, width, at.pp("output.dense"))?,
            norm: norm(at.pp("output"))?,
        })
    }

    fn forward(&self, states: &Tensor, unseen: &Tensor) -> Result<Tensor> {
        let attended = self.attended.forward(&self.attention(states, unseen)?)?;
        let states = self.attention_norm.forward(&(attended + states)?)?;
        let inner = self.activation.of(&self.inner.forward(&states)?)?;
        self.norm.forward(&(self.outer.forward(&inner)? + states)?)
    }

    /// What each token makes of the others, by as many heads.
    fn attention(&self, states: &Tensor, unseen: &Tensor) -> Result<Tensor> {
        let (n_texts, n_tokens, width) = states.dims3()?;
        let of_head = width / self.n_heads;
        let by_head = |projected: Tensor| {
            projected.reshape((n_texts, n_tokens, self.n_heads, of_head))?.transpose(1, 2)?.contiguous()
        };
        let query = by_head(self.query.forward(states)?)?;
        let key = by_head(self.key.forward(states)?)?;
        let value = by_head(self.value.forward(states)?)?;
        let scores = (query.matmul(&key.t()?)? / (of_head as f64).sqrt())?;
        let weights = softmax_last_dim(&scores.broadcast_add(unseen)?)?;
        weights.matmul(&value)?.transpose(1, 2)?.reshape((n_texts, n_tokens, width))
    }
}
