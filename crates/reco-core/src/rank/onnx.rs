//! Models in ONNX files, run by rten, a runtime in Rust.

use super::dense::{DenseModel, ModelError};
use rten::{DataType, Dimension, LoadErrorKind, Model, NodeId, ValueOrView, ValueType, ValueView};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Most features: their names may be made up, so a damaged width must not ask for any number of them.
const MOST_FEATURES: usize = 1 << 20;

/// A model from an ONNX file.
///
/// It takes the rows as one input of `[rows, features]`, or in parts as several inputs, all of single precision,
/// and gives a score for each row as `[rows]`, `[rows, 1]` or, as a classifier of two classes does, `[rows, 2]`,
/// whose last column counts. A further output of whole numbers, a classifier's label, is left alone.
///
/// Features are named by the file's metadata `feature_names` (a JSON list of strings), else several inputs of one
/// column each by themselves, else f0, f1 and so on. What is missing arrives as NaN: the model must know what to
/// do with it.
///
/// Threads are those of rten, as many as there are cores unless the environment's `RTEN_NUM_THREADS` says
/// otherwise. A file can ask for any amount of memory and time: open only what you trust.
pub struct OnnxModel {
    name: Arc<str>,
    features: Vec<Arc<str>>,
    model: Model,
    inputs: Vec<Input>,
    output: NodeId,
    /// One score a row, or columns of them.
    is_flat: bool,
}

/// An input, and which features it takes.
#[derive(Clone, Debug)]
struct Input {
    id: NodeId,
    name: String,
    columns: Range<usize>,
    /// Whether it is a list of numbers, not of rows.
    is_flat: bool,
}

impl OnnxModel {
    /// Reads a file and scores two rows of zeros with it, so that a model which cannot run is known at once.
    ///
    /// # Errors
    ///
    /// When it cannot be read, has nodes that rten does not know (trees among them), or other inputs and outputs
    /// than described above.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let name: Arc<str> = path.display().to_string().into();
        let bytes =
            std::fs::read(path).map_err(|source| ModelError::Io { model: Arc::clone(&name), source })?;
        Self::read(name, bytes)
    }

    /// Reads the bytes of such a file; `name` is for messages.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`].
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, ModelError> {
        Self::read(name.into(), bytes)
    }

    fn read(name: Arc<str>, bytes: Vec<u8>) -> Result<Self, ModelError> {
        let model = Model::load(bytes).map_err(|error| refusal(&name, &error))?;
        let inputs = inputs(&name, &model)?;
        let features = features(&name, &model, &inputs)?;
        let (output, is_flat) = output(&name, &model)?;
        let read = Self { name, features, model, inputs, output, is_flat };
        read.predict(&vec![0.0; 2 * read.features.len()], &mut [0.0; 2])?;
        Ok(read)
    }

    /// The values of an input, as rten takes them.
    fn value<'a>(
        &self,
        input: &Input,
        rows: &'a [f32],
        n_rows: usize,
    ) -> Result<ValueOrView<'a>, ModelError> {
        let width = self.features.len();
        let mut shape = vec![n_rows];
        if !input.is_flat {
            shape.push(input.columns.len());
        }
        if input.columns.len() == width {
            let view = ValueView::from_shape(shape, rows).map_err(|error| self.failed(error))?;
            return Ok(view.into());
        }
        let part = rows.chunks_exact(width).flat_map(|row| &row[input.columns.clone()]).copied().collect();
        let value = rten::Value::from_shape::<f32>(shape, part).map_err(|error| self.failed(error))?;
        Ok(value.into())
    }

    fn failed(&self, source: impl std::error::Error + Send + Sync + 'static) -> ModelError {
        ModelError::Run { model: Arc::clone(&self.name), source: source.into() }
    }
}

impl std::fmt::Debug for OnnxModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnnxModel")
            .field("name", &self.name)
            .field("features", &self.features)
            .field("inputs", &self.inputs)
            .finish_non_exhaustive()
    }
}

impl DenseModel for OnnxModel {
    fn kind(&self) -> &'static str {
        "onnx"
    }

    fn features(&self) -> &[Arc<str>] {
        &self.features
    }

    fn predict(&self, rows: &[f32], scores: &mut [f32]) -> Result<(), ModelError> {
        ModelError::check_shape(self, rows, scores)?;
        let n_rows = scores.len();
        if n_rows == 0 {
            return Ok(());
        }
        let value = |input: &Input| Ok((input.id, self.value(input, rows, n_rows)?));
        let inputs = self.inputs.iter().map(value).collect::<Result<_, ModelError>>()?;
        let [found] = self.model.run_n(inputs, [self.output], None).map_err(|error| self.failed(error))?;
        let (n_found, n_columns, values) = if self.is_flat {
            let ([n_found], values) = found.into_shape_vec::<f32, 1>().map_err(|error| self.failed(error))?;
            (n_found, 1, values)
        } else {
            let ([n_found, n_columns], values) =
                found.into_shape_vec::<f32, 2>().map_err(|error| self.failed(error))?;
            (n_found, n_columns, values)
        };
        if n_found != n_rows || !(1..=2).contains(&n_columns) {
            let value = format!("{n_found} x {n_columns} for {n_rows} rows");
            return Err(unsupported(
                &self.name,
                "its output",
                value,
                "one score a row is needed, or two classes",
            ));
        }
        let last = values.iter().skip(n_columns - 1).step_by(n_columns);
        scores.iter_mut().zip(last).for_each(|(score, &value)| *score = value);
        Ok(())
    }
}

