//! Which way, and how strongly, the order of a list pulls at the scores of its rows.

/// First and second derivative of the loss by a row's score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pull {
    pub(super) gradient: f32,
    pub(super) curvature: f32,
}

/// Ranks up to which a pair of rows counts: well past the ten that are judged, for what stands below them may rise.
const DEPTH: usize = 30;

/// The pulls of LambdaRank (Burges, 2010, section 4) on the rows of a list: every pair of a row that was taken and one
/// that was not pulls apart, by how much NDCG would change if the two changed places. The sum over a list grows with the
/// logarithm of its pairs, so that long lists do not outshout short ones, and pairs far apart in score count less, as in
/// LightGBM.
pub(super) fn pulls(scores: &[f32], is_taken: &[bool]) -> Vec<Pull> {
    let mut pulls = vec![Pull::default(); scores.len()];
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
    let n_taken = is_taken.iter().filter(|&&is_taken| is_taken).count();
    let ideal: f32 = (0..n_taken.min(DEPTH)).map(discount).sum();
    let range = order
        .first()
        .zip(order.last())
        .map_or(0.0, |(&best, &worst)| scores[best as usize] - scores[worst as usize]);
    let mut sum = 0.0;
    for (place, &upper) in order.iter().enumerate().take(DEPTH) {
        for (below, &lower) in order.iter().enumerate().skip(place + 1) {
            let (upper, lower) = (upper as usize, lower as usize);
            let (taken, other) = match (is_taken[upper], is_taken[lower]) {
                (true, false) => (upper, lower),
                (false, true) => (lower, upper),
                _ => continue,
            };
            let apart = scores[taken] - scores[other];
            let mut change = (discount(place) - discount(below)) / ideal;
            if range > 0.0 {
                change /= 0.01 + apart.abs();
            }
            let doubt = 1.0 / (1.0 + apart.exp());
            let (pull, curvature) = (doubt * change, doubt * (1.0 - doubt) * change);
            pulls[taken].gradient -= pull;
            pulls[other].gradient += pull;
            pulls[taken].curvature += curvature;
            pulls[other].curvature += curvature;
            sum += 2.0 * pull;
        }
    }
    if sum > 0.0 {
        let evened = (1.0 + sum).log2() / sum;
        for pull in &mut pulls {
            pull.gradient *= evened;
            pull.curvature *= evened;
        }
    }
    pulls
}

/// What a place counts in NDCG.
fn discount(place: usize) -> f32 {
    1.0 / (place as f32 + 2.0).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_pulled_up_and_least_where_it_stands_first() {
        let scores = [3.0, 2.0, 1.0, 0.0];
        let of = |taken: usize| {
            let is_taken: [bool; 4] = std::array::from_fn(|row| row == taken);
            pulls(&scores, &is_taken)
        };
        for taken in 0..4 {
            let pulls = of(taken);
            let sum: f32 = pulls.iter().map(|pull| pull.gradient).sum();
            assert!(sum.abs() < 1e-6, "what one gains the others lose: {pulls:?}");
            assert!(pulls.iter().enumerate().all(|(row, pull)| (row == taken) == (pull.gradient < 0.0)));
            assert!(pulls.iter().all(|pull| pull.curvature > 0.0));
        }
        assert!((1..4).all(|taken| of(taken)[taken].gradient < of(0)[0].gradient));
    }

    #[test]
    fn lists_without_a_pair_pull_nowhere() {
        for is_taken in [[true; 3], [false; 3]] {
            assert_eq!(pulls(&[0.5, 0.5, 0.1], &is_taken), [Pull::default(); 3]);
        }
        assert!(pulls(&[], &[]).is_empty());
    }
}
