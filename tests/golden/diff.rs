//! What changed between two texts, line by line.

/// The lines of both texts in order: `-` only in `old`, `+` only in `new`, and what stays next to those.
pub(crate) fn lines(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let common = common(&old, &new);
    let (mut row, mut column) = (0, 0);
    let mut all: Vec<(char, &str)> = Vec::new();
    while row < old.len() || column < new.len() {
        if row < old.len() && column < new.len() && old[row] == new[column] {
            all.push((' ', old[row]));
            (row, column) = (row + 1, column + 1);
        } else if column == new.len()
            || (row < old.len() && common[row + 1][column] >= common[row][column + 1])
        {
            all.push(('-', old[row]));
            row += 1;
        } else {
            all.push(('+', new[column]));
            column += 1;
        }
    }
    let is_near_a_change = |place: usize| {
        let near = place.saturating_sub(CONTEXT)..all.len().min(place + CONTEXT + 1);
        all[near].iter().any(|(mark, _)| *mark != ' ')
    };
    let shown = (0..all.len()).filter(|&place| is_near_a_change(place)).map(|place| all[place]);
    shown.map(|(mark, line)| format!("{mark} {line}\n")).collect()
}

/// Unchanged lines shown beside a changed one.
const CONTEXT: usize = 1;

/// `[row][column]`: how many lines the texts from there on have in common, in order.
fn common(old: &[&str], new: &[&str]) -> Vec<Vec<usize>> {
    let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
    for row in (0..old.len()).rev() {
        for column in (0..new.len()).rev() {
            common[row][column] = if old[row] == new[column] {
                common[row + 1][column + 1] + 1
            } else {
                common[row + 1][column].max(common[row][column + 1])
            };
        }
    }
    common
}

#[test]
fn a_diff_shows_what_left_and_what_came() {
    assert_eq!(lines("a\nb\nc\nd\ne", "a\nb\nx\nd\ne"), "  b\n- c\n+ x\n  d\n");
    assert_eq!(lines("", "a"), "+ a\n");
    assert_eq!(lines("same\n", "same\n"), "");
}
