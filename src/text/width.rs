//! About how wide a text is where nothing can be measured: names from outside that must fit a tile or a page.
//!
//! What must never happen here: a name that is cut and does not show it.

/// Of an ordinary letter, in hundredths of the letters' height.
pub(crate) const LETTER: usize = 60;
const ELLIPSIS: usize = 100;

/// In hundredths of the letters' height, rather too much than too little.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

fn width_of(letter: char) -> usize {
    match letter {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 33,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '—' => 100,
        'A'..='Z' | '<' | '>' | '_' => 78,
        letter if letter.is_ascii() => LETTER,
        // Accents, and letters of other scripts that may be twice as wide.
        letter if u32::from(letter) < 0x370 => 78,
        _ => 120,
    }
}

/// `text`, or as much of it as `most` has room for, and an ellipsis.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut used = ELLIPSIS;
    let kept = text.chars().take_while(|letter| {
        used += width_of(*letter);
        used <= most
    });
    let kept: String = kept.collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_its_width_between_letters_and_shows_it() {
        assert_eq!(shortened("DEM12", 400), "DEM12");
        assert_eq!(shortened(&"W".repeat(100), 1_000), format!("{}…", "W".repeat(9)));
        assert_eq!(shortened(&"é".repeat(100), 300), "éé…");
        assert!(width(&shortened("atelier de découpe et d'usinage", 700)) <= 700);
        assert_eq!(shortened("", 100), "");
    }
}
