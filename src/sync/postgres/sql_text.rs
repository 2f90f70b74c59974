//! SQL as it is printed for `psql`: texts in it, and scripts that mean the same on every server.

use super::encoding::{REPERTOIRES, ServerEncoding, for_encoding};

/// An SQL text, whatever `standard_conforming_strings` is.
pub(super) fn literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    // Without a backslash it needs nothing else.
    if value.contains('\\') {
        return format!("E'{}'", quoted.replace('\\', r"\\"));
    }
    format!("'{quoted}'")
}

/// `script` for `psql` on a server of any encoding: its texts are what the agent itself would write there.
pub(super) fn for_any_server(script: &str) -> String {
    if script.is_ascii() {
        return script.to_owned();
    }
    let plain = for_encoding(script, ServerEncoding::Ascii);
    let known = REPERTOIRES.iter().map(|known| (known.name(), ServerEncoding::Known(known)));
    let mut variants: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, encoding) in std::iter::once(("UTF8", ServerEncoding::Utf8)).chain(known) {
        let text = for_encoding(script, encoding);
        match variants.iter_mut().find(|(known, _)| *known == text) {
            Some((_, names)) => names.push(name),
            None if text != plain => variants.push((text.into_owned(), vec![name])),
            None => {}
        }
    }
    let is_one_of = |(place, (_, names)): (usize, &(String, Vec<&str>))| {
        format!("getdatabaseencoding() IN ('{}') AS cu_agent_enc_{place}", names.join("', '"))
    };
    let questions: Vec<String> = variants.iter().enumerate().map(is_one_of).collect();
    let mut out = format!("SELECT {} \\gset\n", questions.join(",\n       "));
    for (place, (text, _)) in variants.iter().enumerate() {
        let word = if place == 0 { "if" } else { "elif" };
        out += &format!("\\{word} :cu_agent_enc_{place}\n\\encoding UTF8\n{text}\n");
    }
    out + "\\else\n" + &plain + "\n\\endif\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_one_whatever_it_holds() {
        assert_eq!(literal("PV'C"), "'PV''C'");
        assert_eq!(literal(r"a'; DROP TABLE x; --\'"), r"E'a''; DROP TABLE x; --\\'''");
    }

    #[test]
    fn a_script_has_a_variant_for_each_way_in_which_encodings_hold_it() {
        assert_eq!(for_any_server("SELECT 1;"), "SELECT 1;");
        let script = for_any_server("SELECT 'été à';");
        assert!(
            script.contains("\nSELECT 'été à';\n") && script.contains("\\else\nSELECT 'ete a';")
        );
        let first = script.lines().next().unwrap_or_default();
        assert!(first.contains("'UTF8'") && first.contains("'LATIN1'"), "{first}");
        assert!(!first.contains("KOI8R") && !first.contains("WIN1250"), "{first}");
        // é alone.
        assert!(script.contains("\nSELECT 'été a';\n") && script.contains("'WIN1250'"), "{script}");
        assert_eq!(script.matches("\\endif").count(), 1);
    }
}
