//! What is odd about a build that only tests have (feature `crash-points`): a migration that no
//! release has, a service that crashes at its start. One build is then an older, a newer and a broken
//! version, by a word written over [`TRIAL`] in a copy of the binary. An ordinary build has none of it.

/// A migration that no release has, so that a test can be an older and a newer version with one build:
/// `CU_AGENT_TRIAL_MIGRATION`, or the word written over [`TRIAL`] in a copy of the binary.
#[cfg(feature = "crash-points")]
pub fn migration() -> Option<&'static str> {
    let wanted = std::env::var("CU_AGENT_TRIAL_MIGRATION");
    match wanted.as_deref().unwrap_or_else(|_| trial()) {
        "ok" | "ok then crashes" => Some("CREATE TABLE trial (id INTEGER PRIMARY KEY) STRICT;"),
        "fails" => Some("INSERT INTO no_such_table VALUES (1);"),
        _ => None,
    }
}

#[cfg(not(feature = "crash-points"))]
pub fn migration() -> Option<&'static str> {
    None
}

/// What is odd about this copy of the binary; a test writes over it.
#[cfg(feature = "crash-points")]
static TRIAL: [u8; 32] = *b"cu-agent trial: nothing         ";

#[cfg(feature = "crash-points")]
fn trial() -> &'static str {
    let written = std::hint::black_box(&TRIAL);
    let word = &written["cu-agent trial: ".len()..];
    std::str::from_utf8(word).map_or("", str::trim_end)
}

/// Ends the service at its start where this copy of the binary is to be one that crashes.
pub fn crash_if_asked() {
    #[cfg(feature = "crash-points")]
    if trial() == "crashes" {
        std::process::abort();
    }
}

/// The same, with the buffer open and migrated.
pub fn crash_later_if_asked() {
    #[cfg(feature = "crash-points")]
    if trial() == "ok then crashes" {
        std::process::abort();
    }
}
