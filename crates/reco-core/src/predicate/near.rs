//! The name somebody probably meant.

/// The name nearest to `word` by edits of one letter, if it takes at most a third as many as the word is
/// long; the first of equals. Case does not count.
pub(super) fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    let word = letters(word);
    let edits = names.iter().filter_map(|name| {
        let letters = letters(name);
        // Lengths that differ take as many edits at least: a long word is not compared with short names.
        let is_near = word.len().abs_diff(letters.len()) <= allowed;
        is_near.then(|| (edits(&word, &letters), *name))
    });
    edits.filter(|(edits, _)| *edits <= allowed).min_by_key(|(edits, _)| *edits).map(|(_, name)| name)
}

fn letters(text: &str) -> Vec<char> {
    text.to_lowercase().chars().collect()
}

/// Letters to insert, remove or replace (Levenshtein 1966), one row of the table at a time.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        let names = ["category", "brand", "price", "tags"];
        for (word, meant) in [
            ("categroy", Some("category")),
            ("Price", Some("price")),
            ("tag", Some("tags")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &names), meant, "{word}");
        }
        assert_eq!(edits(&letters("kitten"), &letters("sitting")), 3);
    }
}
