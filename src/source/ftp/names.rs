//! Paths in answers of a server.

/// The path between quotes in an answer to PWD; a quote in it is doubled (RFC 959, appendix II).
pub(super) fn quoted_path(text: &str) -> Option<String> {
    let (_, behind) = text.split_once('"')?;
    let (path, _) = behind.rsplit_once('"')?;
    // What stands behind the path may hold quotes too.
    let mut end = path.len();
    let mut at = 0;
    while let Some(quote) = path[at..].find('"') {
        if path[at + quote..].starts_with("\"\"") {
            at += quote + 2;
        } else {
            end = at + quote;
            break;
        }
    }
    let path = path[..end].replace("\"\"", "\"");
    (!path.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_pwd_is_what_stands_between_its_quotes() {
        let table = [
            ("257 \"/\"", Some("/")),
            ("257 \"/a b\" is current", Some("/a b")),
            ("257 \"/a \"\"b\"\"\" is \"here\"", Some("/a \"b\"")),
            ("257 /", None),
            ("257 \"\"", None),
        ];
        for (text, path) in table {
            assert_eq!(quoted_path(text).as_deref(), path, "{text}");
        }
    }
}
