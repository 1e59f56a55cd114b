//! The towers while they learn.

use super::TwoTowerParams;
use super::pairs::Batch;
use crate::fit::FitError;
use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::ops::log_softmax;
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use reco_core::linalg::Matrix;
use reco_core::retrieve::two_tower::{Parts, TwoTowerModel};

/// Both towers under one optimiser. Each adds to its input what a rectified layer makes of it.
pub(super) struct Network {
    params: TwoTowerParams,
    /// Words and attributes, items x hashed dimensions.
    contents: Tensor,
    /// Items x dimensions.
    embeddings: Var,
    /// Hashed dimensions x dimensions.
    of_contents: Var,
    user: Tower,
    item: Tower,
    optimizer: AdamW,
}

/// A rectified layer and what its units add.
struct Tower {
    /// Inputs x units.
    hidden: Var,
    bias: Var,
    /// Units x dimensions; zero at first.
    output: Var,
}

impl Tower {
    fn new(n_inputs: usize, width: usize, rng: &mut Pcg64Mcg) -> Result<Self, FitError> {
        Ok(Self {
            hidden: random(n_inputs, width, (6.0 / n_inputs as f32).sqrt(), rng)?,
            bias: Var::zeros(width, DType::F32, &Device::Cpu)?,
            output: Var::zeros((width, width), DType::F32, &Device::Cpu)?,
        })
    }

    fn vars(&self) -> [Var; 3] {
        [self.hidden.clone(), self.bias.clone(), self.output.clone()]
    }

    /// Vectors of length 1 from what the layer sees and what it adds to.
    fn vectors(&self, seen: &Tensor, to: &Tensor) -> Result<Tensor, FitError> {
        let units = seen.matmul(&self.hidden)?.broadcast_add(&self.bias)?.relu()?;
        let vectors = (to + units.matmul(&self.output)?)?;
        let lengths = (vectors.sqr()?.sum_keepdim(D::Minus1)? + LEAST)?.sqrt()?;
        Ok(vectors.broadcast_div(&lengths)?)
    }
}

/// Keeps the length of nothing from being 0.
const LEAST: f64 = 1e-12;

fn random(n_rows: usize, n_columns: usize, bound: f32, rng: &mut Pcg64Mcg) -> Result<Var, FitError> {
    let values: Vec<f32> = (0..n_rows * n_columns).map(|_| rng.random_range(-bound..bound)).collect();
    Ok(Var::from_vec(values, (n_rows, n_columns), &Device::Cpu)?)
}

impl Network {
    /// Random embeddings; the towers are these alone at first.
    pub(super) fn new(contents: &Matrix, params: &TwoTowerParams) -> Result<Self, FitError> {
        let mut rng = Pcg64Mcg::seed_from_u64(params.seed);
        let (n_items, n_hashed, width) = (contents.n_rows(), contents.n_columns(), params.width);
        let bound = (3.0 / width as f32).sqrt();
        let embeddings = random(n_items, width, bound, &mut rng)?;
        let of_contents = random(n_hashed, width, bound, &mut rng)?;
        let (user, item) = (Tower::new(width + 1, width, &mut rng)?, Tower::new(width, width, &mut rng)?);
        let mut vars = vec![embeddings.clone(), of_contents.clone()];
        vars.extend(user.vars().into_iter().chain(item.vars()));
        let settings = ParamsAdamW {
            lr: params.learning_rate,
            weight_decay: params.weight_decay,
            ..ParamsAdamW::default()
        };
        let optimizer = AdamW::new(vars, settings)?;
        let contents = Tensor::from_slice(contents.as_slice(), (n_items, n_hashed), &Device::Cpu)?;
        Ok(Self { params: params.clone(), contents, embeddings, of_contents, user, item, optimizer })
    }

    /// One step after a share `passed` of all.
    pub(super) fn step(&mut self, batch: &Batch, passed: f64) -> Result<(), FitError> {
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * passed.min(1.0)).cos());
        self.optimizer.set_learning_rate(self.params.learning_rate * cosine);
        let (n_pairs, n_items) = (batch.own.len(), batch.items.len());
        let items = Tensor::from_slice(&batch.items, n_items, &Device::Cpu)?;
        let own = Tensor::from_slice(&batch.own, n_pairs, &Device::Cpu)?;
        let weights = Tensor::from_slice(&batch.weights, (n_pairs, n_items), &Device::Cpu)?;
        let sizes: Vec<f32> = batch.n_others.iter().map(|&n| TwoTowerModel::size(n)).collect();
        let sizes = Tensor::from_vec(sizes, (n_pairs, 1), &Device::Cpu)?;
        let contents = self.contents.index_select(&items, 0)?.matmul(&self.of_contents)?;
        let known = (self.embeddings.index_select(&items, 0)? + contents)?;
        let mean = weights.matmul(&known)?;
        let users = self.user.vectors(&Tensor::cat(&[&mean, &sizes], 1)?, &mean)?;
        let own = known.index_select(&own, 0)?;
        let items = self.item.vectors(&own, &own)?;
        let logits = (users.matmul(&items.t()?)? / self.params.temperature)?;
        let offsets = Tensor::from_slice(&batch.offsets, (n_pairs, n_pairs), &Device::Cpu)?;
        let chances = log_softmax(&(logits + offsets)?, D::Minus1)?;
        let targets = Tensor::eye(n_pairs, DType::F32, &Device::Cpu)?;
        let loss = ((chances * targets)?.sum_all()? / -(n_pairs as f64))?;
        self.optimizer.backward_step(&loss)?;
        Ok(())
    }

    /// The model as served; `None` when its weights are not finite. Items that nobody has are known by their contents
    /// alone.
    pub(super) fn into_model(self, n_users_of: &[u32]) -> Result<Option<TwoTowerModel>, FitError> {
        let n_items = n_users_of.len();
        let is_had: Vec<f32> = n_users_of.iter().map(|&n_users| f32::from(u8::from(n_users > 0))).collect();
        let is_had = Tensor::from_vec(is_had, (n_items, 1), &Device::Cpu)?;
        let embeddings = self.embeddings.broadcast_mul(&is_had)?;
        let embeddings = (embeddings + self.contents.matmul(&self.of_contents)?)?;
        let towers = self.item.vectors(&embeddings, &embeddings)?;
        let embeddings = matrix(&embeddings)?;
        let mut items = matrix(&towers)?;
        for row in (0..n_items).filter(|&row| embeddings.row(row).iter().all(|x| *x == 0.0)) {
            items.row_mut(row).fill(0.0);
        }
        let parts = Parts {
            embeddings,
            items,
            hidden: matrix(&self.user.hidden.t()?)?,
            bias: self.user.bias.to_vec1()?,
            output: matrix(&self.user.output.t()?)?,
        };
        Ok(TwoTowerModel::try_from(parts).ok())
    }
}

fn matrix(tensor: &Tensor) -> Result<Matrix, FitError> {
    let (n_rows, n_columns) = tensor.dims2()?;
    Ok(Matrix::from_vec(n_rows, n_columns, tensor.flatten_all()?.to_vec1()?))
}
