//! Lists and their vectors in a file.

use super::super::Metric;
use super::super::codes::Codes;
use super::super::file::{Filed, Incoming, Outgoing, Problem};
use super::super::scratch::Pool;
use super::super::vectors::Vectors;
use super::{IvfIndex, IvfParams};

impl Filed for IvfIndex {
    const KIND: u32 = 3;

    fn write<'a>(&'a self, parts: &mut Outgoing<'a>) {
        let IvfParams { lists, probes, rounds } = self.params;
        parts.add_copy("numbers", &[lists, probes, rounds].map(|number| number as u64));
        self.vectors.write(parts);
        self.codes.write(parts);
        parts.add("items", &self.items);
        parts.add("starts", &self.starts);
        parts.add("centres", self.centres.rows().as_slice());
    }

    fn read(parts: &Incoming) -> Result<Self, Problem> {
        let (vectors, codes) = (Vectors::read(parts)?, Codes::read(parts)?);
        let numbers = parts.array::<u64>("numbers")?;
        let params = params(&numbers).ok_or_else(|| Problem::section("numbers"))?;
        let starts = parts.array::<u32>("starts")?;
        let ends = (starts.first().copied(), starts.last().map(|&end| end as usize));
        if ends != (Some(0), Some(vectors.len())) || !starts.is_sorted() {
            return Err(Problem::section("starts"));
        }
        let metric = centres_metric(parts.metric());
        let centres = Vectors::stored(parts.array("centres")?, starts.len() - 1, vectors.dim(), metric)
            .ok_or_else(|| Problem::section("centres"))?;
        let items = parts.permutation("items")?;
        Ok(Self { vectors, codes, items, starts, centres, params, idle: Pool::default() })
    }
}

fn params(numbers: &[u64]) -> Option<IvfParams> {
    let &[lists, probes, rounds] = <&[u64; 3]>::try_from(numbers).ok()?;
    let number = |number: u64| usize::try_from(number).ok();
    Some(IvfParams { lists: number(lists)?, probes: number(probes)?, rounds: number(rounds)? })
}

/// How centres are compared: means of normalised vectors are shorter, and what they lack counts against
/// them.
pub(super) fn centres_metric(metric: Metric) -> Metric {
    if metric == Metric::L2 { Metric::L2 } else { Metric::InnerProduct }
}
