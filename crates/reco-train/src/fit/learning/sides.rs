//! Which lists teach, and which say how well they taught.

use super::FEWEST_LISTS;
use crate::fit::examples::Examples;
use crate::fit::users::spread;
use crate::progress::{Progress, remarked};

/// Numbers of lists, all of which have something that was taken and something that was not.
pub(in crate::fit) struct Sides {
    pub(in crate::fit) training: Vec<usize>,
    pub(in crate::fit) validation: Vec<usize>,
    /// Whether what validates is later than what trains.
    pub(in crate::fit) in_time: bool,
}

impl Sides {
    /// The latest cut validates what the earlier ones teach, for a ranker has to hold for times to come: what all
    /// users took at one moment is easily learned, and gone at the next. Where there is one cut, a share of the users
    /// validates.
    pub(in crate::fit) fn of(examples: &Examples, share: f64) -> Self {
        let teaches = |list: &usize| {
            let taken = &examples.is_taken[examples.lists[*list].rows.clone()];
            taken.contains(&true) && taken.contains(&false)
        };
        let lists: Vec<usize> = (0..examples.lists.len()).filter(teaches).collect();
        let (training, validation): (Vec<usize>, Vec<usize>) =
            lists.iter().partition(|list| examples.lists[**list].cut > 0);
        if training.len() >= FEWEST_LISTS {
            return Self { training, validation, in_time: true };
        }
        let every = (1.0 / share).round().max(2.0) as u32;
        let trains = |list: &usize| !spread(examples.lists[*list].user).is_multiple_of(every);
        let (training, validation) = lists.into_iter().partition(trains);
        Self { training, validation, in_time: false }
    }

    /// Whether there is enough on both sides; says so where there is not, for the ranker fitted in `stage`.
    pub(in crate::fit) fn suffice(&self, stage: &str, progress: &dyn Progress) -> bool {
        let (learns, judges) = (self.training.len(), self.validation.len());
        let suffice = learns.min(judges) >= FEWEST_LISTS;
        if !suffice {
            let why = format!(
                "left out: of the lists with something that was taken {learns} are to learn from and {judges} to \
                 validate by, and either takes {FEWEST_LISTS}"
            );
            remarked(progress, stage, &why);
        }
        suffice
    }

    pub(in crate::fit) fn all(&self) -> Vec<usize> {
        [&self.training[..], &self.validation].concat()
    }
}
