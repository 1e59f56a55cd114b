//! The name of a metric, for what searches and chooses by it.

use super::{MOST_CUT_OFF, Metrics};
use std::fmt;
use std::str::FromStr;

/// A metric of an evaluation at a cut-off, as `ndcg@10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    name: String,
    k: usize,
}

/// What lists show together; of these less is better for `gini` alone.
const EXPOSURE: [&str; 4] = ["coverage", "gini", "novelty", "diversity"];

impl Metric {
    /// Length of the lists that are judged.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Its name without the length.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a mean over users, and not something that their lists show together.
    pub fn is_mean(&self) -> bool {
        !EXPOSURE.contains(&self.name.as_str())
    }

    /// Whether less is better.
    pub fn minimize(&self) -> bool {
        self.name == "gini"
    }
}

impl Default for Metric {
    fn default() -> Self {
        Self { name: "ndcg".to_owned(), k: 10 }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.k)
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, k) = text.split_once('@').unwrap_or((text, "10"));
        let accuracy = Metrics::default().named().map(|(name, _)| name);
        let names = [&accuracy[..], &EXPOSURE].concat();
        if !names.contains(&name) {
            return Err(format!("there is no metric `{name}`; there are {}, as ndcg@10", names.join(", ")));
        }
        let in_range = |k: &usize| (1..=MOST_CUT_OFF).contains(k);
        let k = k.parse().ok().filter(in_range);
        let k = k.ok_or_else(|| format!("must end in a length of 1 to {MOST_CUT_OFF}, as {name}@10"))?;
        Ok(Self { name: name.to_owned(), k })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_and_mistakes_named() {
        for (text, shown) in [("ndcg@10", "ndcg@10"), ("recall@5", "recall@5"), ("mrr", "mrr@10")] {
            assert_eq!(text.parse::<Metric>().unwrap().to_string(), shown);
        }
        assert!("gini@3".parse::<Metric>().unwrap().minimize());
        for (text, said) in
            [("auc@10", "there are hr, ndcg"), ("ndcg@0", "1 to 1000"), ("ndcg@x", "1 to 1000")]
        {
            assert!(text.parse::<Metric>().unwrap_err().contains(said), "{text}");
        }
    }
}
