//! Text from outside (files, servers, central) as it may be shown to people: on a terminal, in a log
//! line, in a CSV, on a page.

use std::borrow::Cow;

/// `text` as one line of at most `most_chars` characters. What could move a cursor, colour a
/// terminal, end a line or turn the direction of writing becomes a blank.
pub fn printable(text: &str, most_chars: usize) -> String {
    text.chars().map(|c| if is_harmless(c) { c } else { ' ' }).take(most_chars).collect()
}

/// `text` of our own making, whose line ends are meant, with a blank for every other character that
/// [`is_harmless`] refuses.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    let is_kept = |c: char| c == '\n' || is_harmless(c);
    if text.chars().all(is_kept) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_kept(c) { c } else { ' ' }).collect())
}

/// JSON with the same characters escaped, so that its values stay what they are. JSON has them in
/// strings only: its own blanks and line ends are harmless.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    let is_kept = |c: char| c == '\n' || is_harmless(c);
    if json.chars().all(is_kept) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_kept(c) {
            escaped.push(c);
        } else {
            // All of them are below U+10000: one escape each.
            escaped += &format!("\\u{:04x}", u32::from(c));
        }
    }
    Cow::Owned(escaped)
}

/// False for control characters (C0, DEL, C1), line and paragraph separators, and the characters
/// that turn or hide the text around them (Unicode's bidirectional controls and zero-width marks).
pub fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
        )
}

/// What a spreadsheet takes for the beginning of a formula; some also in their wide forms.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Whether a spreadsheet would take `text` for a formula, blanks in front of it or not.
pub fn begins_formula(text: &str) -> bool {
    text.trim_start().starts_with(FORMULA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through() {
        let hostile = "a\x1b[31mb\r\nc\u{9b}2Jd\u{202e}e\u{7f}f\u{2028}g";
        assert_eq!(printable(hostile, 100), "a [31mb  c 2Jd e f g");
        assert_eq!(printable("Découpe n° 4 – été", 100), "Découpe n° 4 – été");
        assert_eq!(printable("Découpe", 3), "Déc");
    }

    #[test]
    fn lines_of_our_own_stay_lines_and_json_keeps_its_values() {
        let hostile = "a\u{9b}2J\u{202e}b\r\n\x1b]0;c\x07\0";
        assert_eq!(printable_lines(hostile), "a 2J b \n ]0;c  ");
        assert!(matches!(printable_lines("été\n"), Cow::Borrowed("été\n")));
        let json = "{\n\"a\": \"\u{9b}\u{202e}\u{7f}é\"\n}";
        assert_eq!(printable_json(json), "{\n\"a\": \"\\u009b\\u202e\\u007fé\"\n}");
        assert!(matches!(printable_json("[]\n"), Cow::Borrowed("[]\n")));
    }
}
