//! Several tests at once.

use super::error::{StatisticsError, check};

/// How p-values are raised so that many of them may be judged together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Correction {
    /// Times the number of tests. Keeps the chance of any false finding at alpha; Holm does so, too, and finds more.
    Bonferroni,
    /// Step down (Holm, Scandinavian Journal of Statistics 6, 1979): keeps the chance of any false finding at alpha.
    Holm,
    /// Step up (Hochberg, Biometrika 75, 1988): finds more than Holm where tests are independent or go together.
    Hochberg,
    /// Keeps the share of false findings among all findings at alpha where tests are independent or go together
    /// (Benjamini & Hochberg, JRSS B 57, 1995).
    BenjaminiHochberg,
    /// The same for tests that depend on each other in any way (Benjamini & Yekutieli, Annals of Statistics 29, 2001).
    BenjaminiYekutieli,
}

impl Correction {
    /// The p-values to hold against alpha, in the order of those given; none are more than 1, and their order by size
    /// stays.
    ///
    /// ```
    /// use reco_core::experiment::statistics::Correction;
    ///
    /// assert_eq!(Correction::Holm.adjusted(&[0.01, 0.04, 0.03])?, [0.03, 0.06, 0.06]);
    /// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A p that is not between 0 and 1.
    pub fn adjusted(self, p: &[f64]) -> Result<Vec<f64>, StatisticsError> {
        for &p in p {
            check((0.0..=1.0).contains(&p), "a p-value", p, "from 0 to 1")?;
        }
        let mut order: Vec<usize> = (0..p.len()).collect();
        order.sort_by(|&left, &right| p[left].total_cmp(&p[right]));
        let n = p.len() as f64;
        let harmonic: f64 = (1..=p.len()).map(|rank| 1.0 / rank as f64).sum();
        let raised = |place: usize| {
            let (rank, p) = ((place + 1) as f64, p[order[place]]);
            match self {
                Self::Bonferroni => p * n,
                Self::Holm | Self::Hochberg => p * (n - place as f64),
                Self::BenjaminiHochberg => p * n / rank,
                Self::BenjaminiYekutieli => p * n / rank * harmonic,
            }
        };
        let mut adjusted = vec![0.0; p.len()];
        let mut bound = if self.steps_down() { 0.0 } else { 1.0 };
        for step in 0..p.len() {
            let place = if self.steps_down() { step } else { p.len() - 1 - step };
            let p = raised(place);
            bound = if self.steps_down() { p.max(bound) } else { p.min(bound) };
            adjusted[order[place]] = bound.min(1.0);
        }
        Ok(adjusted)
    }

    /// Whether a p is at least as large as all before it, rather than at most as large as all after it.
    fn steps_down(self) -> bool {
        matches!(self, Self::Bonferroni | Self::Holm)
    }
}
