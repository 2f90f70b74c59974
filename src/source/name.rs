//! Which names of folders and files are used at all. A name from a listing or a configuration must
//! never become a path outside its folder, nor a second command.

use std::collections::BTreeSet;

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

/// Only names ending in `.LOG`, in any case, are LOG files.
pub fn is_log(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() > 4 && bytes[bytes.len() - 4..].eq_ignore_ascii_case(b".log")
}

/// Whether a name that is no LOG's looks like one that was renamed: `20250603.LOG.1`, `20250603.BAK`.
pub fn may_be_renamed_log(name: &str) -> bool {
    let bytes = name.as_bytes();
    let has_date = bytes.len() > 8 && bytes[..8].iter().all(u8::is_ascii_digit);
    let holds_end = || bytes.windows(4).skip(1).any(|part| part.eq_ignore_ascii_case(b".log"));
    !is_log(name) && (has_date || holds_end())
}

/// The LOGs that a file which is none may have been: the beginnings of its name.
pub fn logs_before_renaming(name: &str) -> BTreeSet<String> {
    let mut logs = BTreeSet::new();
    let ends = name.char_indices().filter(|(at, char)| *at > 0 && !char.is_alphanumeric());
    for (end, _) in ends.take(MOST_BEGINNINGS) {
        let begin = &name[..end];
        if is_log(begin) {
            logs.insert(begin.to_owned());
        }
        logs.extend([".LOG", ".log"].map(|log| format!("{begin}{log}")));
    }
    logs
}

/// Places at which a name may have ended before it was renamed.
const MOST_BEGINNINGS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_ending_in_log_of_any_case_count() {
        assert!(is_log("20250603.LOG") && is_log("x.log") && is_log("é (1).Log"));
        assert!(
            !is_log(".LOG") && !is_log("20250603.LOG.bak") && !is_log("LOG") && !is_log("éa.xé")
        );
    }

    #[test]
    fn a_renamed_log_is_known_by_what_its_name_begins_with() {
        for name in ["20250603.LOG.1", "20250603.log~", "20250603.BAK", "20250603_alt", "a.Log.old"]
        {
            assert!(may_be_renamed_log(name), "{name}");
        }
        for name in ["20250603.LOG", "a.log", "readme.txt", "2025", "Thumbs.db", ".logx"] {
            assert!(!may_be_renamed_log(name), "{name}");
        }
        assert!(logs_before_renaming("20250603.LOG.1").contains("20250603.LOG"));
        assert!(logs_before_renaming("20250603.BAK").contains("20250603.LOG"));
        assert!(logs_before_renaming("20250603_B.LOG.BAK").contains("20250603_B.LOG"));
        assert!(logs_before_renaming("journal.txt").contains("journal.LOG"));
        assert!(!logs_before_renaming("202506030.BAK").contains("20250603.LOG"));
        assert!(logs_before_renaming(&"a.".repeat(100)).len() <= 3 * MOST_BEGINNINGS);
    }

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
