//! Learned rankers as safetensors.

use reco_core::rank::trees::{Boosted, BoostedWeights, Branch, GrownTree, Side};
use reco_core::rank::wide_deep::{Hidden, Input, WideDeep};
use safetensors::tensor::{Dtype, SafeTensorError, TensorView, serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// The weights by name, little-endian f32: `input.mean` and `input.scale`, `hidden.N.weight` (a row per output) and
/// `hidden.N.bias`, `head.N.wide`, `head.N.deep`, `head.N.bias` and `head.N.share`. The names of inputs and
/// objectives are JSON lists in the file's own metadata, as `inputs` and `objectives`.
pub(super) fn of_network(network: &WideDeep) -> Result<Vec<u8>, SafeTensorError> {
    let weights = network.weights();
    let mut tensors = Tensors::default();
    let n_inputs = weights.inputs.len();
    let scaling = |of: fn(&Input) -> f32| -> Vec<f32> { weights.inputs.iter().map(of).collect() };
    tensors.add("input.mean", vec![n_inputs], &scaling(|input| input.mean));
    tensors.add("input.scale", vec![n_inputs], &scaling(|input| input.scale));
    for (n, Hidden { weights, bias }) in weights.hidden.iter().enumerate() {
        let shape = vec![bias.len(), weights.as_slice().len() / bias.len().max(1)];
        tensors.add(&format!("hidden.{n}.weight"), shape, weights.as_slice());
        tensors.add(&format!("hidden.{n}.bias"), vec![bias.len()], bias);
    }
    for (n, head) in weights.heads.iter().enumerate() {
        tensors.add(&format!("head.{n}.wide"), vec![head.wide.len()], &head.wide);
        tensors.add(&format!("head.{n}.deep"), vec![head.deep.len()], &head.deep);
        tensors.add(&format!("head.{n}.bias"), vec![1], &[head.bias]);
        tensors.add(&format!("head.{n}.share"), vec![1], &[head.share]);
    }
    let inputs: Vec<&str> = weights.inputs.iter().map(|input| &*input.name).collect();
    let objectives: Vec<&str> = weights.heads.iter().map(|head| &*head.objective).collect();
    tensors.written([("inputs", json!(inputs)), ("objectives", json!(objectives))])
}

/// The trees one after the other, little-endian: `tree.branches` and `tree.leaves` say how many of either each has (i32);
/// `branch.input`, `branch.left`, `branch.right` (i32; a branch of the same tree, or below 0 its leaf -1 - n),
/// `branch.missing_left` (i32, 0 or 1) and `branch.threshold` (f32) describe branches, `leaf.value` (f32) leaves. The
/// file's own metadata holds `inputs`, `start` (an input and what stands for it where it is missing), `slope` and
/// `intercept` as JSON.
pub(super) fn of_trees(model: &Boosted) -> Result<Vec<u8>, SafeTensorError> {
    let BoostedWeights { inputs, start, trees, slope, intercept, .. } = model.weights();
    let branches: Vec<&Branch> = trees.iter().flat_map(|tree| &tree.branches).collect();
    let leaves: Vec<f32> = trees.iter().flat_map(|tree| &tree.leaves).copied().collect();
    let side = |side| match side {
        Side::Branch(branch) => branch as i32,
        Side::Leaf(leaf) => -1 - leaf as i32,
    };
    let of_branches =
        |of: &dyn Fn(&Branch) -> i32| -> Vec<i32> { branches.iter().map(|branch| of(branch)).collect() };
    let thresholds: Vec<f32> = branches.iter().map(|branch| branch.threshold).collect();
    let sizes =
        |of: fn(&GrownTree) -> usize| -> Vec<i32> { trees.iter().map(|tree| of(tree) as i32).collect() };
    let mut tensors = Tensors::default();
    for (name, values) in [
        ("tree.branches", sizes(|tree| tree.branches.len())),
        ("tree.leaves", sizes(|tree| tree.leaves.len())),
        ("branch.input", of_branches(&|branch| branch.input as i32)),
        ("branch.left", of_branches(&|branch| side(branch.left))),
        ("branch.right", of_branches(&|branch| side(branch.right))),
        ("branch.missing_left", of_branches(&|branch| i32::from(branch.missing_left))),
    ] {
        tensors.add_integers(name, &values);
    }
    tensors.add("branch.threshold", vec![thresholds.len()], &thresholds);
    tensors.add("leaf.value", vec![leaves.len()], &leaves);
    let inputs: Vec<&str> = inputs.iter().map(|name| &**name).collect();
    tensors.written([
        ("inputs", json!(inputs)),
        ("start", json!(start)),
        ("slope", json!(slope)),
        ("intercept", json!(intercept)),
    ])
}

/// Tensors by name, as bytes.
#[derive(Default)]
struct Tensors(BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>);

impl Tensors {
    fn add(&mut self, name: &str, shape: Vec<usize>, values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.0.insert(name.to_owned(), (Dtype::F32, shape, bytes));
    }

    fn add_integers(&mut self, name: &str, values: &[i32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.0.insert(name.to_owned(), (Dtype::I32, vec![values.len()], bytes));
    }

    /// The file, with this in its own metadata.
    fn written<const N: usize>(&self, facts: [(&str, Value); N]) -> Result<Vec<u8>, SafeTensorError> {
        let facts: HashMap<String, String> =
            facts.into_iter().map(|(key, fact)| (key.to_owned(), fact.to_string())).collect();
        let views: Result<Vec<_>, SafeTensorError> = self
            .0
            .iter()
            .map(|(name, (dtype, shape, bytes))| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect();
        serialize(views?, Some(facts))
    }
}
