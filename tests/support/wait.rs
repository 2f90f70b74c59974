//! Waiting for a condition with a deadline: the only place of the tests that lets time pass.

use std::time::{Duration, Instant};

/// Long enough for a loaded machine, short enough that a hanging test is told apart from a slow one.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Polls until `condition` holds; panics with `what` when it does not within `limit`.
pub fn until(what: &str, limit: Duration, condition: impl FnMut() -> bool) {
    until_or_else(limit, condition, || what.to_owned());
}

/// The same where what was waited for, and why it did not come, is known only in the end.
pub fn until_or_else(
    limit: Duration,
    mut condition: impl FnMut() -> bool,
    what: impl Fn() -> String,
) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {limit:?} in vain until {}", what());
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Lets a while pass, for damage that must strike at any moment. Never to wait for something.
pub fn any_moment(length: Duration) {
    std::thread::park_timeout(length);
}
