//! Which known word a mistyped one was meant to be.

/// How many letters must be changed, inserted, removed or swapped with their neighbour to make `b` of `a`
/// (optimal string alignment).
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (row, letter) in a.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in b.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let kept = at(&last, column) + usize::from(letter != *other);
            let changed = at(&last, column + 1).min(at(&current, column)) + 1;
            let neighbour = column.checked_sub(1);
            let swapped = match neighbour.and_then(|index| Some((index, b.get(index)?))) {
                Some((index, left)) if Some(*other) == previous && *left == letter => {
                    at(&before_last, index) + 1
                }
                Some(_) | None => usize::MAX,
            };
            current.push(kept.min(changed).min(swapped));
        }
        previous = Some(letter);
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

/// Whether `typed` is so near to `known` that a slip of the fingers explains it.
pub fn is_near(typed: &str, known: &str) -> bool {
    distance(typed, known) <= 1 + known.chars().count() / 4
}

/// The word of `known` that is a slip away from `typed`.
pub fn near_word<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let word = known.iter().min_by_key(|word| distance(&typed, word))?;
    is_near(&typed, word).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_slips() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "port", 4),
            ("port", "", 4),
            ("port", "port", 0),
            ("prt", "port", 1),
            ("prot", "port", 1),
            ("porrt", "port", 1),
            ("part", "port", 1),
            ("ownre", "owner", 1),
            ("kitten", "sitting", 3),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_a_slip_is_near() {
        assert_eq!(near_word("OpenLdap", &["auto", "openldap"]), Some("openldap"));
        assert_eq!(near_word("opneldap", &["auto", "openldap"]), Some("openldap"));
        assert_eq!(near_word("hunter2", &["auto", "openldap"]), None);
    }
}
