//! Field updates against a real HTTPS server: what is refused and why, and, in real Debian systems, what
//! is installed, proven, put back, and finished after a kill at every step. Built with the feature
//! `crash-points`; needs root: make test-update.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the test's way of failing")]

#[path = "../support/mod.rs"]
mod support;

mod asked;
mod fleet;
mod gateway;
mod keys;
mod kills;
mod manifests;
mod publisher;
mod refusals;
mod release;
mod rollout;
mod settings;
mod versions;
