//! Dividing interactions into training and test.

use reco_core::interactions::InteractionLog;

/// How interactions are divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Split {
    /// What happened in the last `test_share` of the time span tests.
    Time {
        /// Share of the span, between 0 and 1.
        test_share: f64,
    },
    /// The last interaction of every user with at least two tests; of several at one moment the last in the file.
    LastOne,
}

/// The question asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// What next? Training items may come again.
    #[default]
    All,
    /// What new? Only items the user did not have in training.
    New,
}

/// Training and test rows of a log, each in the log's order.
pub fn split(log: &InteractionLog, split: Split) -> (Vec<u32>, Vec<u32>) {
    let rows = 0..log.len() as u32;
    match split {
        Split::Time { test_share } => {
            let Some((first, last)) = log.span() else { return (Vec::new(), Vec::new()) };
            let span = (last.millis() - first.millis()) as f64;
            let from = first.millis() + (span * (1.0 - test_share)) as i64;
            rows.partition(|&row| log.at[row as usize].millis() < from)
        }
        Split::LastOne => {
            let mut last: Vec<Option<u32>> = vec![None; log.users.len()];
            let mut counts = vec![0u32; log.users.len()];
            for row in rows.clone() {
                let user = log.user[row as usize] as usize;
                counts[user] += 1;
                let later = last[user].is_none_or(|known| log.at[row as usize] >= log.at[known as usize]);
                if later {
                    last[user] = Some(row);
                }
            }
            let tests = |row: u32| {
                let user = log.user[row as usize] as usize;
                counts[user] > 1 && last[user] == Some(row)
            };
            rows.partition(|&row| !tests(row))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reco_core::event::Action;
    use reco_core::id::ItemId;
    use reco_core::time::Timestamp;

    fn log(events: &[(&str, u32, i64)]) -> InteractionLog {
        let mut log = InteractionLog::default();
        for &(user, item, secs) in events {
            let user = log.users.intern(user);
            log.push(user, ItemId::new(item), &Action::Purchase, None, Timestamp::from_secs(secs));
        }
        log
    }

    #[test]
    fn time_cuts_the_span_and_last_one_every_user() {
        let log = log(&[
            ("a", 0, 0),
            ("a", 1, 95),
            ("b", 2, 100),
            ("a", 3, 89),
            ("b", 4, 5),
            ("c", 5, 50),
            ("b", 6, 100),
        ]);
        assert_eq!(split(&log, Split::Time { test_share: 0.1 }), (vec![0, 3, 4, 5], vec![1, 2, 6]));
        assert_eq!(split(&log, Split::LastOne), (vec![0, 2, 3, 4, 5], vec![1, 6]));
    }
}
