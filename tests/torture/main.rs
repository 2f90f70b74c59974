//! Torture.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the test's way of failing")]
#[path = "../support/mod.rs"]
mod support;
