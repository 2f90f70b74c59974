//! Which names of folders and files are used at all. A name from a listing or a configuration must
//! never become a path outside its folder, nor a second command.

/// Longest name in bytes as it travels or lies on disk; what every file system in use allows.
pub(super) const MAX_NAME_BYTES: usize = 255;

/// Why `name`, which takes `bytes` bytes on the wire or on disk, is not used; `None` if it is.
pub(super) fn reason_unusable(name: &str, bytes: usize) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if bytes > MAX_NAME_BYTES {
        return Some("it is longer than 255 bytes");
    }
    if name == "." || name == ".." {
        return Some("it refers to the directory itself or its parent");
    }
    if name.contains(['/', '\\']) {
        return Some("it contains a path separator");
    }
    // C1 is left: in latin-1 servers these are letters of Windows' code page.
    if name.chars().any(|c| c < ' ' || c == '\x7f') {
        return Some("it contains a line break or another control character");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_folder_or_break_a_command_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "a\rb",
            "a\nDELE b",
            "a\0b",
            "a\x1b[2J",
            "a\tb",
            "a\x7f",
        ] {
            assert!(reason_unusable(name, name.len()).is_some(), "{name:?}");
        }
        let long = "x".repeat(256);
        assert!(reason_unusable(&long, long.len()).is_some());
    }

    #[test]
    fn odd_but_harmless_names_are_taken() {
        let long = "x".repeat(255);
        for name in ["-rf", " lead", "a  b", "DEM12 (PVC)", "été.LOG", "..LOG", "~x", &long] {
            assert_eq!(reason_unusable(name, name.len()), None, "{name:?}");
        }
    }
}
