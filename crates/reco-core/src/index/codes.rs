//! Vectors rounded to bytes, for a fast first pass.
//!
//! A vector x is kept as bytes c with x ≈ scale * (c - 128), beside its distance from what they stand for
//! and one more number, `extra`. The score of a row for a query is the inner product of the two, plus
//! extra * weight, where the query brings the weight. That is every metric's order:
//!
//! | metric | extra of a row x | weight of a query | weight of a row y as query |
//! |---|---|---|---|
//! | cosine | 0 | 0 | 0 |
//! | L2, vectors centred | -\|x\|² / 2 | 1 | 1 |
//! | inner product | s(x) - m | 0 | s(y) |
//!
//! Rows are compared among each other by a distance, under the inner product that of the rows made
//! [equally long](super::equal_length) by one more coordinate s(x), m being the length of the longest.
//! For a row y as query, half the squared distance is m (m - s(y)) less the score.

use super::array::Array;
use super::equal_length::less_than_longest;
use super::file::{Incoming, Outgoing, Problem};
use super::{IndexError, Metric};
use crate::linalg::{LONGEST_ROW, MatrixView, Rows};

/// All rows' bytes, each followed by its trailer.
#[derive(Debug)]
pub(super) struct Codes {
    bytes: Array<u8>,
    /// Bytes before the first row, so that rows begin on a cache line.
    start: usize,
    stride: usize,
    n_rows: usize,
    metric: Metric,
    /// What L2 takes off every vector; precision is lost far from the origin.
    centre: Vec<f32>,
    /// The length of the longest row.
    longest: f32,
}

/// What stands behind a row's bytes.
#[derive(Clone, Copy, Debug)]
struct Trailer {
    scale: f32,
    extra: f32,
    /// The length of what rounding took off.
    error: f32,
}

/// How far scores of bytes are from those of vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScoreError {
    per_row_error: f32,
    any_row: f32,
}

/// A query as bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct QueryCode {
    code: Vec<i8>,
    /// 128 times the sum of the code: what the rows' offset adds to every product.
    offset: i32,
    scale: f32,
    weight: f32,
    /// The query less the centre.
    centred: Vec<f32>,
    /// The length of what rounding took off.
    error: f32,
}

/// A cache line.
const LINE: usize = 64;
/// Three numbers behind a row's bytes.
const TRAILER: usize = 12;
/// Relative errors of f32 sums, amply.
const ROUNDING: f32 = 1e-5;
/// Bytes stand for -127 to 127.
const STEPS: f32 = 127.0;

impl Codes {
    /// Rounds the rows of `vectors` (normalised under the cosine metric) in the given order.
    ///
    /// # Errors
    ///
    /// [`IndexError::TooWide`] for more than some 65,000 dimensions.
    pub(super) fn new(vectors: MatrixView<'_>, order: &[u32], metric: Metric) -> Result<Self, IndexError> {
        let dim = vectors.n_columns();
        if Self::too_wide(dim) {
            return Err(IndexError::TooWide { got: dim, most: LONGEST_ROW - LINE });
        }
        let stride = stride(dim);
        let mut bytes = vec![0u8; order.len() * stride + LINE - 1];
        let start = bytes.as_ptr().align_offset(LINE).min(LINE - 1);
        let centre = if metric == Metric::L2 { mean(vectors) } else { vec![0.0; dim] };
        let mut centred = vec![0.0; dim];
        let centre_row = |row: u32, centred: &mut [f32]| -> f32 {
            let parts = centred.iter_mut().zip(vectors.row(row as usize)).zip(&centre);
            parts.for_each(|((to, x), centre)| *to = x - centre);
            centred.iter().map(|x| x * x).sum()
        };
        let squares = order.iter().map(|&row| centre_row(row, &mut centred));
        let longest = squares.fold(0.0, f32::max).sqrt();
        for (bytes, &row) in bytes[start..].chunks_exact_mut(stride).zip(order) {
            let square = centre_row(row, &mut centred);
            let extra = match metric {
                Metric::Cosine => 0.0,
                Metric::L2 => -square / 2.0,
                Metric::InnerProduct => less_than_longest(square, longest),
            };
            let (code, trailer) = bytes.split_at_mut(stride - TRAILER);
            let scale = scale(&centred);
            code.fill(128);
            code.iter_mut().zip(&centred).for_each(|(to, x)| *to = (round(*x, scale) + 128) as u8);
            let error = rounding_error(&centred, scale);
            Trailer { scale, extra, error }.write(trailer);
        }
        Ok(Self { bytes: bytes.into(), start, stride, n_rows: order.len(), metric, centre, longest })
    }