fn unsupported(model: &Arc<str>, field: &'static str, value: String, instead: &str) -> ModelError {
    ModelError::Unsupported { model: Arc::clone(model), field, value, instead: instead.to_owned() }
}

/// Why a file was not loaded.
fn refusal(name: &Arc<str>, error: &rten::LoadError) -> ModelError {
    let model = Arc::clone(name);
    match error.kind() {
        LoadErrorKind::OperatorInvalid => {
            let instead =
                "only nodes that rten knows can run; save models of trees in their own library's format";
            unsupported(name, "a node", format!("not to be run ({error})"), instead)
        }
        LoadErrorKind::UnknownFileType => {
            let found = "no ONNX model".to_owned();
            ModelError::Foreign { model, found, wanted: "a file that begins as `ModelProto` does" }
        }
        _ => ModelError::Invalid { model, place: "the graph".to_owned(), problem: error.to_string() },
    }
}

/// The inputs, which share the features in their order.
fn inputs(name: &Arc<str>, model: &Model) -> Result<Vec<Input>, ModelError> {
    let wanted =
        "inputs must be numbers of single precision, [rows, features] or [rows], for any number of rows";
    let mut inputs: Vec<Input> = Vec::new();
    for &id in model.input_ids() {
        let info = model.node_info(id);
        let input = info.as_ref().and_then(rten::NodeInfo::name).unwrap_or("without a name").to_owned();
        let refuse = |problem: String| unsupported(name, "an input", format!("`{input}` {problem}"), wanted);
        let info = info.as_ref().ok_or_else(|| refuse("not there".to_owned()))?;
        if info.dtype().is_some_and(|dtype| dtype != ValueType::Tensor(DataType::Float)) {
            return Err(refuse("of another type".to_owned()));
        }
        let n_columns = match info.shape().as_deref() {
            Some([Dimension::Symbolic(_)]) => None,
            Some([Dimension::Symbolic(_), Dimension::Fixed(n_columns)])
                if (1..=MOST_FEATURES).contains(n_columns) =>
            {
                Some(*n_columns)
            }
            Some([Dimension::Fixed(n_rows), ..]) => return Err(refuse(format!("of just {n_rows} rows"))),
            _ => return Err(refuse("of another shape".to_owned())),
        };
        let first = inputs.last().map_or(0, |input| input.columns.end);
        let columns = first..first + n_columns.unwrap_or(1);
        if columns.end > MOST_FEATURES {
            return Err(refuse(format!("beyond {MOST_FEATURES} features")));
        }
        inputs.push(Input { id, name: input, columns, is_flat: n_columns.is_none() });
    }
    if inputs.is_empty() {
        return Err(unsupported(name, "an input", "not there".to_owned(), wanted));
    }
    Ok(inputs)
}

/// The names of the features.
fn features(name: &Arc<str>, model: &Model, inputs: &[Input]) -> Result<Vec<Arc<str>>, ModelError> {
    let n_features = inputs.last().map_or(0, |input| input.columns.end);
    let Some(text) = model.metadata().get("feature_names") else {
        if inputs.len() == n_features && n_features > 1 {
            return Ok(inputs.iter().map(|input| input.name.as_str().into()).collect());
        }
        return Ok((0..n_features).map(|number| format!("f{number}").into()).collect());
    };
    let invalid = |problem: String| {
        let (model, place) = (Arc::clone(name), "metadata `feature_names`".to_owned());
        ModelError::Invalid { model, place, problem }
    };
    let names: Vec<Arc<str>> = serde_json::from_str(text)
        .map_err(|error| invalid(format!("{error}; a JSON list of strings is needed")))?;
    if names.len() == n_features {
        Ok(names)
    } else {
        Err(invalid(format!("{} names for {n_features} features", names.len())))
    }
}

/// The output with the scores, and whether it is a list of numbers, not of rows.
fn output(name: &Arc<str>, model: &Model) -> Result<(NodeId, bool), ModelError> {
    let is_score = |&&id: &&NodeId| {
        let dtype = model.node_info(id).and_then(|info| info.dtype());
        dtype.is_none_or(|dtype| dtype == ValueType::Tensor(DataType::Float))
    };
    let wanted = "give one output of single precision, [rows], [rows, 1] or [rows, 2]";
    let scores: Vec<&NodeId> = model.output_ids().iter().filter(is_score).collect();
    let [&output] = scores[..] else {
        return Err(unsupported(name, "its output", format!("not one but {}", scores.len()), wanted));
    };
    let shape = model.node_info(output).and_then(|info| info.shape());
    match shape.as_deref() {
        Some([_]) => Ok((output, true)),
        None | Some([_, _]) => Ok((output, false)),
        Some(other) => Err(unsupported(name, "its output", format!("of {} dimensions", other.len()), wanted)),
    }
}

#[cfg(test)]
mod tests;
