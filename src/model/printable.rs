//! Text from outside (files, servers, central) as it may be shown to people: on a terminal, in a log
//! line, in a CSV, on a page.

/// `text` as one line of at most `most_chars` characters. What could move a cursor, colour a
/// terminal, end a line or turn the direction of writing becomes a blank.
pub fn printable(text: &str, most_chars: usize) -> String {
    text.chars().map(|c| if is_harmless(c) { c } else { ' ' }).take(most_chars).collect()
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
}
