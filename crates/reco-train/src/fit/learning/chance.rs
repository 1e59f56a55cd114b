//! Whether one order of lists is better than another by more than chance.

/// Whether values are ahead of others, pair by pair, by more than one standard error of the difference: what has
/// learned takes the place of what is simpler only then (Breiman et al., "Classification and Regression Trees", 1984,
/// 3.4.3).
pub(in crate::fit) fn is_ahead(one: &[f64], other: &[f64]) -> bool {
    let gains: Vec<f64> = one.iter().zip(other).map(|(one, other)| one - other).collect();
    let (n, gain) = (gains.len() as f64, mean(&gains));
    let variance = gains.iter().map(|of_list| (of_list - gain).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    gain > (variance / n).sqrt()
}

/// 0 of nothing.
pub(in crate::fit) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_on_one_list_is_chance_and_on_most_is_not() {
        let before = [0.5; 10];
        let mut lucky = before;
        (lucky[3], lucky[7]) = (0.9, 0.4);
        assert!(!is_ahead(&lucky, &before));
        let mut better = before.map(|ndcg| ndcg + 0.04);
        better[3] = 0.48;
        assert!(is_ahead(&better, &before));
        assert!(!is_ahead(&before, &before), "nothing gained");
    }
}
