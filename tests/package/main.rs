//! The Debian package in real Debian systems: installed, upgraded, removed. They are for
//! `make test-package`: root, debootstrap and minutes.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the test's way of failing")]

#[path = "../support/mod.rs"]
mod support;

mod contents;
mod foreign;
mod fresh;
mod gateway;
mod hardening;
mod life;
mod linked;
mod machine;
mod packages;
mod release;
mod repository;
mod updater;
