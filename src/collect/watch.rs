//! The agent's side of a cycle over one source.

use super::decide::Timestamps;

/// The agent's side of a cycle: its clock, whether to stop, and who watches.
pub trait Watch {
    fn now(&self) -> Timestamps;
    /// Asked between files.
    fn must_stop(&self) -> bool;
    /// Whether files that were not read yet are left to the next cycle, which begins with the folder
    /// that was not reached.
    fn leaves_the_rest(&self) -> bool {
        false
    }
    /// One more of `of` files of the folder has been looked at.
    fn progress(&self, folder: &str, done: usize, of: usize);
    /// Sessions changed and are durable: the sync may have them.
    fn kept(&self);
}