    /// Adds their sections to a file.
    pub(super) fn write<'a>(&'a self, parts: &mut Outgoing<'a>) {
        parts.add("codes", &self.bytes[self.start..][..self.n_rows * self.stride]);
        parts.add_copy("rounding", &[&[self.longest], &*self.centre].concat());
    }

    /// Reads their sections.
    pub(super) fn read(parts: &Incoming) -> Result<Self, Problem> {
        let (n_rows, dim, bytes) = (parts.n_vectors(), parts.dim(), parts.array("codes")?);
        if Self::too_wide(dim) || n_rows.checked_mul(stride(dim)) != Some(bytes.len()) {
            return Err(Problem::section("codes"));
        }
        let rounding = parts.array::<f32>("rounding")?;
        let (stride, metric) = (stride(dim), parts.metric());
        match rounding.split_first() {
            Some((&longest, centre)) if centre.len() == dim => {
                Ok(Self { bytes, start: 0, stride, n_rows, metric, centre: centre.to_vec(), longest })
            }
            _ => Err(Problem::section("rounding")),
        }
    }

    /// Whether vectors of `dim` values have too many for bytes.
    pub(super) fn too_wide(dim: usize) -> bool {
        dim >= LONGEST_ROW || stride(dim) > LONGEST_ROW
    }

    pub(super) fn len(&self) -> usize {
        self.n_rows
    }

    /// The rows, for the kernel. A query is zero where a row has its trailer.
    pub(super) fn rows(&self) -> Rows<'_> {
        Rows::new(&self.bytes[self.start..], self.stride)
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.bytes.memory() + self.centre.capacity() * size_of::<f32>()
    }

    /// Rounds a query that is normalised under the cosine metric.
    pub(super) fn query(&self, vector: &[f32], query: &mut QueryCode) {
        query.centred.clear();
        query.centred.extend(vector.iter().zip(&self.centre).map(|(x, centre)| x - centre));
        query.scale = scale(&query.centred);
        query.weight = if self.metric == Metric::L2 { 1.0 } else { 0.0 };
        query.code.clear();
        query.code.extend(query.centred.iter().map(|x| round(*x, query.scale) as i8));
        query.error = rounding_error(&query.centred, query.scale);
        query.code.resize(self.stride, 0);
        query.sum_up();
    }

    /// How far the scores of a query that came from outside may be off.
    pub(super) fn error(&self, query: &QueryCode) -> ScoreError {
        let norm = query.centred.iter().map(|x| x * x).sum::<f32>().sqrt();
        // What f32 itself rounds, in here and in the exact scores.
        let rounding = ROUNDING * self.longest * (norm + self.longest);
        ScoreError { per_row_error: norm, any_row: query.error * 1.01 * self.longest + rounding }
    }

    /// Makes a row the query.
    pub(super) fn row_as_query(&self, row: u32, query: &mut QueryCode) {
        let bytes = self.rows().row(row);
        let Trailer { scale, extra, .. } = Trailer::of(bytes);
        query.scale = scale;
        query.weight = match self.metric {
            Metric::Cosine => 0.0,
            Metric::L2 => 1.0,
            Metric::InnerProduct => self.longest + extra,
        };
        query.code.clear();
        query.code.extend(bytes[..self.stride - TRAILER].iter().map(|&c| c.wrapping_sub(128) as i8));
        query.code.resize(self.stride, 0);
        query.sum_up();
    }

    /// Half the squared distance of another row from this one is this less their score, this being the query;
    /// but for a constant under the cosine metric.
    pub(super) fn half_square(&self, row: u32) -> f32 {
        let extra = Trailer::of(self.rows().row(row)).extra;
        if self.metric == Metric::InnerProduct { -extra * self.longest } else { -extra }
    }
}

impl QueryCode {
    /// The bytes, as long as a row.
    pub(super) fn code(&self) -> &[i8] {
        &self.code
    }

    /// The score of a row, from its bytes and the kernel's product.
    #[inline]
    pub(super) fn score(&self, row: &[u8], product: i32) -> f32 {
        let Trailer { scale, extra, .. } = Trailer::of(row);
        (product - self.offset) as f32 * (scale * self.scale) + extra * self.weight
    }

    fn sum_up(&mut self) {
        self.offset = 128 * self.code.iter().map(|&c| i32::from(c)).sum::<i32>();
    }
}

/// Bytes per row: whole cache lines where that wastes little.
fn stride(dim: usize) -> usize {
    let bytes = dim + TRAILER;
    let lines = bytes.next_multiple_of(LINE);
    if lines * 8 <= bytes * 9 { lines } else { bytes.next_multiple_of(16) }
}

impl Trailer {
    #[inline]
    fn of(row: &[u8]) -> Self {
        let numbers = row.last_chunk::<TRAILER>().expect("rows hold a trailer").as_chunks().0;
        let number = |at: usize| f32::from_le_bytes(numbers[at]);
        Self { scale: number(0), extra: number(1), error: number(2) }
    }

    fn write(self, bytes: &mut [u8]) {
        let numbers = [self.scale, self.extra, self.error].map(f32::to_le_bytes);
        bytes.copy_from_slice(numbers.as_flattened());
    }
}

impl ScoreError {
    /// For one row, given its bytes.
    #[inline]
    pub(super) fn of(self, row: &[u8]) -> f32 {
        self.per_row_error * Trailer::of(row).error + self.any_row
    }
}

/// The length of what rounding takes off.
fn rounding_error(vector: &[f32], scale: f32) -> f32 {
    let off = |x: &f32| x - round(*x, scale) as f32 * scale;
    vector.iter().map(|x| off(x).powi(2)).sum::<f32>().sqrt()
}

/// What one step of a byte stands for.
fn scale(vector: &[f32]) -> f32 {
    vector.iter().fold(0.0, |most: f32, x| most.max(x.abs())) / STEPS
}

/// The nearest step; -127 to 127.
fn round(value: f32, scale: f32) -> i32 {
    // The smallest scales are themselves rounded.
    if scale > 0.0 { (value / scale).round().clamp(-STEPS, STEPS) as i32 } else { 0 }
}

fn mean(vectors: MatrixView<'_>) -> Vec<f32> {
    let mut sums = vec![0.0f64; vectors.n_columns()];
    for row in vectors.rows() {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    sums.into_iter().map(|sum| (sum / vectors.n_rows().max(1) as f64) as f32).collect()
}
