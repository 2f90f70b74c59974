//! The Debian package in real Debian systems: installed, upgraded, removed.

#[path = "../support/mod.rs"]
mod support;

mod machine;
