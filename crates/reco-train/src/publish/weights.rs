//! The learned ranker as safetensors.

use reco_core::rank::wide_deep::{Hidden, WideDeep};
use safetensors::tensor::{Dtype, SafeTensorError, TensorView, serialize};
use std::collections::{BTreeMap, HashMap};

/// The weights by name, little-endian f32: `input.mean` and `input.scale`, `hidden.N.weight` (a row per output) and
/// `hidden.N.bias`, `head.N.wide`, `head.N.deep`, `head.N.bias` and `head.N.share`. The names of inputs and
/// objectives are JSON lists in the file's own metadata, as `inputs` and `objectives`.
pub(super) fn safetensors(network: &WideDeep) -> Result<Vec<u8>, SafeTensorError> {
    let weights = network.weights();
    let mut tensors = BTreeMap::new();
    let mut add = |name: String, shape: Vec<usize>, values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.insert(name, (shape, bytes));
    };
    let n_inputs = weights.inputs.len();
    let scaling = |of: fn(&reco_core::rank::wide_deep::Input) -> f32| weights.inputs.iter().map(of).collect();
    let (mean, scale): (Vec<f32>, Vec<f32>) = (scaling(|input| input.mean), scaling(|input| input.scale));
    add("input.mean".to_owned(), vec![n_inputs], &mean);
    add("input.scale".to_owned(), vec![n_inputs], &scale);
    for (n, Hidden { weights, bias }) in weights.hidden.iter().enumerate() {
        let shape = vec![bias.len(), weights.as_slice().len() / bias.len().max(1)];
        add(format!("hidden.{n}.weight"), shape, weights.as_slice());
        add(format!("hidden.{n}.bias"), vec![bias.len()], bias);
    }
    for (n, head) in weights.heads.iter().enumerate() {
        add(format!("head.{n}.wide"), vec![head.wide.len()], &head.wide);
        add(format!("head.{n}.deep"), vec![head.deep.len()], &head.deep);
        add(format!("head.{n}.bias"), vec![1], &[head.bias]);
        add(format!("head.{n}.share"), vec![1], &[head.share]);
    }
    let inputs: Vec<&str> = weights.inputs.iter().map(|input| &*input.name).collect();
    let objectives: Vec<&str> = weights.heads.iter().map(|head| &*head.objective).collect();
    let names = [("inputs", inputs), ("objectives", objectives)];
    let names: HashMap<String, String> =
        names.map(|(key, names)| (key.to_owned(), serde_json::json!(names).to_string())).into();
    let views: Result<Vec<_>, SafeTensorError> = tensors
        .iter()
        .map(|(name, (shape, bytes))| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect();
    serialize(views?, Some(names))
}
