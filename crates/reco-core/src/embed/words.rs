//! Splitting text into words.

/// The words of a text, lower-cased: runs of letters and digits, at least two characters long.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().nth(1).is_some())
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits() {
        let found: Vec<String> = words("Crème brûlée, 2% milk (1 GA) — café-au-lait").collect();
        assert_eq!(found, ["crème", "brûlée", "milk", "ga", "café", "au", "lait"]);
    }
}
