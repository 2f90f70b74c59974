//! Which of some names was probably meant by one that is none of them. Pure.

/// The names, the nearest to `written` first; those equally near stay in their order.
pub fn nearest_first<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let mut all: Vec<&str> = names.into_iter().collect();
    all.sort_by_cached_key(|name| distance(written, name));
    all
}

/// The one of `names` that `written` is a slip of the pen of, if one is near enough.
pub fn meant<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let nearest = nearest_first(written, names).into_iter().next()?;
    (distance(written, nearest) <= written.chars().count().div_ceil(3)).then_some(nearest)
}

/// No name is as long; the rest of one that is does not count.
const MOST_CHARS: usize = 100;

/// How many characters are added, left out, replaced or swapped with their neighbour (optimal string
/// alignment); upper and lower case are the same.
fn distance(a: &str, b: &str) -> usize {
    let chars = |text: &str| -> Vec<char> {
        text.chars().take(MOST_CHARS).flat_map(char::to_lowercase).collect()
    };
    let (a, b) = (chars(a), chars(b));
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (at, left) in a.iter().enumerate() {
        let mut row = vec![at + 1];
        for (to, right) in b.iter().enumerate() {
            let kept = rows[at][to] + usize::from(left != right);
            let mut least = kept.min(rows[at][to + 1] + 1).min(row[to] + 1);
            if at > 0 && to > 0 && *left == b[to - 1] && a[at - 1] == *right {
                least = least.min(rows[at - 1][to - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_what_was_meant_and_another_word_does_not() {
        let keys = ["name", "kind", "host", "port", "password_file", "folders"];
        for (written, expected) in [
            ("hsot", Some("host")),
            ("Host", Some("host")),
            ("pasword_file", Some("password_file")),
            ("folder", Some("folders")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(meant(written, keys), expected, "{written}");
        }
        assert_eq!(nearest_first("DEM21", ["SU12", "DEM12", "DEM1"])[..2], ["DEM12", "DEM1"]);
        assert_eq!((distance("ab", "ba"), distance("", "été"), distance("É", "é")), (1, 3, 0));
    }
}
