//! From a sum of leaves to what a library's `predict` gives.

/// The function that an objective puts on top of the sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Output {
    /// The sum itself: regression and ranking.
    Identity,
    /// Its square, with its sign: regression to the root.
    SignedSquare,
    /// A probability, by the logistic function of so many times the sum.
    Sigmoid(f64),
    /// Its exponential: counts and amounts.
    Exp,
    /// The logarithm of one plus the exponential.
    Softplus,
    /// One above zero, otherwise zero.
    Step,
}

impl Output {
    pub(super) fn of(self, sum: f64) -> f64 {
        match self {
            Self::Identity => sum,
            Self::SignedSquare => sum * sum.abs(),
            Self::Sigmoid(scale) => 1.0 / (1.0 + (-scale * sum).exp()),
            Self::Exp => sum.exp(),
            Self::Softplus => sum.exp().ln_1p(),
            Self::Step => f64::from(sum > 0.0),
        }
    }
}
